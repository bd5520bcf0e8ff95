package slo

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// role is what a series is to an objective. The numbers are part of an objective's identity.
type role uint8

const (
	roleGood     role = iota // counter
	roleBad                  // counter
	roleTotal                // counter
	roleExcluded             // counter
	roleGauge                // compared with a limit
	roleTraffic              // counter whose rate has a floor
	roleBucket               // of a classic histogram
	roleNative               // native histogram
	roleRaw                  // gauge that is a ratio
	roleEvents               // counter of what a raw ratio speaks for
	rolePresence             // only that it is there counts
	roleWeight               // counter of amounts by which slices are weighed
)

// selector is one selector of one objective.
type selector struct {
	*spec.Selector
	obj  *objective
	role role
}

// decisive reports whether an objective cannot be judged without any series of this role.
func (r role) decisive(o *objective) bool {
	switch r {
	case roleExcluded, rolePresence, roleWeight:
		return false
	case roleGood, roleBad:
		return o.Indicator.Ratio.Total == nil
	}
	return true
}

func selectorsOf(o *spec.Objective) []selector {
	var out []selector
	add := func(s *spec.Selector, r role) {
		if s != nil {
			out = append(out, selector{Selector: s, role: r})
		}
	}
	if r := o.Indicator.Ratio; r != nil {
		add(r.Good, roleGood)
		add(r.Bad, roleBad)
		add(r.Total, roleTotal)
		add(r.Excluded, roleExcluded)
	}
	if i := o.Indicator.Histogram; i != nil {
		add(renamed(&i.Query, "_bucket"), roleBucket)
		add(&i.Query, roleNative)
	}
	if i := o.Indicator.Threshold; i != nil {
		add(&i.Query, roleGauge)
	}
	if i := o.Indicator.Traffic; i != nil {
		add(&i.Total, roleTraffic)
	}
	if i := o.Indicator.RawRatio; i != nil {
		add(&i.Query, roleRaw)
		add(i.Events, roleEvents)
	}
	if i := o.Indicator.Presence; i != nil {
		add(&i.Query, rolePresence)
	}
	if o.Weight != nil {
		add(o.Weight.By, roleWeight)
	}
	return out
}

// renamed is s for the series whose name has the suffix added.
func renamed(s *spec.Selector, suffix string) *spec.Selector {
	out := &spec.Selector{Text: s.Text + suffix, Matchers: slices.Clone(s.Matchers)}
	for i, m := range out.Matchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			out.Matchers[i] = labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, m.Value+suffix)
		}
	}
	return out
}

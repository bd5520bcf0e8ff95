package discover

import (
	"cmp"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/slo/spec"
)

// State says whether anybody keeps an eye on a service.
type State string

// The states of a service.
const (
	Covered    State = "covered"    // an objective reads one of its series at least
	Uncovered  State = "uncovered"  // it exposes what looks like golden signals, and no objective reads any series of it
	NoSignals  State = "no_signals" // no objective reads it, and nothing it exposes looks like a golden signal
	Unreadable State = "unreadable" // none of its targets could be read
)

// Coverage is how far the objectives reach one service.
type Coverage struct {
	Service    string   `json:"service"`
	Job        string   `json:"job"`
	Targets    int      `json:"targets"` // in discovery
	State      State    `json:"state"`
	Objectives []string `json:"objectives"` // names of those that read it, in order
	Unread     []Unread `json:"unread"`     // what looks like a golden signal and is read by none
}

// Unread is a signal that no objective reads.
type Unread struct {
	Signal string `json:"signal"` // errors, latency, traffic, saturation
	Metric string `json:"metric"` // where it was found
}

// Cover holds services against objectives. They come with those that are uncovered first, then by name.
func Cover(services []*Service, table *Table, objectives []spec.Objective) []Coverage {
	var out []Coverage
	for _, s := range services {
		c := Coverage{Service: maskText(s.Name), Job: maskText(s.Job), Targets: s.Targets, Objectives: []string{}, Unread: []Unread{}}
		read := map[*spec.Selector]bool{}
		for i := range objectives {
			o := &objectives[i]
			for _, sel := range o.Selectors() {
				if s.reads(sel) {
					read[sel] = true
				}
			}
			if slices.ContainsFunc(o.Selectors(), func(sel *spec.Selector) bool { return read[sel] }) {
				c.Objectives = append(c.Objectives, o.Name)
			}
		}
		docs, _ := Propose([]*Service{s}, table)
		for i := range docs {
			c.Unread = append(c.Unread, s.unread(&docs[i], read)...)
		}
		slices.Sort(c.Objectives)
		switch {
		case len(c.Objectives) > 0:
			c.State = Covered
		case s.Unreadable():
			c.State = Unreadable
		case len(docs) > 0:
			c.State = Uncovered
		default:
			c.State = NoSignals
		}
		out = append(out, c)
	}
	order := []State{Uncovered, Unreadable, NoSignals, Covered}
	slices.SortStableFunc(out, func(a, b Coverage) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), strings.Compare(a.Service, b.Service), strings.Compare(a.Job, b.Job))
	})
	return out
}

// reads is sees for a selector that need not fix a name.
func (s *Service) reads(sel *spec.Selector) bool {
	if sel.MetricName() != "" {
		return s.sees(sel)
	}
	for _, f := range s.families {
		if slices.ContainsFunc(f.series, func(p point) bool { return sel.Matches(p.labels) }) {
			return true
		}
	}
	return false
}

// unread lists signals of a document of which no series is read.
func (s *Service) unread(d *Document, read map[*spec.Selector]bool) (out []Unread) {
	for _, sig := range d.Signals {
		if len(sig.selectors) == 0 || slices.ContainsFunc(sig.selectors, func(sel *spec.Selector) bool { return s.overlaps(sel, read) }) {
			continue
		}
		out = append(out, Unread{Signal: sig.Kind, Metric: shown(sig.selectors[0].MetricName())})
	}
	return out
}

// overlaps reports whether some series that sel selects is read. Of a histogram every part counts.
func (s *Service) overlaps(sel *spec.Selector, read map[*spec.Selector]bool) bool {
	rest := nameless(sel.Matchers)
	for _, suffix := range []string{"", bucketSuffix, countSuffix} {
		name := sel.MetricName() + suffix
		f := s.families[name]
		if f == nil {
			continue
		}
		for other := range read {
			if o := other.MetricName(); o != "" && o != name && o != sel.MetricName() {
				continue
			}
			others := nameless(other.Matchers)
			if slices.ContainsFunc(f.series, func(p point) bool { return allMatch(rest, p.labels) && allMatch(others, p.labels) }) {
				return true
			}
		}
	}
	return false
}

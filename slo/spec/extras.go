package spec

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/money"
)

// OpenSLO has no place for what follows, so annotations say it. Every name begins with this prefix.
const annotationPrefix = "assayer.dev/"

// Annotations of an SLO or, where it has them not, of its indicator.
const (
	currencyKey     = annotationPrefix + "currency"
	unitKey         = annotationPrefix + "unit"
	valueQueryKey   = annotationPrefix + "value-query"
	groupByKey      = annotationPrefix + "group-by"
	maxGroupsKey    = annotationPrefix + "max-groups"
	groupExpiresKey = annotationPrefix + "group-expires"
	calendarKey     = annotationPrefix + "calendar"
)

// Annotations of an indicator only.
const (
	excludedQuery = annotationPrefix + "excluded-query" // selects what counts for nobody
	eventsQuery   = annotationPrefix + "events-query"   // how many events a sample of a raw ratio stands for
	// totalOf says on purpose what OpenSLO's schema has no place for: the total is good and bad together.
	totalOf    = annotationPrefix + "total"
	goodAndBad = "good + bad"
)

func extraKeys() []string {
	return []string{currencyKey, unitKey, valueQueryKey, groupByKey, maxGroupsKey, groupExpiresKey, calendarKey}
}

func indicatorKeys() []string {
	return append([]string{excludedQuery, eventsQuery, totalOf}, extraKeys()...)
}

// annotation is what the annotation says that a document or an indicator has.
func annotation(n strictyaml.Node, name string) strictyaml.Node {
	return n.At("metadata.annotations").Field(name)
}

// ownAnnotations refuses annotations with our prefix that n does not read: they would do nothing.
func (l *loader) ownAnnotations(n strictyaml.Node, known []string) {
	for _, e := range n.At("metadata.annotations").Entries() {
		if !strings.HasPrefix(e.Key, annotationPrefix) || slices.Contains(known, e.Key) {
			continue
		}
		p := e.Value.Problem(problem.Problem{Message: "is not read here" + strictyaml.DidYouMean(e.Key, known), Allowed: strings.Join(known, ", ")})
		elsewhere := "in an indicator"
		if slices.Contains(extraKeys(), e.Key) {
			elsewhere = "in an SLO or its indicator"
		}
		if slices.Contains(indicatorKeys(), e.Key) {
			p.Message, p.Allowed = "is not read here", elsewhere
			if short := goldenKey(e.Key); short != "" {
				p.Allowed += ", and as " + short + " in the short form"
			}
		}
		l.add(p)
	}
}

// places tells where the value that an annotation stands for is written.
type places func(key string) strictyaml.Node

// written looks into the annotations of the SLO first, then into those of the indicator.
func written(slo strictyaml.Node, ind *sli) places {
	var theirs strictyaml.Node
	own := slo.At("metadata.annotations")
	if ind != nil {
		theirs = ind.node.At("metadata.annotations")
	}
	return func(key string) strictyaml.Node {
		own := own.Field(key)
		if ind == nil || own.Exists() {
			return own
		}
		if of := theirs.Field(key); of.Exists() {
			return of
		}
		return own
	}
}

// extras reads what goes with any indicator. The method, the window and the indicator of o are known.
func (l *loader) extras(at places, o *Objective) {
	o.Weight = l.weight(at, o)
	o.GroupBy = l.groupBy(at, o.Window.Length)
	o.Calendar = l.calendarOf(at(calendarKey))
}

// weight reads what makes a budget count money.
func (l *loader) weight(at places, o *Objective) *Weight {
	code, unit, by := at(currencyKey), at(unitKey), at(valueQueryKey)
	if !code.Exists() && !unit.Exists() && !by.Exists() {
		return nil
	}
	w := &Weight{Currency: code.Text(), MinorUnit: 1}
	digits, known := money.MinorDigits(w.Currency)
	if !known {
		p := code.Wrong("an active code of ISO 4217 such as EUR")
		if _, upper := money.MinorDigits(strings.ToUpper(w.Currency)); upper {
			p.Message = "did you mean " + strings.ToUpper(w.Currency) + "?"
		}
		l.add(p)
	}
	switch unit.Text() {
	case "major":
		w.MinorUnit = math.Pow10(digits)
	case "minor":
	default:
		if unit.Exists() {
			l.add(unit.Wrong("minor (cents; the default), or major (euros)"))
		}
	}
	const bySlices = valueQueryKey + " with budgetingMethod Timeslices or RatioTimeslices"
	amounts := o.Indicator.Ratio != nil // the counters of which are the amounts themselves
	switch known := o.Method != "" && o.Indicator.kinds() > 0; {
	case o.Method == Occurrences && by.Exists():
		l.add(by.Problem(problem.Problem{Message: "is for slices; of events, the indicator's own counters are the amounts", Got: by.Shown(), Allowed: bySlices}))
	case by.Exists():
		w.By = l.counterSelector(by)
	case !known || amounts:
	case o.Method == Occurrences:
		l.add(code.Problem(problem.Problem{Message: "observations and samples are counted here, and not amounts", Got: code.Shown(),
			Allowed: "a ratioMetric of counters of amounts, or " + bySlices}))
	default:
		l.add(by.Wrong("a selector of counters of amounts: each slice weighs what they grew by in it"))
	}
	return w
}

const (
	maxGroupLabels   = 8
	defaultMaxGroups = 100
	maxGroups        = 1000
	minGroupExpiry   = time.Hour
)

// groupBy reads which labels make groups that have a budget of their own.
func (l *loader) groupBy(at places, window time.Duration) *GroupBy {
	by, most, expires := at(groupByKey), at(maxGroupsKey), at(groupExpiresKey)
	if !by.Exists() {
		for _, n := range []strictyaml.Node{most, expires} {
			if n.Exists() {
				l.add(n.Problem(problem.Problem{Message: "needs labels to group by beside it", Got: n.Shown()}))
			}
		}
		return nil
	}
	g := &GroupBy{Labels: l.groupLabels(by), Max: defaultMaxGroups, Expires: max(window, minGroupExpiry)}
	if most.Exists() {
		count, err := strconv.Atoi(most.Text())
		if err != nil || count < 1 || count > maxGroups {
			l.add(most.Wrong(fmt.Sprint("a whole number from 1 to ", maxGroups)))
		}
		g.Max = count
	}
	if expires.Exists() {
		d, err := model.ParseDuration(expires.Text())
		if g.Expires = time.Duration(d); err != nil || g.Expires < minGroupExpiry || g.Expires > maxWindow {
			l.add(expires.Wrong("a duration from " + burnrate.Text(minGroupExpiry) + " to " + burnrate.Text(maxWindow)))
		}
	}
	return g
}

// groupLabels reads a list, or a text with commas.
func (l *loader) groupLabels(n strictyaml.Node) []string {
	const allowed = "names of labels, such as region"
	type place struct {
		name string
		at   strictyaml.Node
	}
	var found []place
	for _, item := range n.Items() {
		found = append(found, place{item.Text(), item})
	}
	if !n.IsList() {
		for name := range strings.SplitSeq(n.Text(), ",") {
			found = append(found, place{strings.TrimSpace(name), n})
		}
	}
	if len(found) == 0 || len(found) == 1 && !found[0].at.IsList() && found[0].name == "" {
		l.add(n.Problem(problem.Problem{Message: problem.NoValue, Allowed: allowed}))
		return nil
	}
	seen := map[string]bool{}
	for _, f := range found {
		p := f.at.Wrong(allowed)
		switch {
		case !model.LegacyValidation.IsValidLabelName(f.name):
			l.add(p)
		case f.name == "le" || f.name == "quantile" || strings.HasPrefix(f.name, "__"):
			p.Message = f.name + " tells apart what belongs together"
			l.add(p)
		case seen[f.name]:
			p.Message = f.name + " is there twice"
			l.add(p)
		}
		seen[f.name] = true
	}
	if len(seen) > maxGroupLabels {
		l.add(n.Wrong(fmt.Sprint("1 to ", maxGroupLabels, " ", allowed)))
	}
	return slices.Sorted(maps.Keys(seen))
}

// calendarOf finds the calendar that n names: a document in whatever file, else a built-in one.
func (l *loader) calendarOf(n strictyaml.Node) *calendar.Business {
	if !n.Exists() {
		return nil
	}
	if found, ok := l.calendars[n.Text()]; ok {
		return found
	}
	found, ok := l.builtin(n)
	if !ok {
		names := slices.Concat(slices.Sorted(maps.Keys(l.calendars)), calendar.BuiltinNames())
		p := n.Wrong("the name of a " + kindBusinessCalendar + ", or a built-in one: " + strings.Join(calendar.BuiltinNames(), ", "))
		p.Message = "no document of kind " + kindBusinessCalendar + " has this name" + strictyaml.DidYouMean(n.Text(), names)
		l.add(p)
	}
	return found
}

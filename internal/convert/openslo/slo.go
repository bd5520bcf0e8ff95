package openslo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// defaultSlice is the length of slices where a version has no word for it.
const defaultSlice = "1m"

// first is the one of several spellings that is written, else the first.
func first(n strictyaml.Node, keys ...string) strictyaml.Node {
	for _, key := range keys {
		if at := n.At(key); at.Exists() {
			return at
		}
	}
	return n.At(keys[0])
}

// slo converts an SLO of v1 or v2alpha.
func (in *reader) slo(doc strictyaml.Node) {
	name := doc.At("metadata.name").Text()
	it := in.run.Item(doc, doc, name)
	it.Fields(doc, "apiVersion", "kind", "metadata", "spec")
	n := doc.At("spec")
	it.Fields(n, "description", "service", "serviceRef", "indicator", "sli", "indicatorRef", "sliRef", "budgetingMethod", "timeWindow", "objectives", "alertPolicies")
	out := in.common(it, n, n.At("timeWindow"))
	shared := in.of(it, n, &out.Indicator, &out.IndicatorRef)
	list := n.At("objectives").Items()
	if len(list) == 0 {
		it.Wrong(n, "objectives", "at least one objective")
	}
	for _, entry := range list {
		var o convert.Objective
		ind := shared
		if own := in.of(it, entry, &o.Indicator, &o.IndicatorRef); own != nil {
			ind = own
		}
		weight := entry.At("compositeWeight")
		o.CompositeWeight = convert.Number(weight.Text())
		in.entry(it, entry, &o, ind, out.BudgetingMethod)
		out.Objectives = append(out.Objectives, o)
	}
	if at := n.At("alertPolicies"); at.Exists() {
		var policies []any
		if problems := at.Decode(&policies); problems.Err() == nil {
			out.AlertPolicies = policies
		}
		it.Warn(convert.AlertPolicy, at, "", problem.Problem{Message: "is kept but not used; every objective has alerts of its own, and the agent file says which (burn_alerts)"})
	}
	it.Make(convert.Document{Kind: "SLO", Metadata: metadata(it, doc.At("metadata")), Spec: out}, name)
}

// common reads what SLOs of all versions have.
func (in *reader) common(it *convert.Item, n, window strictyaml.Node) convert.SLO {
	service := first(n, "service", "serviceRef")
	if service.Text() == "" {
		it.Wrong(service, "", "the name of a service")
	}
	return convert.SLO{
		Description: n.At("description").Text(), Service: service.Text(),
		BudgetingMethod: method(it, n.At("budgetingMethod")), TimeWindow: []convert.Window{in.window(it, window)},
	}
}

func method(it *convert.Item, n strictyaml.Node) string {
	methods := []string{"Occurrences", "Timeslices", "RatioTimeslices"}
	if !n.Exists() {
		it.Warn(convert.Assumed, n, "", problem.Problem{Message: "is missing and taken as Occurrences"})
		return methods[0]
	}
	i := slices.IndexFunc(methods, func(m string) bool { return strings.EqualFold(m, n.Text()) })
	if i < 0 {
		it.Wrong(n, "", strings.Join(methods, ", "))
		return methods[0]
	}
	return methods[i]
}

// of finds an indicator, inline or by name. It is nil if there is none or it cannot be converted.
func (in *reader) of(it *convert.Item, n strictyaml.Node, inline **convert.Inline, ref *string) *convert.Indicator {
	own, name := first(n, "indicator", "sli"), first(n, "indicatorRef", "sliRef")
	switch {
	case own.Exists() && name.Exists():
		it.Wrong(own, "", "indicator or indicatorRef, not both")
	case own.Exists():
		it.Fields(own, "metadata", "spec")
		m := metadata(it, own.At("metadata"))
		ind := in.indicator(it, own.At("spec"))
		if ind == nil {
			return nil
		}
		maps.Copy(m.Annotations, ind.Annotations())
		*inline = &convert.Inline{Metadata: m, Spec: ind.SLI}
		return ind
	case name.Exists():
		found := in.slis[name.Text()]
		if found == nil {
			it.Refuse(convert.MissingReference, name, "", problem.Problem{Message: "no document of kind SLI has this name", Got: name.Shown()})
			return nil
		}
		if found.found == nil {
			it.Refuse(found.why, name, "", problem.Problem{Message: "its indicator is not converted", Got: name.Shown()})
			return nil
		}
		*ref = found.name
		return found.found
	}
	return nil
}

// entry reads one of the objectives of an SLO.
func (in *reader) entry(it *convert.Item, n strictyaml.Node, o *convert.Objective, ind *convert.Indicator, method string) {
	it.Fields(n, "displayName", "op", "value", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow", "indicator", "sli", "indicatorRef", "sliRef",
		"compositeWeight", "ratioMetrics")
	o.DisplayName = n.At("displayName").Text()
	target, percent := n.At("target"), n.At("targetPercent")
	var ok bool
	switch {
	case target.Exists() == percent.Exists():
		it.Wrong(n, "target", "exactly one of target and targetPercent")
		ok = true
	case percent.Exists():
		o.Target, ok = convert.PercentToRatio(percent.Text())
	case strings.HasSuffix(target.Text(), "%"):
		o.Target, ok = convert.PercentToRatio(strings.TrimSuffix(target.Text(), "%"))
	default:
		o.Target, ok = convert.Ratio(target.Text())
	}
	if !ok {
		it.Wrong(first(n, "target", "targetPercent"), "", "a ratio from 0 to 1, or targetPercent from 0 to 100")
	}
	in.comparison(it, n, o, ind)
	slice, good := n.At("timeSliceWindow"), n.At("timeSliceTarget")
	if method == "Occurrences" {
		for _, at := range []strictyaml.Node{slice, good} {
			if at.Exists() {
				it.Warn(convert.IgnoredField, at, "", problem.Problem{Message: "has no meaning with Occurrences", Got: at.Shown()})
			}
		}
		return
	}
	o.TimeSliceTarget = convert.Number(numeric(it, good))
	o.TimeSliceWindow = slice.Text()
	switch {
	case slice.IsNumber():
		o.TimeSliceWindow += "m"
	case !slice.Exists():
		o.TimeSliceWindow = defaultSlice
		it.Warn(convert.Assumed, slice, "", problem.Problem{Message: "is missing and taken as " + defaultSlice})
	}
}

// comparison reads op and value, which only gauges have.
func (in *reader) comparison(it *convert.Item, n strictyaml.Node, o *convert.Objective, ind *convert.Indicator) {
	if ind == nil || ind.ThresholdMetric != nil {
		o.Op, o.Value = n.At("op").Text(), convert.Number(numeric(it, n.At("value")))
		return
	}
	for _, key := range []string{"op", "value"} {
		if at := n.At(key); at.Exists() {
			it.Warn(convert.IgnoredField, at, "", problem.Problem{Message: "has no meaning for a ratio", Got: at.Shown()})
		}
	}
}

// numeric is a number's own text, or nothing.
func numeric(it *convert.Item, n strictyaml.Node) string {
	if !n.Exists() {
		return ""
	}
	if _, err := strconv.ParseFloat(n.Text(), 64); err != nil || !n.IsNumber() {
		it.Wrong(n, "", "a number")
		return ""
	}
	return n.Text()
}

// window reads the one entry of timeWindow.
func (in *reader) window(it *convert.Item, list strictyaml.Node) convert.Window {
	items := list.Items()
	if len(items) == 0 {
		it.Warn(convert.Assumed, list, "", problem.Problem{Message: "is missing and taken as " + in.run.Window()})
		return convert.Window{Duration: in.run.Window(), IsRolling: true}
	}
	if len(items) > 1 {
		it.Wrong(list, "", "exactly one window")
	}
	n := items[0]
	it.Fields(n, "duration", "isRolling", "calendar", "count", "unit")
	w := convert.Window{Duration: n.At("duration").Text()}
	if n.At("unit").Exists() {
		w.Duration = fromUnit(it, n)
	}
	rolling, start := n.At("isRolling"), n.At("calendar")
	w.IsRolling = rolling.Text() == "true"
	if !rolling.Exists() {
		w.IsRolling = !start.Exists()
		it.Warn(convert.Assumed, rolling, "", problem.Problem{Message: fmt.Sprint("is missing and taken as ", w.IsRolling)})
	}
	switch {
	case w.IsRolling && start.Exists():
		it.Warn(convert.IgnoredField, start, "", problem.Problem{Message: "has no meaning for a window that rolls"})
	case w.IsRolling:
		rollsByDays(it, n, &w)
	case !start.Exists():
		// The first day of a century, a Monday: so do weeks begin.
		w.Calendar = &convert.Calendar{StartTime: "2001-01-01 00:00:00", TimeZone: "UTC"}
		it.Warn(convert.CalendarWindow, n, "calendar", problem.Problem{Message: "is missing, and periods are taken to begin at midnight UTC"})
	default:
		w.Calendar = in.calendar(it, start)
	}
	return w
}

func (in *reader) calendar(it *convert.Item, n strictyaml.Node) *convert.Calendar {
	it.Fields(n, "startTime", "timeZone")
	c := &convert.Calendar{StartTime: n.At("startTime").Text(), TimeZone: n.At("timeZone").Text()}
	if len(c.StartTime) == len("2006-01-02") {
		c.StartTime += " 00:00:00"
	}
	if c.TimeZone == "" {
		c.TimeZone = "UTC"
		it.Warn(convert.Assumed, n, "timeZone", problem.Problem{Message: "is missing and taken as UTC"})
	}
	return c
}

// rollsByDays spells a rolling window of months in days.
func rollsByDays(it *convert.Item, n strictyaml.Node, w *convert.Window) {
	days := map[byte]int{'M': 30, 'Q': 90, 'Y': 365}
	last := len(w.Duration) - 1
	if last < 1 || days[w.Duration[last]] == 0 {
		return
	}
	count, err := strconv.Atoi(w.Duration[:last])
	if err != nil || count < 1 || count > 100 {
		return // not a window, as loading it will say
	}
	was := w.Duration
	w.Duration = fmt.Sprintf("%dd", count*days[was[last]])
	it.Warn(convert.CalendarWindow, n, "", problem.Problem{Message: "a month that rolls has no fixed length, and is taken as " + w.Duration, Got: was})
}

// fromUnit spells the count and unit of v1alpha.
func fromUnit(it *convert.Item, n strictyaml.Node) string {
	units := map[string]string{"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w", "month": "M", "quarter": "Q", "year": "Y"}
	unit, ok := units[strings.ToLower(n.At("unit").Text())]
	count, err := strconv.Atoi(n.At("count").Text())
	if !ok || err != nil || count < 1 || count > 1e9 {
		it.Wrong(n, "", "count, a whole number, and unit, one of Second, Day, Week, Month, Quarter")
		return ""
	}
	return strconv.Itoa(count) + unit
}

// alpha converts an SLO of v1alpha. Objectives with queries of their own become documents of their own.
func (in *reader) alpha(doc strictyaml.Node) {
	n := doc.At("spec")
	name := doc.At("metadata.name").Text()
	list := n.At("objectives").Items()
	if n.At("indicator").Exists() || len(list) < 1 {
		in.alphaThreshold(doc, name, list)
		return
	}
	for i, entry := range list {
		at, own := entry, name
		if i == 0 {
			at = doc
		} else if own = name + "-" + entry.At("displayName").Text(); entry.At("displayName").Text() == "" {
			own = fmt.Sprintf("%s-%d", name, i+1)
		}
		it := in.run.Item(doc, at, own)
		out, ok := in.alphaHeader(it, doc)
		ratio := entry.At("ratioMetrics")
		it.Fields(ratio, "good", "bad", "total", "incremental")
		if !ok || !ratio.Exists() {
			it.Wrong(entry, "ratioMetrics", "good and total")
			continue
		}
		ind := in.ratio(it, ratio, ratio.At("incremental"))
		if ind == nil {
			continue
		}
		var o convert.Objective
		in.entry(it, entry, &o, ind, out.BudgetingMethod)
		out.Indicator = &convert.Inline{Metadata: convert.Metadata{Annotations: ind.Annotations()}, Spec: ind.SLI}
		out.Objectives = []convert.Objective{o}
		m := metadata(it, doc.At("metadata"))
		m.Name = own
		it.Make(convert.Document{Kind: "SLO", Metadata: m, Spec: out}, own)
	}
}

func (in *reader) alphaHeader(it *convert.Item, doc strictyaml.Node) (convert.SLO, bool) {
	n := doc.At("spec")
	it.Fields(doc, "apiVersion", "kind", "metadata", "spec")
	ok := it.Fields(n, "timeWindows", "budgetingMethod", "description", "indicator", "service", "objectives")
	return in.common(it, n, n.At("timeWindows")), ok
}

// alphaThreshold converts an SLO of one gauge.
func (in *reader) alphaThreshold(doc strictyaml.Node, name string, list []strictyaml.Node) {
	it := in.run.Item(doc, doc, name)
	out, _ := in.alphaHeader(it, doc)
	n := doc.At("spec")
	if len(list) == 0 {
		it.Wrong(n, "objectives", "at least one objective")
		return
	}
	it.Fields(n.At("indicator"), "thresholdMetric")
	ind := in.indicator(it, n.At("indicator"))
	if ind == nil {
		return
	}
	for _, entry := range list {
		var o convert.Objective
		in.entry(it, entry, &o, ind, out.BudgetingMethod)
		out.Objectives = append(out.Objectives, o)
	}
	out.Indicator = &convert.Inline{Metadata: convert.Metadata{Annotations: ind.Annotations()}, Spec: ind.SLI}
	it.Make(convert.Document{Kind: "SLO", Metadata: metadata(it, doc.At("metadata")), Spec: out}, name)
}

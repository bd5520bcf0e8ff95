package spec

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

type sloDocument struct {
	Header header  `yaml:",inline"`
	Spec   sloSpec `yaml:"spec"`
}

type sloSpec struct {
	Description     string            `yaml:"description"`
	Service         string            `yaml:"service"`
	ServiceRef      string            `yaml:"serviceRef"` // of later drafts, seen in files of this version
	Indicator       strictyaml.Node   `yaml:"indicator"`
	IndicatorRef    string            `yaml:"indicatorRef"`
	BudgetingMethod string            `yaml:"budgetingMethod"`
	TimeWindow      []timeWindow      `yaml:"timeWindow"`
	Objectives      []objective       `yaml:"objectives"`
	AlertPolicies   []strictyaml.Node `yaml:"alertPolicies"`
}

type objective struct {
	DisplayName     string            `yaml:"displayName"`
	Op              string            `yaml:"op"`
	Value           *float64          `yaml:"value"`
	Target          *strictyaml.Ratio `yaml:"target"`
	TargetPercent   *float64          `yaml:"targetPercent"`
	TimeSliceTarget *strictyaml.Ratio `yaml:"timeSliceTarget"`
	TimeSliceWindow strictyaml.Node   `yaml:"timeSliceWindow"`
	Indicator       strictyaml.Node   `yaml:"indicator"`
	IndicatorRef    string            `yaml:"indicatorRef"`
	CompositeWeight *float64          `yaml:"compositeWeight"`
}

// slo turns one document into its objectives. It reads on after a mistake, to find them all.
func (l *loader) slo(n strictyaml.Node) {
	var doc sloDocument
	var found []Objective
	fine := l.decode(n, &doc, func() { found = l.sloValues(n, &doc) })
	for _, o := range found {
		l.claim(o.Name, n)
		// An indicator's mistakes are told with the first document that refers to it.
		if fine && (o.Composite != nil || o.Indicator.kinds() > 0) {
			l.set.Objectives = append(l.set.Objectives, o)
		}
	}
}

func (l *loader) sloValues(n strictyaml.Node, doc *sloDocument) []Objective {
	at := n.At("spec")
	name := l.name(n.At("metadata.name"))
	base := Objective{
		DisplayName: doc.Header.Metadata.DisplayName, Service: l.service(at, &doc.Spec), Description: doc.Spec.Description,
		Labels: doc.Header.Metadata.Labels, Annotations: doc.Header.Metadata.Annotations, Method: l.method(at.At("budgetingMethod")),
		File: n.File(), Line: n.At("metadata.name").Line(),
	}
	base.Window = l.window(at.At("timeWindow"), doc.Spec.TimeWindow)
	l.ownAnnotations(n, extraKeys())
	if len(doc.Spec.AlertPolicies) > 0 {
		l.warn(at.Problem(problem.Problem{Path: "alertPolicies", Message: "is read but not used yet"}))
	}
	if len(doc.Spec.Objectives) == 0 {
		l.add(at.Problem(problem.Problem{Path: "objectives", Message: "has no value", Allowed: "at least one, such as [{target: 0.999}]"}))
	}
	if isComposite(&doc.Spec) {
		return l.compositeOf(n, doc, base, name)
	}
	ind := l.indicatorOf(n, "spec.", doc.Spec.Indicator, doc.Spec.IndicatorRef)
	var found []Objective
	for i, in := range doc.Spec.Objectives {
		o := base
		place := at.At("objectives[" + strconv.Itoa(i) + "]")
		for _, key := range []string{"indicator", "indicatorRef", "compositeWeight"} {
			if place.At(key).Exists() {
				l.add(place.Problem(problem.Problem{Path: key, Message: "is for a composite, whose objectives have an indicator each and which has none of its own",
					Allowed: "indicator or indicatorRef in every entry, and none in spec"}))
			}
		}
		o.Name = name
		if i > 0 {
			o.Name = l.entryName(place, name, in.DisplayName, i)
		}
		if len(doc.Spec.Objectives) > 1 || o.DisplayName == "" {
			o.DisplayName = strings.TrimPrefix(o.DisplayName+": "+in.DisplayName, ": ")
		}
		l.objective(place, &o, in, ind)
		if ind != nil {
			l.extras(written(n, ind), &o)
		}
		found = append(found, o)
	}
	return found
}

// entryName is the document's name and the entry's own.
func (l *loader) entryName(n strictyaml.Node, name, displayName string, i int) string {
	own := slug(displayName)
	if own == "" {
		own = strconv.Itoa(i + 1)
	}
	if name == "" {
		return ""
	}
	name += "-" + own
	if len(name) > maxName {
		l.add(n.Problem(problem.Problem{Path: "displayName", Message: "the objective's name is the document's and this one", Got: name, Allowed: nameAllowed}))
	}
	return name
}

func (l *loader) service(n strictyaml.Node, s *sloSpec) string {
	switch {
	case s.Service != "":
		return s.Service
	case s.ServiceRef != "":
		l.lenient(n.Problem(problem.Problem{Path: "serviceRef", Message: "is taken as service", Got: s.ServiceRef}))
		return s.ServiceRef
	}
	l.add(n.At("service").Wrong("the name of a service"))
	return ""
}

// method is empty when what is written is none.
func (l *loader) method(n strictyaml.Node) Method {
	methods := []string{string(Occurrences), string(Timeslices), string(RatioTimeslices)}
	if n.Text() == "" {
		l.lenient(n.Problem(problem.Problem{Message: "is missing and taken as Occurrences", Allowed: strings.Join(methods, ", ")}))
		return Occurrences
	}
	i := slices.IndexFunc(methods, func(m string) bool { return strings.EqualFold(m, n.Text()) })
	if i < 0 {
		p := n.Wrong(strings.Join(methods, ", "))
		p.Message = strings.TrimPrefix(strictyaml.DidYouMean(n.Text(), methods), ", ")
		l.add(p)
		return ""
	}
	if methods[i] != n.Text() {
		l.lenient(n.Wrong(methods[i]))
	}
	return Method(methods[i])
}

// indicatorOf finds an indicator, inline or by name, and nil when there is none. One whose queries are
// wrong is returned too. Path leads from n to what holds the two keys.
func (l *loader) indicatorOf(n strictyaml.Node, path string, inline strictyaml.Node, ref string) *sli {
	at := n.At(path + "indicator")
	switch {
	case inline.Exists() == (ref != ""):
		l.add(at.Problem(problem.Problem{Message: "needs exactly one of both", Allowed: "indicator or indicatorRef"}))
		return nil
	case inline.Exists():
		ind := &sli{node: at}
		if at.IsMapping() && at.At("metadata.name").Text() == "" {
			l.lenient(at.Problem(problem.Problem{Path: "metadata.name", Message: "is missing and taken from the SLO"}))
		}
		l.indicator(ind)
		return ind
	}
	ind, ok := l.slis[slug(ref)]
	if !ok {
		known := slices.Sorted(maps.Keys(l.slis))
		l.add(n.Problem(problem.Problem{Path: path + "indicatorRef", Got: ref, Message: "no document of kind SLI has this name" + strictyaml.DidYouMean(ref, known)}))
		return nil
	}
	l.indicator(ind)
	return ind
}

// objective fills in what one entry of objectives says.
func (l *loader) objective(n strictyaml.Node, o *Objective, in objective, ind *sli) {
	l.target(n, o, in)
	l.slice(n, o, in, ind != nil && ind.present)
	if ind == nil {
		return
	}
	o.Indicator.Name = ind.node.At("metadata.name").Text()
	if o.Indicator.Name == "" {
		o.Indicator.Name = o.Name
	}
	switch {
	case !ind.isRatio && !ind.isThreshold: // told of
	case ind.isRatio:
		o.Indicator.Ratio, o.Indicator.Histogram, o.Indicator.RawRatio = ind.made.Ratio, ind.made.Histogram, ind.made.RawRatio
		for _, key := range []string{"op", "value"} {
			if v := n.At(key); v.Exists() {
				l.lenient(v.Problem(problem.Problem{Message: "is ignored: it is for thresholdMetric", Got: v.Shown()}))
			}
		}
		if raw := ind.made.RawRatio; raw != nil && raw.Events == nil && o.Method == Occurrences {
			l.warn(ind.node.Problem(problem.Problem{Path: "spec.ratioMetric.raw", Message: "every look counts alike, whatever the traffic was",
				Allowed: "a slice method, or the annotation " + eventsQuery + " with the counter of what the ratio is of"}))
		}
	case o.Method == RatioTimeslices:
		l.add(n.Problem(problem.Problem{Message: "budgetingMethod RatioTimeslices needs a ratio in each slice", Allowed: "ratioMetric, or Timeslices"}))
	case ind.present:
		l.presence(n, o, ind)
	case ind.rate:
		l.traffic(n, o, in, ind)
	default:
		l.threshold(n, o, in, ind)
	}
}

func (l *loader) target(n strictyaml.Node, o *Objective, in objective) {
	switch {
	case (in.Target == nil) == (in.TargetPercent == nil):
		l.add(n.Problem(problem.Problem{Path: "target", Message: "needs exactly one of both", Allowed: "target from 0 to 1, or targetPercent from 0 to 100"}))
	case in.Target != nil:
		o.Target = float64(*in.Target)
		if !n.At("target").IsNumber() {
			l.lenient(n.Problem(problem.Problem{Path: "target", Message: "a percentage is for targetPercent", Got: n.At("target").Shown(), Allowed: "a ratio from 0 to 1"}))
		}
	default:
		ratio, ok := strictyaml.ParseRatio(n.At("targetPercent").Text() + "%")
		if !ok || ratio < 0 || ratio > 1 {
			l.add(n.At("targetPercent").Wrong("a number from 0 to 100"))
		}
		o.Target = ratio
	}
}

// slice reads what the two slice methods need.
func (l *loader) slice(n strictyaml.Node, o *Objective, in objective, presence bool) {
	window, target := n.At("timeSliceWindow"), n.At("timeSliceTarget")
	if o.Method == Occurrences {
		for _, v := range []strictyaml.Node{window, target} {
			if v.Exists() {
				l.lenient(v.Problem(problem.Problem{Message: "is ignored: it is for the slice methods", Got: v.Shown()}))
			}
		}
		return
	}
	if in.TimeSliceTarget != nil {
		o.SliceTarget = float64(*in.TimeSliceTarget)
	} else if presence {
		o.SliceTarget = 1
	}
	if o.Method == "" && !window.Exists() {
		return // whether it has to be there is not known
	}
	if (in.TimeSliceTarget != nil || o.Method == Timeslices) && o.SliceTarget <= 0 {
		l.add(target.Wrong("a ratio above 0, at most 1"))
	}
	o.Slice = l.sliceLength(window, o.Window.Length)
}

// sliceLength reads a duration, or a bare number of minutes.
func (l *loader) sliceLength(n strictyaml.Node, window time.Duration) time.Duration {
	text := n.Text()
	if n.IsNumber() {
		text += "m"
	}
	if window <= 0 { // it is wrong itself
		window = maxWindow
	}
	d, err := model.ParseDuration(text)
	switch {
	case err != nil:
		l.add(n.Wrong(strictyaml.DurationAllowed))
		return 0
	case time.Duration(d) < l.opts.ScrapeInterval:
		l.add(n.Problem(problem.Problem{Message: "a slice would hold no scrape", Got: n.Shown(), Allowed: "at least " + burnrate.Text(l.opts.ScrapeInterval)}))
	case time.Duration(d) > window:
		l.add(n.Problem(problem.Problem{Message: "a slice is longer than the window", Got: n.Shown(), Allowed: "at most " + burnrate.Text(window)}))
	case n.IsNumber():
		l.lenient(n.Problem(problem.Problem{Message: "has no unit and is taken as minutes", Got: n.Shown(), Allowed: text}))
	}
	return time.Duration(d)
}

func (l *loader) threshold(n strictyaml.Node, o *Objective, in objective, ind *sli) {
	op := Op(in.Op)
	if !slices.Contains([]Op{LessThan, LessOrEqual, GreaterThan, GreaterOrEqual}, op) {
		l.add(n.At("op").Wrong("lt, lte, gt or gte"))
	}
	if in.Value == nil {
		l.add(n.At("value").Wrong("a number to compare with"))
		return
	}
	if ind.gauge == nil {
		return // told of
	}
	o.Indicator.Threshold = &Threshold{Query: *ind.gauge, Op: op, Value: *in.Value}
}

func (l *loader) presence(n strictyaml.Node, o *Objective, ind *sli) {
	if o.Method == Occurrences {
		l.add(n.Problem(problem.Problem{Message: "whether a series is there is judged slice by slice", Got: string(o.Method), Allowed: "budgetingMethod Timeslices"}))
	}
	for _, key := range []string{"op", "value"} {
		if v := n.At(key); v.Exists() {
			l.add(v.Problem(problem.Problem{Message: "a series that has to be there is not compared with anything", Got: v.Shown(), Allowed: "no op and no value beside present: true"}))
		}
	}
	if ind.gauge != nil {
		o.Indicator.Presence = &Presence{Query: *ind.gauge}
	}
}

func (l *loader) traffic(n strictyaml.Node, o *Objective, in objective, ind *sli) {
	if o.Method != Timeslices && o.Method != "" {
		l.add(n.Problem(problem.Problem{Message: "the floor under a rate is judged slice by slice", Got: string(o.Method), Allowed: "budgetingMethod Timeslices"}))
	}
	if in.Op != string(GreaterOrEqual) {
		l.add(n.At("op").Wrong("gte, since the rate has a floor"))
	}
	limit, allowed := 0.0, "events per second above 0"
	if ind.of != "" {
		allowed = "a ratio of the expected rate above 0, at most 1"
	}
	if in.Value != nil {
		limit = *in.Value
	}
	if limit <= 0 || (ind.of != "" && limit > 1) {
		l.add(n.At("value").Wrong(allowed))
		return
	}
	if ind.gauge == nil {
		return // told of
	}
	o.Indicator.Traffic = &Traffic{Total: *ind.gauge}
	if ind.of != "" {
		o.Indicator.Traffic.AtLeastOfExpected = limit
	} else {
		o.Indicator.Traffic.AtLeastPerSecond = limit
	}
}

package spec

import (
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
	IndicatorRef    strictyaml.Node   `yaml:"indicatorRef"`
	CompositeWeight strictyaml.Node   `yaml:"compositeWeight"`
}

// slo turns one document into its objectives. It reads on after a mistake, to find them all.
func (l *loader) slo(n strictyaml.Node) {
	var doc sloDocument
	var found []Objective
	fine := l.decode(n, &doc, func() { found = l.sloValues(n, &doc) })
	for _, o := range found {
		l.claim(o.Name, n)
		// An indicator's mistakes are told with the first document that refers to it.
		if i := o.Indicator; fine && (i.Ratio != nil || i.Threshold != nil || i.Traffic != nil) {
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
	base.Window, _ = l.window(at.At("timeWindow"), doc.Spec.TimeWindow)
	ind := l.indicatorOf(n, &doc.Spec)
	if len(doc.Spec.AlertPolicies) > 0 {
		l.warn(at.Problem(problem.Problem{Path: "alertPolicies", Message: "is read but not used yet"}))
	}
	if len(doc.Spec.Objectives) == 0 {
		l.add(at.Problem(problem.Problem{Path: "objectives", Message: "has no value", Allowed: "at least one, such as [{target: 0.999}]"}))
	}
	var found []Objective
	for i, in := range doc.Spec.Objectives {
		o := base
		place := at.At("objectives[" + strconv.Itoa(i) + "]")
		o.Name = l.objectiveName(place, name, in.DisplayName, i)
		if len(doc.Spec.Objectives) > 1 || o.DisplayName == "" {
			o.DisplayName = strings.TrimPrefix(o.DisplayName+": "+in.DisplayName, ": ")
		}
		l.objective(place, &o, in, ind)
		found = append(found, o)
	}
	return found
}

// objectiveName: the first objective has the document's name, the others add their own.
func (l *loader) objectiveName(n strictyaml.Node, name, displayName string, i int) string {
	if i == 0 || name == "" {
		return name
	}
	own := slug(displayName)
	if own == "" {
		own = strconv.Itoa(i + 1)
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

// indicatorOf finds an SLO's indicator, inline or by name, and nil when it has none. One whose
// queries are wrong is returned too.
func (l *loader) indicatorOf(n strictyaml.Node, s *sloSpec) *sli {
	at := n.At("spec.indicator")
	switch {
	case at.Exists() == (s.IndicatorRef != ""):
		l.add(at.Problem(problem.Problem{Message: "needs exactly one of both", Allowed: "indicator or indicatorRef"}))
		return nil
	case at.Exists():
		ind := &sli{node: at}
		if at.IsMapping() && at.At("metadata.name").Text() == "" {
			l.lenient(at.Problem(problem.Problem{Path: "metadata.name", Message: "is missing and taken from the SLO"}))
		}
		l.indicator(ind)
		return ind
	}
	ind, ok := l.slis[slug(s.IndicatorRef)]
	if !ok {
		known := make([]string, 0, len(l.slis))
		for name := range l.slis {
			known = append(known, name)
		}
		slices.Sort(known)
		l.add(n.Problem(problem.Problem{Path: "spec.indicatorRef", Got: s.IndicatorRef, Message: "no document of kind SLI has this name" + strictyaml.DidYouMean(s.IndicatorRef, known)}))
		return nil
	}
	l.indicator(ind)
	return ind
}

// objective fills in what one entry of objectives says.
func (l *loader) objective(n strictyaml.Node, o *Objective, in objective, ind *sli) {
	for _, key := range []string{"indicator", "indicatorRef", "compositeWeight"} {
		if n.At(key).Exists() {
			l.add(n.Problem(problem.Problem{Path: key, Message: "composite objectives are not supported by this version"}))
		}
	}
	l.target(n, o, in)
	l.slice(n, o, in)
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
		o.Indicator.Ratio = ind.ratio
		for _, key := range []string{"op", "value"} {
			if v := n.At(key); v.Exists() {
				l.lenient(v.Problem(problem.Problem{Message: "is ignored: it is for thresholdMetric", Got: v.Shown()}))
			}
		}
	case o.Method == RatioTimeslices:
		l.add(n.Problem(problem.Problem{Message: "budgetingMethod RatioTimeslices needs a ratio in each slice", Allowed: "ratioMetric, or Timeslices"}))
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
func (l *loader) slice(n strictyaml.Node, o *Objective, in objective) {
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

package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// isComposite: every entry of objectives has an indicator, and the document none.
func isComposite(s *sloSpec) bool {
	return !s.Indicator.Exists() && s.IndicatorRef == "" && slices.ContainsFunc(s.Objectives, func(o objective) bool {
		return o.Indicator.Exists() || o.IndicatorRef != ""
	})
}

// compositeOf reads OpenSLO's form of a composite: an objective for each entry, and one of all of them
// whose target is the mean of theirs by weight.
func (l *loader) compositeOf(n strictyaml.Node, doc *sloDocument, base Objective, name string) []Objective {
	var found []Objective
	whole := base
	whole.Name, whole.Method, whole.Composite = name, Occurrences, &Composite{Method: Weighted}
	entries := n.At("spec.objectives")
	if len(doc.Spec.Objectives) < 2 {
		l.add(entries.Problem(problem.Problem{Message: "a composite of one is no composite", Allowed: "at least two, or the indicator in spec"}))
	}
	sum, weights := 0.0, 0.0
	for i, in := range doc.Spec.Objectives {
		o, path := base, "["+strconv.Itoa(i)+"]"
		place := entries.At(path)
		o.Name = l.entryName(place, name, in.DisplayName, i)
		o.DisplayName = strings.TrimPrefix(o.DisplayName+": "+in.DisplayName, ": ")
		ind := l.indicatorOf(entries, path+".", in.Indicator, in.IndicatorRef)
		l.objective(place, &o, in, ind)
		if ind != nil {
			l.extras(written(n, ind), &o)
		}
		weight := l.memberWeight(place.At("compositeWeight"), in.CompositeWeight)
		sum += weight * o.Target
		weights += weight
		found = append(found, o)
		whole.Composite.Members = append(whole.Composite.Members, Member{Objective: o.Name, Weight: weight, WhenUnknown: MakeUnknown})
	}
	// Rounding may not carry a mean of ones beyond one.
	whole.Target = min(1, sum/weights)
	l.composites[name] = true
	return append(found, whole)
}

// memberWeight is above 0, and 1 when it is left out.
func (l *loader) memberWeight(n strictyaml.Node, in *float64) float64 {
	if in == nil {
		return 1
	}
	if *in <= 0 || *in > maxWeight {
		l.add(n.Wrong(fmt.Sprint("a number above 0, at most ", maxWeight)))
		return 1
	}
	return *in
}

const (
	maxWeight  = 1_000_000
	maxMembers = 1000
)

type compositeDocument struct {
	Header header        `yaml:",inline"`
	Spec   compositeSpec `yaml:"spec"`
}

type compositeSpec struct {
	Description string            `yaml:"description"`
	Service     string            `yaml:"service"`
	Method      string            `yaml:"method"`
	Window      string            `yaml:"window"`
	TimeWindow  []timeWindow      `yaml:"timeWindow"`
	Objective   *strictyaml.Ratio `yaml:"objective"`
	Members     []member          `yaml:"members"`
}

type member struct {
	Objective   string        `yaml:"objective"`
	Weight      *float64      `yaml:"weight"`
	WhenUnknown string        `yaml:"whenUnknown"`
	MaxDelay    time.Duration `yaml:"maxDelay"`
}

// compositeSLO reads a document of our own kind.
func (l *loader) compositeSLO(n strictyaml.Node) {
	var doc compositeDocument
	o := Objective{Method: Occurrences, File: n.File(), Line: n.At("metadata.name").Line()}
	fine := l.decode(n, &doc, func() { l.compositeValues(n, &doc, &o) })
	if o.Name == "" {
		return
	}
	l.claim(o.Name, n)
	l.composites[o.Name] = true
	if fine {
		l.set.Objectives = append(l.set.Objectives, o)
	}
}

func (l *loader) compositeValues(n strictyaml.Node, doc *compositeDocument, o *Objective) {
	at, meta := n.At("spec"), doc.Header.Metadata
	l.ownAnnotations(n, nil)
	o.Name, o.DisplayName, o.Labels, o.Annotations = l.name(n.At("metadata.name")), meta.DisplayName, meta.Labels, meta.Annotations
	o.Description, o.Service = doc.Spec.Description, doc.Spec.Service
	if o.Service == "" {
		o.Service = o.Name
	}
	switch window, list := at.At("window"), at.At("timeWindow"); {
	case window.Exists() && list.Exists():
		l.add(list.Problem(problem.Problem{Message: "the window is written twice", Allowed: "window or timeWindow"}))
	case list.Exists():
		o.Window = l.window(list, doc.Spec.TimeWindow)
	case window.Exists():
		o.Window, _ = l.rollingWindow(window)
	default:
		o.Window = Window{Text: defaultWindow, Length: 30 * day, Rolling: true}
	}
	if doc.Spec.Objective == nil {
		l.add(at.At("objective").Wrong("a percentage such as 99.9%"))
	} else {
		o.Target = float64(*doc.Spec.Objective)
	}
	o.Composite = &Composite{Method: CompositeMethod(doc.Spec.Method)}
	methods := []string{string(Weighted), string(WorstOf), string(Journey)}
	if !slices.Contains(methods, doc.Spec.Method) {
		p := at.At("method").Wrong(strings.Join(methods, ", "))
		if doc.Spec.Method != "" {
			p.Message = strings.TrimPrefix(strictyaml.DidYouMean(doc.Spec.Method, methods), ", ")
		}
		l.add(p)
	}
	l.members(at.At("members"), doc.Spec.Members, o)
}

// members reads the parts. Whether the objectives exist is seen when all files have been read.
func (l *loader) members(n strictyaml.Node, list []member, o *Objective) {
	least := 2
	if o.Composite.Method == WorstOf {
		least = 1
	}
	if len(list) < least || len(list) > maxMembers {
		l.add(n.Problem(problem.Problem{Got: fmt.Sprint(len(list)), Allowed: fmt.Sprintf("%d to %d, each {objective: NAME}", least, maxMembers)}))
	}
	seen := map[string]bool{}
	for i, in := range list {
		at := n.At("[" + strconv.Itoa(i) + "]")
		name := at.At("objective")
		switch {
		case in.Objective == "":
			l.add(name.Wrong("the name of an objective"))
		case seen[in.Objective]:
			l.add(name.Problem(problem.Problem{Message: "is a member already", Got: in.Objective}))
		default:
			l.references = append(l.references, reference{node: name, member: true})
		}
		seen[in.Objective] = true
		m := Member{Objective: in.Objective, Weight: l.memberWeight(at.At("weight"), in.Weight), WhenUnknown: MakeUnknown, MaxDelay: in.MaxDelay}
		if in.Weight != nil && (o.Composite.Method == WorstOf || o.Composite.Method == Journey) {
			l.warn(at.Problem(problem.Problem{Path: "weight", Message: "is used by method weighted only", Got: at.At("weight").Shown()}))
		}
		if in.WhenUnknown != "" {
			m.WhenUnknown = UnknownPolicy(in.WhenUnknown)
			policies := []string{string(MakeUnknown), string(Ignore), string(CountGood), string(CountBad)}
			if !slices.Contains(policies, in.WhenUnknown) {
				l.add(at.At("whenUnknown").Wrong(strings.Join(policies, ", ")))
			}
		}
		if o.Window.Length > 0 && m.MaxDelay > o.Window.Length {
			l.add(at.At("maxDelay").Wrong("at most the window, " + burnrate.Text(o.Window.Length)))
		}
		o.Composite.Members = append(o.Composite.Members, m)
	}
}

// reference is a place that names objectives: a member of a composite, or a pattern of a policy.
type reference struct {
	node   strictyaml.Node
	member bool
}

// resolve finds references to objectives that are none.
func (l *loader) resolve() {
	var names []string
	for _, n := range l.names {
		names = append(names, n.name)
	}
	for _, r := range l.references {
		got := r.node.Text()
		p := r.node.Problem(problem.Problem{Got: got})
		switch {
		case !r.member:
			if !slices.ContainsFunc(names, func(name string) bool { return NameMatches(got, name) }) {
				p.Message = "selects no objective" + strictyaml.DidYouMean(got, names)
				l.warn(p)
			}
		case l.composites[got]:
			p.Message, p.Allowed = "is a composite itself", "an objective with an indicator"
			l.add(p)
		case !slices.Contains(names, got):
			p.Message = "no objective has this name" + strictyaml.DidYouMean(got, names)
			l.add(p)
		}
	}
}

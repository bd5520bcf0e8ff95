package spec

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/rail"
)

// goldenSignals is the short form: one document a service.
type goldenSignals struct {
	Header header     `yaml:",inline"`
	Spec   goldenSpec `yaml:"spec"`
}

type goldenSpec struct {
	Description string            `yaml:"description"`
	Service     string            `yaml:"service"`
	Rail        string            `yaml:"rail"`
	Budget      string            `yaml:"budget"`
	Currency    strictyaml.Node   `yaml:"currency"`
	Window      string            `yaml:"window"`
	Extras      goldenExtras      `yaml:",inline"` // of every signal that has not its own
	Errors      *errorsSignal     `yaml:"errors"`
	Latency     *latencySignal    `yaml:"latency"`
	Traffic     *trafficSignal    `yaml:"traffic"`
	Saturation  *saturationSignal `yaml:"saturation"`
	Presence    *presenceSignal   `yaml:"presence"`
}

// goldenExtras and goldenWeight are read where they stand, as the annotations they stand for are.
type goldenExtras struct {
	GroupBy      strictyaml.Node `yaml:"groupBy"`
	MaxGroups    strictyaml.Node `yaml:"maxGroups"`
	GroupExpires strictyaml.Node `yaml:"groupExpires"`
	Calendar     strictyaml.Node `yaml:"calendar"`
}

type goldenWeight struct {
	Currency strictyaml.Node `yaml:"currency"`
	Unit     strictyaml.Node `yaml:"unit"`
}

// goldenKey is the short form's name of what an annotation says.
func goldenKey(annotation string) string {
	switch annotation {
	case excludedQuery:
		return "excluded"
	case currencyKey:
		return "currency"
	case unitKey:
		return "unit"
	case valueQueryKey:
		return "value"
	case groupByKey:
		return "groupBy"
	case maxGroupsKey:
		return "maxGroups"
	case groupExpiresKey:
		return "groupExpires"
	case calendarKey:
		return "calendar"
	}
	return ""
}

const (
	defaultWindow           = "30d"
	defaultSlice            = "1m"
	defaultTrafficObjective = 0.99
)

// golden reads a GoldenSignals document as the SLO documents it stands for, one a signal. Each stands
// where its signal stands. When something is wrong nothing but their names counts.
func (l *loader) golden(n strictyaml.Node) {
	doc := goldenSignals{Spec: goldenSpec{Window: defaultWindow, Budget: ownBudget,
		Traffic: &trafficSignal{Slice: defaultSlice, Objective: defaultTrafficObjective}, Saturation: &saturationSignal{Slice: defaultSlice},
		Presence: &presenceSignal{Slice: defaultSlice}}}
	var found []builtSLO
	fine := l.decode(n, &doc, func() { found = l.signals(n, &doc) })
	for _, s := range found {
		if !fine {
			l.claim(s.node.At("metadata.name").Text(), s.node)
			continue
		}
		if l.expanding {
			l.built = append(l.built, s)
		}
		l.readBuilt(s.node)
	}
}

func (l *loader) signals(n strictyaml.Node, doc *goldenSignals) []builtSLO {
	g := &goldenReader{loader: l, n: n.At("spec"), doc: doc, name: l.name(n.At("metadata.name"))}
	g.common(n)
	var out []builtSLO
	signals := []struct {
		name string
		read func(strictyaml.Node) signal
	}{{"errors", g.errors}, {"latency", g.latency}, {"traffic", g.traffic}, {"saturation", g.saturation}, {"presence", g.presence}}
	var names []string
	for _, s := range signals {
		names = append(names, s.name)
		if at := g.n.At(s.name); at.Exists() {
			built := g.document(s.name, at, s.read(at))
			out = append(out, builtSLO{node: at.Instead(built), built: built})
		} else {
			out = append(out, g.proposed(s.name)...)
		}
	}
	if len(out) == 0 && (g.rail != nil || !g.n.At("rail").Exists()) {
		l.add(g.n.Problem(problem.Problem{Message: "has no signal", Allowed: "at least one of " + strings.Join(names, ", ") + ", or a rail that proposes some"}))
	}
	return out
}

type goldenReader struct {
	*loader
	n      strictyaml.Node // spec
	doc    *goldenSignals
	name   string
	window time.Duration
	// Of a document with a rail:
	rail     *rail.Rail
	budget   string          // label that says the outcome
	currency strictyaml.Node // of objectives of value; may be nothing
}

// signal is what one signal puts into its SLO document.
type signal struct {
	metric    *yaml.Node // spec of the indicator
	excluded  string
	both      bool // the total is good + bad
	method    Method
	counts    Indicator  // of the kind of what it measures
	objective *yaml.Node // entry of objectives
	// Of a rail's proposal:
	window   string          // its own; empty: the document's
	length   time.Duration   // of window
	currency strictyaml.Node // what it counts, if that is money
}

// common reads what all signals share.
func (g *goldenReader) common(n strictyaml.Node) {
	name, spec := n.At("metadata.name"), &g.doc.Spec
	g.ownAnnotations(n, nil)
	g.railOf()
	if longest := maxName - g.longestSuffix(); len(g.name) > longest {
		g.add(name.Wrong(fmt.Sprintf("at most %d letters, since the names of the signals are added", longest)))
	}
	if spec.Service == "" {
		spec.Service = g.name
	}
	window := g.n.At("window")
	if !window.Exists() {
		g.window = 30 * day
		return
	}
	if m := unitText.FindStringSubmatch(spec.Window); m != nil && m[2] >= "M" && m[2] <= "Y" {
		p := window.Wrong(rollingAllowed)
		p.Message = "the short form has rolling windows only, an SLO document has calendar windows"
		g.add(p)
		return
	}
	if w, ok := g.loader.rollingWindow(window); ok {
		g.window = w.Length
	}
}

// document is the SLO document of one signal.
func (g *goldenReader) document(signalName string, at strictyaml.Node, s signal) *yaml.Node {
	meta := g.doc.Header.Metadata
	name := g.name + "-" + signalName
	display := meta.DisplayName
	if display != "" {
		display += " " + signalName
	}
	annotations := map[string]string{}
	if s.excluded != "" {
		annotations[excludedQuery] = s.excluded
	}
	if s.both {
		annotations[totalOf] = goodAndBad
	}
	spec := g.doc.Spec
	own := maps.Clone(meta.Annotations)
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, g.extras(at, s))
	return mapping("apiVersion", openSLO, "kind", kindSLO,
		"metadata", mapping("name", name, "displayName", display, "labels", textsOf(meta.Labels), "annotations", textsOf(own)),
		"spec", mapping("description", spec.Description, "service", spec.Service,
			"indicator", mapping("metadata", mapping("name", name, "annotations", textsOf(annotations)), "spec", s.metric),
			"budgetingMethod", string(s.method),
			"timeWindow", list(mapping("duration", cmp.Or(s.window, spec.Window), "isRolling", true)),
			"objectives", list(s.objective)))
}

// extras checks what goes with any indicator, where it is written, and gives the annotations it stands for.
func (g *goldenReader) extras(n strictyaml.Node, s signal) map[string]string {
	at := func(key string) strictyaml.Node {
		own := n.Field(goldenKey(key))
		if own.Exists() {
			return own
		}
		if key == currencyKey {
			return s.currency // the document's own is for the rail's proposals
		}
		if shared := g.n.Field(goldenKey(key)); shared.Exists() {
			return shared
		}
		return own
	}
	g.loader.extras(at, &Objective{Method: s.method, Indicator: s.counts, Window: Window{Length: cmp.Or(s.length, g.window)}})
	texts := map[string]string{}
	for _, key := range extraKeys() {
		value := at(key)
		var items []string
		for _, item := range value.Items() {
			items = append(items, item.Text())
		}
		if value.Exists() {
			texts[key] = value.Text() + strings.Join(items, ",")
		}
	}
	return texts
}

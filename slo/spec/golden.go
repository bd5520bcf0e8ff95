package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
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
	Window      string            `yaml:"window"`
	Errors      *errorsSignal     `yaml:"errors"`
	Latency     *latencySignal    `yaml:"latency"`
	Traffic     *trafficSignal    `yaml:"traffic"`
	Saturation  *saturationSignal `yaml:"saturation"`
}

type errorsSignal struct {
	Good      string            `yaml:"good"`
	Bad       string            `yaml:"bad"`
	Total     string            `yaml:"total"`
	Excluded  string            `yaml:"excluded"`
	Objective *strictyaml.Ratio `yaml:"objective"`
}

type latencySignal struct {
	Histogram string            `yaml:"histogram"`
	Below     time.Duration     `yaml:"below"`
	Objective *strictyaml.Ratio `yaml:"objective"`
}

type trafficSignal struct {
	Total     string           `yaml:"total"`
	AtLeast   string           `yaml:"atLeast"`
	Of        string           `yaml:"of"`
	Slice     string           `yaml:"slice"`
	Objective strictyaml.Ratio `yaml:"objective"`
}

type saturationSignal struct {
	Gauge     string            `yaml:"gauge"`
	Below     strictyaml.Node   `yaml:"below"`
	Above     strictyaml.Node   `yaml:"above"`
	Slice     string            `yaml:"slice"`
	Objective *strictyaml.Ratio `yaml:"objective"`
}

// rails are the names a document may give the system that moves its money.
func rails() []string {
	return []string{"card", "sct", "sct-inst", "fednow", "rtp", "ach", "fedwire", "chaps", "t2", "swift", "fps", "upi", "pix",
		"crypto-deposit", "crypto-withdrawal", "fix", "t1"}
}

const (
	defaultWindow           = "30d"
	defaultSlice            = "1m"
	defaultTrafficObjective = 0.99
)

// golden turns a GoldenSignals document into the SLO documents it stands for, one a signal. Each
// stands where its signal stands. When something is wrong they are broken.
func (l *loader) golden(n strictyaml.Node) []sloSource {
	doc := goldenSignals{Spec: goldenSpec{Window: defaultWindow,
		Traffic: &trafficSignal{Slice: defaultSlice, Objective: defaultTrafficObjective}, Saturation: &saturationSignal{Slice: defaultSlice}}}
	var out []sloSource
	if !l.decode(n, &doc, func() { out = l.signals(n, &doc) }) {
		for i := range out {
			out[i].broken = true
		}
	}
	return out
}

func (l *loader) signals(n strictyaml.Node, doc *goldenSignals) []sloSource {
	g := &goldenReader{loader: l, n: n.At("spec"), doc: doc, name: l.name(n.At("metadata.name"))}
	g.common(n.At("metadata.name"))
	var out []sloSource
	signals := []struct {
		name string
		read func(strictyaml.Node) signal
	}{{"errors", g.errors}, {"latency", g.latency}, {"traffic", g.traffic}, {"saturation", g.saturation}}
	for _, s := range signals {
		if at := g.n.At(s.name); at.Exists() {
			built := g.document(s.name, s.read(at))
			out = append(out, sloSource{node: at.Instead(built), built: built})
		}
	}
	if len(out) == 0 {
		l.add(g.n.Problem(problem.Problem{Message: "has no signal", Allowed: "at least one of errors, latency, traffic, saturation"}))
	}
	return out
}

type goldenReader struct {
	*loader
	n      strictyaml.Node // spec
	doc    *goldenSignals
	name   string
	window time.Duration
}

// signal is what one signal puts into its SLO document.
type signal struct {
	metric    *yaml.Node // spec of the indicator
	excluded  string
	both      bool // the total is good + bad
	method    Method
	objective *yaml.Node // entry of objectives
}

// common reads what all signals share.
func (g *goldenReader) common(name strictyaml.Node) {
	spec := &g.doc.Spec
	if longest := maxName - len("-saturation"); len(g.name) > longest {
		g.add(name.Wrong(fmt.Sprintf("at most %d letters, since the names of the signals are added", longest)))
	}
	if spec.Service == "" {
		spec.Service = g.name
	}
	if rail := g.n.At("rail"); rail.Exists() {
		if !slices.Contains(rails(), spec.Rail) {
			p := rail.Wrong(strings.Join(rails(), ", "))
			p.Message = strings.TrimPrefix(strictyaml.DidYouMean(spec.Rail, rails()), ", ")
			g.add(p)
		} else {
			g.warn(rail.Problem(problem.Problem{Message: "becomes a label and sets nothing else: this version has no presets for rails", Got: spec.Rail}))
		}
		if g.doc.Header.Metadata.Labels == nil {
			g.doc.Header.Metadata.Labels = labelMap{}
		}
		g.doc.Header.Metadata.Labels["rail"] = spec.Rail
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

func (g *goldenReader) errors(n strictyaml.Node) signal {
	in := g.doc.Spec.Errors
	if in == nil {
		return signal{}
	}
	ratio := []any{"counter", true}
	for _, leg := range []struct{ name, query string }{{"good", in.Good}, {"bad", in.Bad}, {"total", in.Total}} {
		if at := n.At(leg.name); at.Exists() {
			g.counterSelector(at)
			ratio = append(ratio, leg.name, metricOf("query", leg.query))
		}
	}
	if len(ratio) != 2*3 {
		g.add(n.Problem(problem.Problem{Got: fmt.Sprint(len(ratio)/2-1, " of good, bad and total"), Allowed: "total with one of good and bad, or good and bad without total"}))
	}
	if at := n.At("excluded"); at.Exists() {
		g.counterSelector(at)
	}
	return signal{metric: mapping("ratioMetric", mapping(ratio...)), excluded: in.Excluded, both: !n.At("total").Exists(), method: Occurrences,
		objective: mapping("target", g.objective(n, in.Objective))}
}

// latency is a ratio of two counters of a classic histogram: one bucket, and all events.
func (g *goldenReader) latency(n strictyaml.Node) signal {
	in := g.doc.Spec.Latency
	if in.Below <= 0 {
		g.add(n.At("below").Wrong("a duration such as 500ms or 2s, which has to be a bound of one of the histogram's buckets"))
	}
	var good, total string
	if s := g.selector(n.At("histogram"), true); s != nil {
		name := s.MetricName()
		fixed := slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool { return m.Name == "le" })
		if base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum"); base != name || name == "" || fixed {
			p := n.At("histogram").Wrong("the histogram's own name, without _bucket and le")
			if name != "" && base != name {
				p.Message = "did you mean " + base + "?"
			}
			g.add(p)
		}
		le := strconv.FormatFloat(in.Below.Seconds(), 'g', -1, 64)
		good = seriesOf(name+"_bucket", s.Matchers, labels.MustNewMatcher(labels.MatchEqual, "le", le))
		total = seriesOf(name+"_count", s.Matchers)
	}
	return signal{metric: mapping("ratioMetric", mapping("counter", true, "good", metricOf("query", good), "total", metricOf("query", total))), method: Occurrences,
		objective: mapping("target", g.objective(n, in.Objective))}
}

var rateText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|m|h)$`)

func (g *goldenReader) traffic(n strictyaml.Node) signal {
	const allowed = "a share such as 50% together with of: expected, or a rate such as 5/s, 300/m or 1000/h"
	in := g.doc.Spec.Traffic
	g.counterSelector(n.At("total"))
	query := []any{"query", in.Total, "rate", true}
	var limit float64
	rate := rateText.FindStringSubmatch(in.AtLeast)
	share, isShare := strictyaml.ParseRatio(in.AtLeast)
	of := n.At("of").Exists()
	if of && in.Of != "expected" {
		g.add(n.At("of").Wrong("expected"))
	}
	switch {
	case rate != nil && !of:
		events, _ := strconv.ParseFloat(rate[1], 64) // the pattern lets only numbers through
		limit = events / map[string]float64{"s": 1, "m": 60, "h": 3600}[rate[2]]
	case isShare && of:
		limit = share
		query = append(query, "of", "expected")
	default:
		g.add(n.At("atLeast").Wrong(allowed))
		limit = 1
	}
	if limit <= 0 || (of && limit > 1) {
		g.add(n.At("atLeast").Wrong(allowed))
	}
	return signal{metric: mapping("thresholdMetric", metricOf(query...)), method: Timeslices,
		objective: mapping("op", string(GreaterOrEqual), "value", limit, "target", float64(in.Objective),
			"timeSliceTarget", 1.0, "timeSliceWindow", g.slice(n, in.Slice))}
}

func (g *goldenReader) saturation(n strictyaml.Node) signal {
	in := g.doc.Spec.Saturation
	g.selector(n.At("gauge"), false)
	op, limit := LessThan, in.Below
	if in.Above.Exists() {
		op, limit = GreaterThan, in.Above
	}
	var value float64
	switch ratio, ok := strictyaml.ParseRatio(limit.Text()); {
	case in.Below.Exists() == in.Above.Exists():
		g.add(n.Problem(problem.Problem{Message: "needs exactly one of both", Allowed: "below or above"}))
	case limit.IsNumber():
		g.problems = append(g.problems, limit.Decode(&value)...)
	case ok && strings.HasSuffix(limit.Text(), "%"):
		value = ratio
	default:
		g.add(limit.Wrong("a number, or a percentage"))
	}
	return signal{metric: mapping("thresholdMetric", metricOf("query", in.Gauge)), method: Timeslices,
		objective: mapping("op", string(op), "value", value, "target", g.objective(n, in.Objective),
			"timeSliceTarget", 1.0, "timeSliceWindow", g.slice(n, in.Slice))}
}

func (g *goldenReader) objective(n strictyaml.Node, in *strictyaml.Ratio) float64 {
	if in == nil {
		g.add(n.At("objective").Wrong("a percentage such as 99.9%"))
		return 0
	}
	return float64(*in)
}

func (g *goldenReader) slice(n strictyaml.Node, text string) string {
	if at := n.At("slice"); at.Exists() {
		if _, err := model.ParseDuration(text); err != nil {
			g.add(at.Wrong(strictyaml.DurationAllowed))
		} else {
			g.sliceLength(at, g.window)
		}
	}
	return text
}

// document is the SLO document of one signal.
func (g *goldenReader) document(signalName string, s signal) *yaml.Node {
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
	return mapping("apiVersion", openSLO, "kind", kindSLO,
		"metadata", mapping("name", name, "displayName", display, "labels", textsOf(meta.Labels), "annotations", textsOf(meta.Annotations)),
		"spec", mapping("description", spec.Description, "service", spec.Service,
			"indicator", mapping("metadata", mapping("name", name, "annotations", textsOf(annotations)), "spec", s.metric),
			"budgetingMethod", string(s.method),
			"timeWindow", list(mapping("duration", spec.Window, "isRolling", true)),
			"objectives", list(s.objective)))
}

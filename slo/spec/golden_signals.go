package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

type errorsSignal struct {
	Good      string            `yaml:"good"`
	Bad       string            `yaml:"bad"`
	Total     string            `yaml:"total"`
	Excluded  string            `yaml:"excluded"`
	Objective *strictyaml.Ratio `yaml:"objective"`
	Weight    goldenWeight      `yaml:",inline"`
	Extras    goldenExtras      `yaml:",inline"`
}

type latencySignal struct {
	Histogram string            `yaml:"histogram"`
	Below     strictyaml.Node   `yaml:"below"`
	Objective *strictyaml.Ratio `yaml:"objective"`
	Extras    goldenExtras      `yaml:",inline"`
}

type trafficSignal struct {
	Total     string           `yaml:"total"`
	AtLeast   string           `yaml:"atLeast"`
	Of        string           `yaml:"of"`
	Slice     string           `yaml:"slice"`
	Objective strictyaml.Ratio `yaml:"objective"`
	Weight    goldenWeight     `yaml:",inline"`
	Value     strictyaml.Node  `yaml:"value"`
	Extras    goldenExtras     `yaml:",inline"`
}

type saturationSignal struct {
	Gauge     string            `yaml:"gauge"`
	Below     strictyaml.Node   `yaml:"below"`
	Above     strictyaml.Node   `yaml:"above"`
	Slice     string            `yaml:"slice"`
	Objective *strictyaml.Ratio `yaml:"objective"`
	Weight    goldenWeight      `yaml:",inline"`
	Value     strictyaml.Node   `yaml:"value"`
	Extras    goldenExtras      `yaml:",inline"`
}

type presenceSignal struct {
	Series    string            `yaml:"series"`
	Slice     string            `yaml:"slice"`
	Objective *strictyaml.Ratio `yaml:"objective"`
	Weight    goldenWeight      `yaml:",inline"`
	Value     strictyaml.Node   `yaml:"value"`
	Extras    goldenExtras      `yaml:",inline"`
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
	return signal{metric: mapping("ratioMetric", mapping(ratio...)), excluded: in.Excluded, both: !n.At("total").Exists(), method: Occurrences, counts: Indicator{Ratio: &Ratio{}},
		objective: mapping("target", g.objective(n, in.Objective))}
}

// latency is what a histogram has at or below a limit, of all it has.
func (g *goldenReader) latency(n strictyaml.Node) signal {
	in := g.doc.Spec.Latency
	if in == nil {
		return signal{}
	}
	name, below := "", n.At("below")
	if s := g.histogram(n.At("histogram")); s != nil {
		name = s.MetricName()
	}
	var limit any = below.Text()
	if value := g.below(below, name); below.IsNumber() {
		limit = value
	}
	return signal{metric: mapping("ratioMetric", mapping("counter", true, "good", metricOf("query", in.Histogram, "below", limit), "total", metricOf("query", in.Histogram))),
		method: Occurrences, counts: Indicator{Histogram: &Histogram{}}, objective: mapping("target", g.objective(n, in.Objective))}
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
	return signal{metric: mapping("thresholdMetric", metricOf(query...)), method: Timeslices, counts: Indicator{Traffic: &Traffic{}},
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
	return signal{metric: mapping("thresholdMetric", metricOf("query", in.Gauge)), method: Timeslices, counts: Indicator{Threshold: &Threshold{}},
		objective: mapping("op", string(op), "value", value, "target", g.objective(n, in.Objective),
			"timeSliceTarget", 1.0, "timeSliceWindow", g.slice(n, in.Slice))}
}

func (g *goldenReader) presence(n strictyaml.Node) signal {
	in := g.doc.Spec.Presence
	g.selector(n.At("series"), false)
	return signal{metric: mapping("thresholdMetric", metricOf("query", in.Series, "present", true)), method: Timeslices, counts: Indicator{Presence: &Presence{}},
		objective: mapping("target", g.objective(n, in.Objective), "timeSliceTarget", 1.0, "timeSliceWindow", g.slice(n, in.Slice))}
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

package convert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// shown spells an indicator in one line.
func shown(i *Indicator) string {
	if i == nil {
		return ""
	}
	var parts []string
	add := func(name string, m *Metric) {
		if m != nil {
			text := name + "=" + m.Source.Spec.Query
			if m.Source.Spec.Below != 0 {
				text += fmt.Sprint(" below ", m.Source.Spec.Below)
			}
			parts = append(parts, text)
		}
	}
	if r := i.RatioMetric; r != nil {
		add("good", r.Good)
		add("bad", r.Bad)
		add("total", r.Total)
		add(r.RawType, r.Raw)
	}
	add("gauge", i.ThresholdMetric)
	if len(i.GroupBy) > 0 {
		parts = append(parts, "by="+strings.Join(i.GroupBy, ","))
	}
	for range i.bare {
		parts = append(parts, "(bare)")
	}
	for _, n := range i.notes {
		parts = append(parts, "("+string(n.kind)+")")
	}
	return strings.Join(parts, "; ")
}

// What two queries, of bad events and of all, become.
func TestQueriesOfEvents(t *testing.T) {
	for _, c := range []struct{ errors, total, want string }{
		// Every way of writing a window.
		{`sum(rate(x{code="500"}[{{.window}}]))`, `sum(rate(x[{{ .window }}]))`, `bad=x{code="500"}; total=x`},
		{`sum(rate(x{code="500"}[$window]))`, `sum(rate(x[${window}]))`, `bad=x{code="500"}; total=x`},
		{`sum(rate(x{code="500"}[window]))`, `sum(rate(x[{{- .window -}}]))`, `bad=x{code="500"}; total=x`},
		{`sum(increase(x{code="500"}[$__range]))`, `sum(increase(x[$__rate_interval]))`, `bad=x{code="500"}; total=x`},
		{`x{code="500"}`, `x`, `bad=x{code="500"}; total=x; (bare); (bare)`},
		{"x{code=\"500\"} # it's bad", `sum(x)`, "unlike-legs"},
		{`sum(x{code="500"})`, `sum(x)`, `bad=x{code="500"}; total=x; (bare); (bare)`},
		{`histogram_count(sum(h)) - histogram_fraction(0, 2, sum(h)) * histogram_count(sum(h))`, `histogram_count(sum(h))`, `good=h below 2; (bare)`},
		// A window that was written is not the same as one that is filled in.
		{`sum(rate(x{code="500"}[5m]))`, `sum(rate(x[5m]))`, `bad=x{code="500"}; total=x; (fixed-window)`},
		{`sum(irate(x{code="500"}[$window]))`, `sum(irate(x[$window]))`, `bad=x{code="500"}; total=x; (fixed-window)`},
		// Groups.
		{`sum by (a, b) (rate(x{code="500"}[$window]))`, `sum(rate(x[$window])) by (b,a)`, `bad=x{code="500"}; total=x; by=a,b`},
		{`sum by (a) (rate(x{code="500"}[$window]))`, `sum(rate(x[$window]))`, "unlike-legs"},
		{`sum by (a) (sum by (a, b) (rate(x{code="500"}[$window])))`, `sum by (a) (rate(x[$window]))`, `bad=x{code="500"}; total=x; by=a`},
		{`sum without (pod) (rate(x{code="500"}[$window]))`, `sum without (pod) (rate(x[$window]))`, "needs-polling"},
		{`rate(x{code="500"}[$window])`, `rate(x[$window])`, `bad=x{code="500"}; total=x; (series-added-up)`},
		{`sum(rate(x{code="500"}[$window]))`, `sum(increase(x[$window]))`, "unlike-legs"},
		// Nothing is none.
		{`sum(rate(x{code="500"}[$window])) or vector(0)`, `sum(rate(x[$window])) > 0`, `bad=x{code="500"}; total=x`},
		{`sum(rate(x{code="500"}[$window])) OR on() vector(0)`, `sum(rate(x[$window]))`, `bad=x{code="500"}; total=x`},
		{`sum(rate(x{code="500"}[$window])) or 0 * sum(rate(x[$window]))`, `sum(rate(x[$window]))`, `bad=x{code="500"}; total=x`},
		{`sum(rate(x{code="500"}[$window])) or vector(1)`, `sum(rate(x[$window]))`, "needs-polling"},
		// Sums and differences.
		{`sum(rate(x[$window])) - sum(rate(x{code="200"}[$window]))`, `sum(rate(x[$window]))`, `good=x{code="200"}; total=x`},
		{`sum(rate(t[$window]) - rate(g[$window]))`, `sum(rate(t[$window]))`, `good=g; total=t`},
		{`sum(rate(b[$window]))`, `sum(rate(g[$window])) + sum(rate(b[$window]))`, `good=g; bad=b`},
		{`sum(rate(a[$window])) + sum(rate(b[$window]))`, `sum(rate(t[$window]))`, `bad={__name__=~"a|b"}; total=t`},
		{`sum(rate(x{c="1"}[$window])) + sum(rate(x{c="2"}[$window]))`, `sum(rate(x[$window]))`, `bad=x{c=~"1|2"}; total=x`},
		{`sum(rate(x{c=~"1.*"}[$window])) + sum(rate(x{c="12"}[$window]))`, `sum(rate(x[$window]))`, "needs-polling"}, // 12 would count twice
		{`sum(rate(x[$window])) - sum(rate(x{c="1"}[$window]))`, `sum(rate(y[$window]))`, `bad=x{c!="1"}; total=y`},
		{`100 * sum(rate(x{c="5"}[$window]))`, `sum(rate(x[$window])) * 100`, `bad=x{c="5"}; total=x`},
		{`2 * sum(rate(x{c="5"}[$window]))`, `sum(rate(x[$window]))`, "needs-polling"},
		// Latency.
		{`sum(rate(h_count[$window])) - sum(rate(h_bucket{le="0.4"}[$window]))`, `sum(rate(h_count[$window]))`, `good=h_bucket{le="0.4"}; total=h_count`},
		{`sum(rate(h_bucket{le="+Inf"}[$window])) - sum(rate(h_bucket{le="0.4"}[$window]))`, `sum(rate(h_bucket{le="+Inf"}[$window]))`,
			`good=h_bucket{le="0.4"}; total=h_count`},
		{`(1 - histogram_fraction(0, 0.2, sum(rate(h[$window])))) * histogram_count(sum(rate(h[$window])))`, `histogram_count(sum(rate(h[$window])))`,
			`good=h below 0.2`},
		{`histogram_count(sum by (a) (rate(h[$window]))) - histogram_fraction(0, 2, sum by (a) (rate(h[$window]))) * histogram_count(sum by (a) (rate(h[$window])))`,
			`histogram_count(sum by (a) (rate(h[$window])))`, `good=h below 2; by=a`},
		{`1 - histogram_fraction(0, 0.2, sum(rate(h[$window])))`, `vector(1)`, `good=h below 0.2`},
		{`histogram_quantile(0.99, sum by (le) (rate(h_bucket[$window])))`, `vector(1)`, "needs-polling"},
		{`sum(rate(x[$window]))`, `10`, "needs-polling"},
		// What cannot be streamed, and what is none of ours.
		{`sum_over_time((count(g < 0.75))[$window:])`, `sum_over_time((count(g))[$window:])`, "needs-polling"},
		{`sum(rate(x[$window] offset 1h))`, `sum(rate(x[$window]))`, "needs-polling"},
		{`max(rate(x[$window]))`, `sum(rate(x[$window]))`, "needs-polling"},
		{`sum(rate(x{job="$job"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job="{{ .job }}"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate({{ .metric }}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job="${env}-payments"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job="payments-$env"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job!="a-$env-b"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job=~"(${env}|b).*"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job=~"$env-.*"}[$window]))`, `sum(rate(x[$window]))`, "template-variable"},
		{`sum(rate(x{job=~"a\\$b|c$"}[$window]))`, `sum(rate(x[$window]))`, `bad=x{job=~"a\\$b|c$"}; total=x`},
		{`sum(rate(x{price="US$5 $"}[$window]))`, `sum(rate(x[$window]))`, `bad=x{price="US$5 $"}; total=x`},
		// A window is a range, and neither the end of a name nor a number.
		{`sum(job:errors:rate{{.window}})`, `sum(job:requests:rate{{.window}})`, "needs-polling"},
		{`errors:$window`, `requests:${window}`, "needs-polling"},
		{`sum(increase(x{c="5"}[$window])) / $window`, `sum(rate(x[$window]))`, "needs-polling"},
		{`sum(rate(x{c="5"}[$window] offset $window))`, `sum(rate(x[$window] offset $window))`, "needs-polling"},
		{`sum(rate(x{c="5"}[{{.window}}5ms]))`, `sum(rate(x[{{.window}}5ms]))`, "needs-polling"},
		{"sum(rate(x{c=\"5\"}[ {{.window}}\n]))", `sum(rate(x[$window ]))`, `bad=x{c="5"}; total=x`},
		{`sum(rate(x{code=~"5..$"}[$window]))`, `sum(rate(x[$window]))`, `bad=x{code=~"5..$"}; total=x`},
		{`sum(rate(x{a="[window]"}[$window]))`, `sum(rate(x[$window]))`, `bad=x{a="[window]"}; total=x`},
		{`histogram_share(0.2, h)`, `vector(1)`, "unparsable-query"},
		{`sum(rate(x{`, `x`, "unparsable-query"},
		{``, `x`, "invalid-value"},
	} {
		ind, why := ofEvents(c.errors, c.total, false)
		got := shown(ind)
		if why != nil {
			got = string(why.kind)
		}
		if got != c.want {
			t.Errorf("%s / %s\nbecomes %s\nwant    %s", c.errors, c.total, got, c.want)
		}
	}
}

func TestRawQueries(t *testing.T) {
	for text, want := range map[string]string{
		`sum(rate(e[$window])) / sum(rate(t[$window]))`:                                                 `bad=e; total=t`,
		`1 - (sum(rate(g[$window])) / sum(rate(t[$window])))`:                                           `good=g; total=t`,
		`(sum(rate(t[$window])) - sum(rate(g[$window]))) / sum(rate(t[$window]))`:                       `good=g; total=t`,
		`sum(rate(e[$window])) / (sum(rate(e[$window])) + sum(rate(g[$window])))`:                       `good=g; bad=e`,
		`1 - histogram_fraction(0, 0.2, sum(rate(h[$window])))`:                                         `good=h below 0.2`,
		`1 - histogram_fraction(-Inf, 0.2, sum by (le, a) (rate(h_bucket[$window])))`:                   `good=h below 0.2; by=a`,
		`1 - (sum(sum_over_time(g[$window])) / sum(count_over_time(g[$window])))`:                       `success=g`,
		`sum(sum_over_time(g[$window])) / sum(count_over_time(g[$window]))`:                             `failure=g`,
		`1 - avg_over_time(g{a="b"}[$window])`:                                                          `success=g{a="b"}; (series-added-up)`,
		`1 - avg(avg_over_time(g[$window]))`:                                                            `success=g; (series-added-up)`,
		`error_ratio{a="b"}`:                                                                            `failure=error_ratio{a="b"}`,
		`sum(rate(e[$window]))`:                                                                         "needs-polling",
		`sum(rate(e[$window])) / 5`:                                                                     "needs-polling",
		`1 - 1`:                                                                                         "needs-polling",
		`sum(rate(e[$window])) / sum(rate(t[$window])) + sum(rate(a[$window])) / sum(rate(b[$window]))`: "needs-polling",
	} {
		ind, why := raw(text, false)
		got := shown(ind)
		if why != nil {
			got = string(why.kind)
		}
		// All series of a gauge are one group anyway.
		if got != want && got+"; (series-added-up)" != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", text, got, want)
		}
	}
}

func TestGauges(t *testing.T) {
	for text, want := range map[string]string{
		`up{job="a"}`: `gauge=up{job="a"}`, `(up)`: `gauge=up`, `sum(up)`: "needs-polling", `up offset 5m`: "needs-polling", `1 - up`: "needs-polling", `up / up`: "needs-polling",
	} {
		ind, why := gauge(text)
		got := shown(ind)
		if why != nil {
			got = string(why.kind)
		}
		if got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

func TestPercentToRatio(t *testing.T) {
	for text, want := range map[string]string{
		"99.9": "0.999", "99.90": "0.999", "100": "1", "0": "0", "99.999999999999999999": "0.99999999999999999999", "5": "0.05", "99.": "0.99", "0.1": "0.001",
		"101": "", "-1": "", "": "", "x": "", "1e1": "", "0x10": "", "1/3": "", "99,9": "", strings.Repeat("9", 50): "",
	} {
		if got, ok := PercentToRatio(text); string(got) != want || ok != (want != "") {
			t.Errorf("%s %% is %q (%v), want %q", text, got, ok, want)
		}
	}
}

// FuzzQuery: whatever is written, what it becomes are plain selectors that Prometheus reads.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{`sum(rate(x{a="b"}[{{.window}}]))`, `1 - histogram_fraction(0, 0.2, sum by (le) (rate(h_bucket[$window])))`, `x - y or vector(0)`,
		`sum(rate(a[5m])) + sum(rate(b[5m]))`, "`{{", `{{}}`, `${`, `[a]`, `{__name__=~"a|b"}`, `"` + "\x00"} {
		f.Add(s, `sum(rate(x[$window]))`)
	}
	f.Add(`sum(x:rate{{.window}})`, `sum(y:rate$window)`)
	f.Fuzz(func(t *testing.T, part, total string) {
		for _, good := range []bool{true, false} {
			ind, why := ofEvents(part, total, good)
			if (ind == nil) == (why == nil) {
				t.Fatalf("neither an indicator nor a reason: %v %v", ind, why)
			}
			if why != nil {
				continue
			}
			r := ind.RatioMetric
			for _, m := range []*Metric{r.Good, r.Bad, r.Total, r.Raw} {
				if m == nil {
					continue
				}
				expr, err := parser.NewParser(parser.Options{}).ParseExpr(m.Source.Spec.Query)
				if _, ok := expr.(*parser.VectorSelector); err != nil || !ok {
					t.Errorf("%q is no selector: %v", m.Source.Spec.Query, err)
				}
				if strings.Contains(m.Source.Spec.Query, filler) && !strings.Contains(part+total, filler) {
					t.Errorf("%q has what was put in for a window", m.Source.Spec.Query)
				}
			}
		}
	})
}

package grafana

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/dashboards"
)

// published is every metric that can be asked for, with its labels: what the manual lists, which its own tests hold
// to a running agent both ways, what Go's client library adds, and the one series that Prometheus itself makes.
func published(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{
		"ALERTS": {"alertname", "alertstate", "slo", "service", "group", "rail", alerts.LabelTier, alerts.LabelSeverity},
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(assayer_\\w+)` \\| (\\w+) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		var own []string
		for _, l := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[3], -1) {
			own = append(own, l[1])
		}
		if slices.Contains(own, "slo") {
			own = append(own, "group")
		}
		name := row[1]
		if row[2] == "histogram" {
			name, own = name+"_bucket", append(own, "le")
		}
		known[name] = append(own, "job", "instance")
	}
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		known[f.GetName()] = []string{"job", "instance"}
		for _, l := range f.GetMetric()[0].GetLabel() {
			known[f.GetName()] = append(known[f.GetName()], l.GetName())
		}
	}
	if len(known) < 60 {
		t.Fatalf("the manual has changed its form: %d metrics found", len(known))
	}
	return known
}

// plainPromQL puts values in place of what Grafana replaces.
func plainPromQL(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$__interval", "1m",
		"$service", ".*", "$slo", ".*", "$group", "", "$rail", ".*", "$currency", ".*", "$instance", ".*").Replace(expr)
}

func parse(t *testing.T, expr string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(plainPromQL(expr))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	if i := strings.Index(plainPromQL(expr), "$"); i >= 0 {
		t.Fatalf("%s: Grafana has no such variable", expr)
	}
	return e
}

// resultLabels are those that an expression's results can have.
func resultLabels(known map[string][]string, e parser.Expr) []string {
	switch e := e.(type) {
	case *parser.VectorSelector:
		return known[e.Name]
	case *parser.MatrixSelector:
		return resultLabels(known, e.VectorSelector)
	case *parser.SubqueryExpr:
		return resultLabels(known, e.Expr)
	case *parser.ParenExpr:
		return resultLabels(known, e.Expr)
	case *parser.UnaryExpr:
		return resultLabels(known, e.Expr)
	case *parser.AggregateExpr:
		if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
			return resultLabels(known, e.Expr)
		}
		return e.Grouping
	case *parser.BinaryExpr:
		out := resultLabels(known, e.LHS)
		if e.Op == parser.LOR || len(out) == 0 {
			out = append(slices.Clone(out), resultLabels(known, e.RHS)...)
		}
		if e.VectorMatching != nil {
			out = append(slices.Clone(out), e.VectorMatching.Include...)
		}
		return out
	case *parser.Call:
		var out []string
		for _, a := range e.Args {
			out = append(out, resultLabels(known, a)...)
		}
		if e.Func.Name == "label_replace" {
			out = append(out, e.Args[1].(*parser.StringLiteral).Val)
		}
		if e.Func.Name == "histogram_quantile" {
			out = slices.DeleteFunc(slices.Clone(out), func(l string) bool { return l == "le" })
		}
		return out
	}
	return nil
}

// check walks an expression: every metric is published, and every label that is asked for is one of its.
func check(t *testing.T, known map[string][]string, where, expr string, agent bool) parser.Expr {
	t.Helper()
	e := parse(t, expr)
	have := func(what string, wanted, own []string) {
		for _, l := range wanted {
			if !slices.Contains(own, l) {
				t.Errorf("%s: %s of %s asks for the label %s, there are %v", where, what, expr, l, own)
			}
		}
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			own, ok := known[n.Name]
			if !ok {
				t.Errorf("%s: %s is published by nobody", where, n.Name)
				return nil
			}
			selected := false
			for _, m := range n.LabelMatchers {
				if m.Name != labels.MetricName {
					have("a selector", []string{m.Name}, own)
				}
				selected = selected || m.Name == "job" && m.Value == "assayer"
			}
			if agent && !selected && n.Name != "ALERTS" {
				t.Errorf("%s: %s does not keep to the agent's own series", where, n)
			}
		case *parser.AggregateExpr:
			have(n.Op.String(), n.Grouping, resultLabels(known, n.Expr))
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				have("matching", n.VectorMatching.MatchingLabels, resultLabels(known, n.LHS))
				have("matching", n.VectorMatching.MatchingLabels, resultLabels(known, n.RHS))
				have("matching", n.VectorMatching.Include, resultLabels(known, n.RHS))
			}
		}
		return nil
	})
	return e
}

var (
	inLegend  = regexp.MustCompile(`\{\{(\w+)\}\}`)
	ofLabels  = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	variables = regexp.MustCompile(`\$(service|slo|group|rail|currency|instance)\b`)
)

// TestQueries walks every query of every screen: those of panels, of variables and of annotations.
func TestQueries(t *testing.T) {
	known := published(t)
	for name, in := range inputs(t) {
		agent := in.Options.AgentSelector != ""
		n := 0
		for _, d := range all(t, in) {
			s := readBack(t, d)
			var own []string
			for _, v := range s.Templating.List {
				own = append(own, v.Name)
				if v.Type == "datasource" {
					continue
				}
				m := ofLabels.FindStringSubmatch(v.Query)
				if m == nil {
					t.Fatalf("%s: variable %s asks %s", d.UID, v.Name, v.Query)
				}
				e := check(t, known, d.UID+", variable "+v.Name, m[1], agent)
				if !slices.Contains(resultLabels(known, e), m[2]) {
					t.Errorf("%s: %s has no label %s", d.UID, m[1], m[2])
				}
				n++
			}
			legends := func(where, text string, of []string) {
				for _, m := range inLegend.FindAllStringSubmatch(text, -1) {
					if !slices.Contains(of, m[1]) {
						t.Errorf("%s: %q shows the label %s, results have %v", where, text, m[1], of)
					}
				}
			}
			for _, a := range s.Annotations.List {
				n++
				of := resultLabels(known, check(t, known, d.UID+", annotation "+a.Name, a.Expr, agent))
				legends(d.UID+", annotation "+a.Name, a.TitleFormat+a.TextFormat, of)
				for key := range strings.SplitSeq(a.TagKeys, ",") {
					legends(d.UID+", annotation "+a.Name, "{{"+key+"}}", of)
				}
			}
			for _, p := range s.Panels {
				where := d.UID + ", " + p.Title
				for _, q := range p.Targets {
					n++
					of := resultLabels(known, check(t, known, where, q.Expr, agent))
					legends(where, q.LegendFormat, of)
					for _, v := range variables.FindAllStringSubmatch(q.Expr, -1) {
						if !slices.Contains(own, v[1]) {
							t.Errorf("%s: %s uses $%s, the screen has %v", where, q.Expr, v[1], own)
						}
					}
					if q.Datasource.UID != "${datasource}" || q.Instant == q.Range || (p.Type == "table") != (q.Format == "table") {
						t.Errorf("%s: %+v", where, q)
					}
				}
			}
		}
		if n < 50 {
			t.Errorf("%s: only %d queries found", name, n)
		}
	}
}

// TestTables: rows of all queries of a table have the same labels, which its columns stand beside, and every column
// has a query.
func TestTables(t *testing.T) {
	for name, in := range inputs(t) {
		g := &gen{in: in}
		if err := g.check(); err != nil {
			t.Fatal(err)
		}
		known := published(t)
		for _, s := range g.screens() {
			for _, r := range s.rows {
				for _, p := range r.panels {
					if p.kind != table {
						if len(p.columns)+len(p.labels) > 0 {
							t.Errorf("%s: %s, %s has columns and is no table", name, s.uid, p.title)
						}
						continue
					}
					if len(p.columns) != len(p.queries) {
						t.Errorf("%s: %s, %s has %d columns and %d queries", name, s.uid, p.title, len(p.columns), len(p.queries))
					}
					for _, q := range p.queries {
						of := resultLabels(known, parse(t, q.expr))
						slices.Sort(of)
						want := slices.Sorted(slices.Values(p.labels))
						if of = slices.Compact(of); !slices.Equal(of, want) {
							t.Errorf("%s: %s, %s: %s yields %v, the table has %v", name, s.uid, p.title, q.expr, of, want)
						}
					}
				}
			}
		}
	}
}

// TestEveryScreenIsMade keeps constants and screens together.
func TestEveryScreenIsMade(t *testing.T) {
	var made []string
	for _, d := range all(t, dashboards.Input{}) {
		made = append(made, d.UID)
	}
	want := []string{dashboards.UIDOnCall, dashboards.UIDExecutive, dashboards.UIDService, dashboards.UIDObjective, dashboards.UIDSettlement, dashboards.UIDCompliance, dashboards.UIDCost, dashboards.UIDAgent}
	if !slices.Equal(made, want) {
		t.Errorf("made are %v", made)
	}
}

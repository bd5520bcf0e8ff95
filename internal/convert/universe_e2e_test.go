//go:build e2e

package convert_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/collector"
)

// universe holds the series that rules could ask about: for each metric one for each combination of values, of which some
// match and some do not.
type universe struct {
	series []*made
}

// made is one series and how it behaves.
type made struct {
	labels labels.Labels
	series *collector.Series
	value  float64
	looks  int
	gauge  bool
	fails  bool // counts failures
	slow   bool // is a bucket that slow requests do not reach
	errors bool // shares its requests with a series of failures, of which it has few
}

// likely are values that labels have in the wild.
func likely() []string {
	return []string{"200", "500", "503", "429", "GET", "LIST", "POST", "WATCH", "OK", "ok", "Internal", "internal", "/api/v1/query", "/metrics", "query", "query_range",
		"cluster", "namespace", "success", "error", "NOERROR", "SERVFAIL", "<error>", "other"}
}

// failure tells what counts failures, as a person would.
var failure = regexp.MustCompile(`^(5..|429|Internal|internal|SERVFAIL|error|<error>)$`)

func newUniverse(t *testing.T, rules alerts.File) *universe {
	t.Helper()
	values := map[string]map[string][]string{} // by metric and label
	gauges := map[string]bool{}
	groups := map[string]bool{}
	for _, r := range rules.Groups[0].Rules {
		if !shortWindow.MatchString(r.Record) {
			continue
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
			switch n := n.(type) {
			case *parser.AggregateExpr:
				for _, l := range n.Grouping {
					groups[l] = true
				}
			case *parser.VectorSelector:
				gauges[n.Name] = gauges[n.Name] || slices.ContainsFunc(path, func(n parser.Node) bool {
					c, ok := n.(*parser.Call)
					return ok && strings.HasSuffix(c.Func.Name, "_over_time")
				})
				if values[n.Name] == nil {
					values[n.Name] = map[string][]string{}
				}
				for _, m := range n.LabelMatchers {
					if m.Name != "__name__" {
						values[n.Name][m.Name] = append(values[n.Name][m.Name], valuesFor(m)...)
					}
				}
			}
			return nil
		})
	}
	for _, of := range values {
		for l := range groups {
			if len(of[l]) == 0 {
				of[l] = []string{"a", "b"}
			}
		}
		if len(of["job"]) == 0 {
			of["job"] = []string{"any"}
		}
	}
	alike(values)
	u := &universe{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		u.combine(name, values[name], gauges[name])
	}
	return u
}

// alike gives all series of a histogram the same labels.
func alike(values map[string]map[string][]string) {
	for name, of := range values {
		if count := values[strings.TrimSuffix(name, "_bucket")+"_count"]; count != nil && strings.HasSuffix(name, "_bucket") {
			for l := range of {
				if both := slices.Concat(of[l], count[l]); l != "le" {
					of[l], count[l] = both, both
				}
			}
		}
	}
}

// valuesFor are some that a matcher matches, and some that it does not.
func valuesFor(m *labels.Matcher) []string {
	if m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual {
		if m.Name == "le" {
			return []string{m.Value}
		}
		return []string{m.Value, "other"}
	}
	var yes, no []string
	for _, v := range likely() {
		if m.Matches(v) {
			yes = append(yes, v)
		} else {
			no = append(no, v)
		}
	}
	return append(yes[:min(2, len(yes))], no[:min(2, len(no))]...)
}

func (u *universe) combine(name string, of map[string][]string, gauge bool) {
	sets := []map[string]string{{"__name__": name, "instance": "t"}}
	for _, l := range slices.Sorted(maps.Keys(of)) {
		var more []map[string]string
		for _, v := range slices.Compact(slices.Sorted(slices.Values(of[l]))) {
			for _, set := range sets {
				one := maps.Clone(set)
				one[l] = v
				more = append(more, one)
			}
		}
		sets = more
	}
	for _, set := range sets {
		ls := labels.FromMap(set)
		m := &made{labels: ls, series: collector.NewSeries(ls), gauge: gauge, slow: set["le"] != "", fails: regexp.MustCompile(`errors|failures`).MatchString(name)}
		for l, v := range set {
			m.fails = m.fails || l != "le" && failure.MatchString(v)
		}
		// A metric that tells failures by a label counts few others while all fails.
		for _, l := range []string{"code", "status", "status_code", "rcode", "result", "grpc_code"} {
			m.errors = m.errors || len(of[l]) > 0
		}
		u.series = append(u.series, m)
	}
}

// next moves every series on by one look.
func (u *universe) next(failing bool) []*made {
	for _, m := range u.series {
		m.looks++
		switch {
		case m.gauge && failing:
			m.value = 0
		case m.gauge:
			m.value = 1
		case m.slow && failing:
			m.value += min(m.requests(failing), 10)
		default:
			m.value += m.requests(failing)
		}
	}
	return u.series
}

// requests are how many come to a series of counts in one look.
func (m *made) requests(failing bool) float64 {
	switch {
	case m.fails && failing:
		return 990
	case m.fails:
		return float64(m.looks % 5 / 4)
	case m.errors && failing:
		return 10
	}
	return 1000
}

func (u *universe) jobs() []string {
	var jobs []string
	for _, m := range u.series {
		jobs = append(jobs, m.labels.Get("job"))
	}
	slices.Sort(jobs)
	return slices.Compact(jobs)
}

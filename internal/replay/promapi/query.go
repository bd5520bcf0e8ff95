package promapi

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// Queries gives the PromQL selectors that together select at least what the objectives read, each once.
func Queries(sets [][]spec.Objective) []string {
	var out []string
	for _, set := range sets {
		for i := range set {
			o := &set[i]
			for _, s := range o.Selectors() {
				suffixes := ""
				if h := o.Indicator.Histogram; h != nil && s == &h.Query {
					suffixes = "(_bucket|_count)?"
				}
				out = append(out, query(s, suffixes))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// query writes one selector. A bound that is to equal a number is left out: servers compare its text.
func query(s *spec.Selector, suffixes string) string {
	var parts []string
	for _, m := range s.Matchers {
		kind, value := m.Type, m.Value
		switch {
		case kind == labels.MatchEqual && (m.Name == labels.BucketLabel || m.Name == "quantile"):
			continue
		case m.Name == labels.MetricName && suffixes != "" && kind == labels.MatchEqual:
			kind, value = labels.MatchRegexp, regexp.QuoteMeta(value)+suffixes
		}
		parts = append(parts, m.Name+kind.String()+strconv.Quote(value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// anyOf gives a regular expression that matches exactly one of names.
func anyOf(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return strings.Join(quoted, "|")
}

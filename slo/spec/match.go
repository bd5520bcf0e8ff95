package spec

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
)

// matches applies one matcher, comparing numerically where exporters spell one number in more than
// one way (OpenMetrics writes le="2.0" where the text format writes le="2").
func matches(m *labels.Matcher, value string) bool {
	if m.Matches(value) {
		return true
	}
	if m.Type != labels.MatchEqual || (m.Name != "le" && m.Name != "quantile") {
		return false
	}
	want, errWant := strconv.ParseFloat(m.Value, 64)
	got, errGot := strconv.ParseFloat(value, 64)
	return errWant == nil && errGot == nil && want == got
}

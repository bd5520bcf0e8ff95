package alertmanager

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/timeinterval"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/deploy"
)

// differs names a time interval or a receiver that is not the same, of two files with the same outline; empty: all are. What
// the server hides, leaves out, adds, or tells in a way that this cannot read counts as the same: a good configuration
// must not be taken back for it.
func (f *file) differs(have *file) string {
	intervals := slices.Concat(have.MuteIntervals, have.Intervals)
	for i, w := range slices.Concat(f.MuteIntervals, f.Intervals) {
		want, read := times(w.Times)
		is, told := times(intervals[i].Times)
		if read && told && want != is {
			return "time interval " + w.Name
		}
	}
	for i, w := range f.Receivers {
		if !agree(w, have.Receivers[i]) {
			name, _ := w["name"].(string)
			return "receiver " + name
		}
	}
	return ""
}

// times gives time intervals as Alertmanager writes them itself.
func times(n yaml.Node) (text string, ok bool) {
	var all []timeinterval.TimeInterval
	if n.Decode(&all) != nil {
		return "", false
	}
	out, err := yaml.Marshal(all)
	return string(out), err == nil
}

// agree reports whether two settings can be the same. Those of another type cannot be told apart.
func agree(want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for key, value := range w {
			if other, told := h[key]; told && !agree(value, other) {
				return false
			}
		}
	case []any:
		h, ok := have.([]any)
		if !ok {
			return true
		}
		if len(w) != len(h) {
			return false
		}
		for i := range w {
			if !agree(w[i], h[i]) {
				return false
			}
		}
	case string:
		h, ok := have.(string)
		return !ok || h == "<secret>" || deploy.Span(w) == deploy.Span(h) || address(w) == address(h)
	case bool:
		h, ok := have.(bool)
		return !ok || w == h
	case int:
		h, ok := have.(int)
		return !ok || w == h
	}
	return true
}

var userInfo = regexp.MustCompile(`://[^/\s@]+@`)

// address gives an address without its user and the slash at its end, which servers hide and add.
func address(text string) string {
	return strings.TrimSuffix(userInfo.ReplaceAllString(text, "://"), "/")
}

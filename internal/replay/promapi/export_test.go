package promapi

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
)

// CheckPoints reads text as points and, slowly, as JSON, and wants the same.
func CheckPoints(t *testing.T, text string) {
	var fast points
	if json.Unmarshal([]byte(text), &fast) != nil {
		return
	}
	var slow [][2]any
	if err := json.Unmarshal([]byte(text), &slow); err != nil || len(slow) != len(fast) {
		t.Fatalf("%q: got %d points, JSON has %d (%v)", text, len(fast), len(slow), err)
	}
	for i, p := range slow {
		at, isNumber := p[0].(float64)
		value, isText := p[1].(string)
		v, err := strconv.ParseFloat(value, 64)
		if !isNumber || !isText || err != nil || fast[i].at != int64(math.Round(at*1000)) || math.Float64bits(fast[i].value) != math.Float64bits(v) {
			t.Fatalf("%q: got %v, JSON has %v", text, fast[i], p)
		}
	}
}

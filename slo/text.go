package slo

import (
	"math"
	"strconv"
	"time"

	"github.com/assayer-io/assayer/slo/burnrate"
)

func windowText(d time.Duration) string { return burnrate.Text(d) }

// short writes a number with three significant digits, whole numbers in full.
func short(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < maxExact {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if math.Abs(f) >= 1000 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// percent writes a ratio as a percentage with at most four significant digits.
func percent(ratio float64) string {
	p := ratio * 100
	if math.Abs(p) >= 1000 {
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'g', 4, 64) + " %"
}

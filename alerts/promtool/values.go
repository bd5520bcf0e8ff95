package promtool

import (
	"math"
	"strconv"
	"strings"
)

// missing and stale are what a sample may be beside a number: none, and the mark of a series that has ended.
func missing() float64 { return math.NaN() }
func stale() float64   { return math.Inf(-1) }

// values writes samples in promtool's notation, runs of equal steps shortened: 0 1 2 3 _ _ 7 7 7 is 0+1x3 _x2 7x2. They
// are whole numbers as a rule; a run adds its step again and again, which is exact only for these.
func values(samples []float64) string {
	var b strings.Builder
	for i := 0; i < len(samples); {
		if i > 0 {
			b.WriteByte(' ')
		}
		i += writeRun(&b, samples[i:])
	}
	return b.String()
}

// writeRun writes as many samples as one term holds and returns how many.
func writeRun(b *strings.Builder, s []float64) int {
	first, n := s[0], 1
	switch {
	case math.IsNaN(first):
		for n < len(s) && math.IsNaN(s[n]) {
			n++
		}
		b.WriteByte('_')
		if n > 1 {
			b.WriteString("x" + strconv.Itoa(n))
		}
		return n
	case math.IsInf(first, -1):
		b.WriteString("stale")
		return 1
	}
	b.WriteString(number(first))
	if len(s) == 1 || !isNumber(s[1]) {
		return 1
	}
	step := s[1] - first
	for n < len(s) && isNumber(s[n]) && s[n] == s[n-1]+step {
		n++
	}
	if n == 2 && step != 0 {
		return 1 // two numbers are no run, and the second may begin one
	}
	if step > 0 {
		b.WriteByte('+')
	}
	if step != 0 {
		b.WriteString(number(step))
	}
	b.WriteString("x" + strconv.Itoa(n-1))
	return n
}

func isNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// number avoids exponents, which the notation takes for names in some places.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/assayer-io/assayer/slo/money"
)

// space is a no-break space: a number and its unit stay on one line.
const space = "\u00a0"

// percent writes a promise exactly as it was made: 0.9995 is 99.95 %.
func percent(ratio float64) string {
	return strconv.FormatFloat(math.Round(ratio*1e8)/1e6, 'f', -1, 64) + space + "%"
}

// share writes a measured ratio in as many digits as a person reads. It never rounds to 0 % or
// 100 % what is not: -3 is −300 %, 0.99999 is 99.99 %, 0.00001 is <0.01 %.
func share(ratio float64) string {
	p := ratio * 100
	abs := math.Abs(p)
	sign := ""
	if p < 0 {
		sign = "−"
	}
	var text string
	switch {
	case abs == 0 || abs == 100:
		return sign + strconv.FormatFloat(abs, 'f', 0, 64) + space + "%"
	case abs < 0.01:
		return "<" + sign + "0.01" + space + "%"
	case abs < 10:
		text = strconv.FormatFloat(abs, 'f', 2, 64)
	case abs > 99 && abs < 100:
		text = strconv.FormatFloat(math.Floor(abs*100)/100, 'f', 2, 64)
	case abs < 100:
		text = strconv.FormatFloat(abs, 'f', 1, 64)
	default:
		return sign + count(math.Round(abs)) + space + "%"
	}
	return sign + trimZeros(text) + space + "%"
}

// burnText writes a burn rate without its unit: 0.04, 4, 14.4, 1,234.
func burnText(b float64) string {
	switch {
	case b <= 0:
		return "0"
	case b < 0.01:
		return "<0.01"
	case b < 10:
		return trimZeros(strconv.FormatFloat(b, 'f', 2, 64))
	case b < 100:
		return trimZeros(strconv.FormatFloat(b, 'f', 1, 64))
	}
	return count(math.Round(b))
}

// count groups thousands: 1,234,567. Fractions keep one digit.
func count(n float64) string {
	if math.Abs(n) >= 1e15 {
		return strconv.FormatFloat(n, 'g', 4, 64)
	}
	text := trimZeros(strconv.FormatFloat(math.Abs(n), 'f', 1, 64))
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if n < 0 {
		whole = "−" + whole
	}
	return whole
}

// amount writes a count, or with a currency an amount of its minor units: 12,345.67 EUR.
func amount(n float64, currency string) string {
	if currency == "" {
		return count(n)
	}
	return strings.NewReplacer("-", "−", " ", space).Replace(money.Text(n, currency))
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// span writes a duration in its two largest units: 3 h 20 min.
func span(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size && i < len(units)-1 {
			continue
		}
		text := fmt.Sprintf("%d%s%s", d/u.size, space, u.name)
		if rest := d % u.size; i+1 < len(units) && rest >= units[i+1].size && d < 100*24*time.Hour && u.size != time.Minute {
			text += fmt.Sprintf("%s%d%s%s", space, rest/units[i+1].size, space, units[i+1].name)
		}
		return text
	}
	return ""
}

func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// sentence gives a text from elsewhere a capital and a full stop, so that it stands well on screen.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	// A name such as card-auth or p99 at the front keeps its own spelling.
	word, _, _ := strings.Cut(s, " ")
	if !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && r != ',' }) {
		s = sentenceCase(s)
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

func sentenceCase(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(float64(n)) + " " + many
}

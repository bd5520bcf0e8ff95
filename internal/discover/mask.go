package discover

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// masked stands where a value would stand that must not be shown.
const masked = "[masked]"

// maxShown bounds what a comment repeats of a value, in characters.
const maxShown = 60

var (
	digitRun = regexp.MustCompile(`[0-9](?:[ -]?[0-9]){7,}`)
	iban     = regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b`)
	email    = regexp.MustCompile(`[^\s@/]+@[^\s@/]+\.[A-Za-z]{2,}`)
	chain    = regexp.MustCompile(`\b0x[0-9a-fA-F]{40,}\b|\b(?:bc1|tb1)[0-9a-z]{25,}\b`)
	base58   = regexp.MustCompile(`^[13][1-9A-HJ-NP-Za-km-z]{25,34}$`)
	token    = regexp.MustCompile(`\beyJ[\w-]{8,}|(?i:\b(?:bearer|basic) +\S{8,})|\b[rs]k_(?:live|test)_\w+|\bgh[pousr]_\w{20,}|\bAKIA[0-9A-Z]{16}\b`)
	longText = regexp.MustCompile(`[^\s"'=,{}()\\/]{8,}`)
)

// sensitive says what a value looks like that should be in no metric: a card's number, an account's, an
// address, a secret. Empty: it looks harmless.
func sensitive(value string) string {
	if len(value) < 8 {
		return ""
	}
	switch {
	case token.MatchString(value):
		return "a secret"
	case email.MatchString(value):
		return "an e-mail address"
	case chain.MatchString(value), base58.MatchString(value):
		return "an address on a chain"
	}
	for _, found := range iban.FindAllString(value, -1) {
		if isIBAN(strings.ReplaceAll(found, " ", "")) {
			return "an IBAN"
		}
	}
	for _, found := range digitRun.FindAllString(value, -1) {
		digits := strings.NewReplacer(" ", "", "-", "").Replace(found)
		switch {
		case len(digits) >= 13 && len(digits) <= 19 && luhn(digits):
			return "a card number"
		case len(found) == len(value) && len(digits) == len(value) && !isDate(digits):
			return "an account number"
		case len(digits) > 10 && len(digits) == len(found):
			return "an account number"
		}
	}
	return ""
}

// luhn checks the last digit of a card's number (ISO/IEC 7812-1, annex B).
func luhn(digits string) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// isIBAN checks the two check digits (ISO 13616: what is made of it is 1 modulo 97).
func isIBAN(text string) bool {
	rest := 0
	for _, c := range text[4:] + text[:4] {
		n, err := strconv.ParseInt(string(c), 36, 0)
		if err != nil {
			return false
		}
		if n >= 10 {
			rest = rest * 10
		}
		rest = (rest*10 + int(n)) % 97
	}
	return rest == 1
}

// isDate reports whether eight digits are a day, as labels of builds have it.
func isDate(digits string) bool {
	_, err := time.Parse("20060102", digits)
	return err == nil
}

// maskText makes text fit to be shown: what looks sensitive is masked, word by word, and what moves a
// terminal's cursor is gone.
func maskText(text string) string {
	word := func(s string) string {
		if sensitive(s) != "" {
			return masked
		}
		return s
	}
	text = token.ReplaceAllString(text, masked)
	text = iban.ReplaceAllStringFunc(text, word)
	text = digitRun.ReplaceAllStringFunc(text, word)
	text = longText.ReplaceAllStringFunc(text, word)
	return oneLine(text)
}

// oneLine replaces what is no printable character.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
}

// shown is a label's value as comments have it.
func shown(value string) string {
	if sensitive(value) != "" {
		return masked
	}
	if value = maskText(value); utf8.RuneCountInString(value) > maxShown {
		value = string([]rune(value)[:maxShown]) + "..."
	}
	if value == "" || strings.ContainsAny(value, ` ,"'#`) {
		return strconv.Quote(value)
	}
	return value
}

// Exposed is what looks as if it should stand in no metric.
type Exposed struct {
	Metric, Label string
	Looks         string // like what: "a card number"
	Values        int    // how many different ones
}

// String says it without any of the values.
func (e Exposed) String() string {
	if e.Label == "" {
		return fmt.Sprintf("%s of the metrics' names: looks like %s", plural(e.Values, "one", "%d"), e.Looks)
	}
	return fmt.Sprintf("label %s of %s has %s like %s; whoever can read the metrics can read them, and so can every system that keeps them",
		e.Label, e.Metric, plural(e.Values, "a value that looks", "%d values that look"), e.Looks)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// Sensitive lists labels whose values look as if they should stand in no metric, with the first name that has them.
func (s *Service) Sensitive() []Exposed {
	type key struct{ label, looks string }
	values, first := map[key]map[string]bool{}, map[key]string{}
	for _, name := range s.names() {
		for _, p := range s.families[name].series {
			p.labels.Range(func(l labels.Label) {
				if len(l.Value) < 8 || l.Name == model.BucketLabel || l.Name == model.QuantileLabel || l.Name == model.InstanceLabel {
					return
				}
				looks := sensitive(l.Value)
				if looks == "" {
					return
				}
				k := key{l.Name, looks}
				if values[k] == nil {
					values[k], first[k] = map[string]bool{}, shown(name)
				}
				values[k][l.Value] = true
			})
		}
	}
	var out []Exposed
	for k, found := range values {
		e := Exposed{Metric: first[k], Label: shown(k.label), Looks: k.looks, Values: len(found)}
		if k.label == model.MetricNameLabel {
			e.Label = ""
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Exposed) int { return strings.Compare(a.Label+a.Looks, b.Label+b.Looks) })
	return out
}

// listed shows some of the values there are, in order, harmless ones only.
func listed(values map[string]float64) string {
	const most = 8
	var out []string
	for _, v := range slices.Sorted(maps.Keys(values)) {
		if sensitive(v) == "" {
			out = append(out, shown(v))
		}
	}
	if len(out) > most {
		return strings.Join(out[:most], ", ") + fmt.Sprintf(" and %d more", len(out)-most)
	}
	return strings.Join(out, ", ")
}

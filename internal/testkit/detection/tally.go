package detection

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/traces"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// tally adds up what one rule did over many runs.
type tally struct {
	runs, wanted, found int
	detect, reset       []time.Duration // of incidents that somebody should be told of; of pages
	burned              float64         // sum over those found
	pages, early, wrong int             // of an incident; of none; those that were not worth it
	wrongRuns, tickets  int
	unknown             float64 // mean share of time
}

// every stands for all cases of a family.
const every = -1

func (t tag) holds(other tag) bool {
	return t.family == other.family && (t.item == every || t.item == other.item)
}

// tallied adds up the results of one case, or of every case of a family, for one rule.
func tallied(results []result, of tag, rule int) tally {
	var t tally
	for i := range results {
		r := &results[i]
		if !of.holds(r.tag) {
			continue
		}
		for _, samples := range r.samples {
			t.add(&samples[rule], r.truth.Want)
		}
	}
	if t.runs > 0 {
		t.unknown /= float64(t.runs)
	}
	return t
}

func (t *tally) add(s *sample, want traces.Want) {
	t.runs++
	t.pages += s.pages
	t.early += s.early
	t.wrong += s.wrong
	t.tickets += s.tickets
	t.unknown += s.unknown
	if s.wrong > 0 {
		t.wrongRuns++
	}
	if s.hasReset {
		t.reset = append(t.reset, s.reset)
	}
	if want == traces.Nothing {
		return
	}
	t.wanted++
	t.detect = append(t.detect, s.detect)
	if s.detect != never {
		t.found++
		t.burned += s.burned
	}
}

func truthOf(results []result, of tag) traces.Truth {
	i := slices.IndexFunc(results, func(r result) bool { return r.tag == of })
	return results[i].truth
}

// row and rule write lines of a Markdown table.
func row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func rule(b *strings.Builder, columns int) {
	b.WriteString(strings.Repeat("|---", columns) + "|\n")
}

// text is a duration with as much detail as matters: seconds below ten minutes, minutes below a day.
func text(d time.Duration) string {
	switch {
	case d == never:
		return "never"
	case d < 10*time.Minute:
		d = d.Round(time.Second)
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
	default:
		d = d.Round(time.Hour)
	}
	return burnrate.Text(d)
}

// percent writes a ratio with two digits that count.
func percent(ratio float64) string { return decimal(100*ratio) + " %" }

// decimal writes a number with two digits that count.
func decimal(f float64) string {
	digits := max(0, 1-int(math.Floor(math.Log10(math.Abs(f)))))
	if f == 0 || digits > 6 {
		digits = 0
	}
	text := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

package detection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/traces"
	"github.com/assayer-io/assayer/slo"
)

func outcomes(t *testing.T, tr *traces.Trace) []outcome {
	t.Helper()
	out, err := run(t.Context(), tr, false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFewEvaluationsFireAlike holds the short cut to the whole: evaluating only when the answer can have
// changed gives the firings that evaluating after each look gives.
func TestFewEvaluationsFireAlike(t *testing.T) {
	var all []traces.Trace
	for i, f := range traces.Families() {
		if i%familiesCovered != 0 {
			continue
		}
		switch f.Name {
		case "slow burn", "flapping", "low traffic", "missing looks, healthy", "missing looks, broken", "latency only":
			all = append(all, f.Cases[len(f.Cases)/2].Make(traces.Tuning().Seed(2)))
		}
	}
	for i, perHour := range healthyRates() {
		tr := traces.Healthy(traces.Tuning().Seed(i), perHour, 3) // thrice the budget: tiers come and go
		tr.Length = daysOfFirings * 24 * time.Hour
		all = append(all, tr)
	}
	fired := 0
	for _, tr := range all {
		few := outcomes(t, &tr)
		every, err := run(t.Context(), &tr, true)
		if err != nil {
			t.Fatal(err)
		}
		for k := range every {
			a, b := few[k][0], every[k][0]
			fired += len(b.pages) + len(b.tickets)
			if !slices.Equal(a.pages, b.pages) || !slices.Equal(a.tickets, b.tickets) {
				t.Errorf("%s, %s:\nfew   pages %v tickets %v\nevery pages %v tickets %v", tr.Family, tr.Case, a.pages, a.tickets, b.pages, b.tickets)
			}
		}
	}
	if fired < 5 {
		t.Errorf("only %d firings were compared", fired)
	}
}

// medians are the rules' median time to detect over the first n test seeds.
func medians(t *testing.T, n int, make func(seed uint64) traces.Trace) (out [rules]time.Duration) {
	t.Helper()
	short := func(seed uint64) traces.Trace {
		tr := make(seed)
		tr.Length = min(tr.Length, tr.Truth.End+2*grace) // what comes after it was found, or was not, does not matter
		return tr
	}
	var jobs []job
	for i := range n {
		jobs = append(jobs, job{make: short, seed: traces.Test().Seed(100_000 + i)})
	}
	results, err := measure(t.Context(), jobs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := range rules {
		out[k] = quantile(tallied(results, tag{}, k).detect, 0.5)
	}
	return out
}

// knownFalsePages are those that the engine has in TestHealthyMonths. There should be none. Two failures
// within an hour of ten requests, and three within an hour of sixty, pass the Poisson tail of 1e-4, and
// at a burn rate of 0.5 chance brings them in 16 and in 10 of 1,000 months. Whatever pages at the second
// failure in a row, which is what finds an outage at ten requests an hour in eleven minutes, does so in
// 7,200 × 0.0005² of them, 1.8 of 1,000.
func knownFalsePages() map[float64]int { return map[float64]int{} }

// TestHealthyMonths: services that keep their promise wake nobody, and where there is little traffic
// the workbook's rule without a guard does so for nearly each failure.
func TestHealthyMonths(t *testing.T) {
	results, err := measure(t.Context(), jobs(nil, plan{months: monthsTested}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for item, perHour := range healthyRates() {
		ours, theirs := tallied(results, tag{healthy, item}, 0), tallied(results, tag{healthy, item}, unguarded)
		if known := knownFalsePages()[perHour]; ours.wrong > known {
			t.Errorf("%g requests an hour: %d false pages in %d healthy months, %d known", perHour, ours.wrong, ours.runs, known)
		}
		// 3.6 failures a month at 10 requests an hour, 21.6 at 60; 300 requests an hour need five in an hour.
		if low := perHour <= 60; low && theirs.wrong < 2*theirs.runs || !low && theirs.wrong > theirs.runs {
			t.Errorf("%g requests an hour: the unguarded rule pages %d times in %d months", perHour, theirs.wrong, theirs.runs)
		}
	}
}

// TestOutageAtTenRequestsAnHour: two failures are enough, which come 1.68 times six minutes after the
// onset in the median.
func TestOutageAtTenRequestsAnHour(t *testing.T) {
	got := medians(t, outagesTested, func(seed uint64) traces.Trace { return traces.LowTraffic(seed, 10, 1) })[0]
	if got > 11*time.Minute {
		t.Errorf("found after %v in the median, want 11 minutes at most", got)
	}
}

// TestFastTier: a total outage at one request a second and more is found by the fast tier within three
// looks, the first being the one that brings the first failure.
func TestFastTier(t *testing.T) {
	for _, perSecond := range []float64{1, 10, 100} {
		for i := range outagesOfEach {
			tr := traces.Step(traces.Test().Seed(i), perSecond, 1, 5*time.Minute)
			tr.Interval = 5 * time.Second
			if looks, tier := looksUntilPage(t, &tr); looks > 3 || tier != slo.FastTier {
				t.Errorf("%g requests a second, seed %d: found by %q after %d looks", perSecond, tr.Seed, tier, looks)
			}
		}
	}
}

// looksUntilPage counts the looks from the first one with a failure of the incident to the one after
// which a page begins, and tells by which tier.
func looksUntilPage(t *testing.T, tr *traces.Trace) (looks int, tier string) {
	t.Helper()
	a, err := newAgent(tr, false)
	if err != nil {
		t.Fatal(err)
	}
	failing := false
	for look := range tr.Looks(tr.Interval) {
		now := look.At.Sub(traces.Begin())
		failing = failing || now > tr.Truth.Onset && look.Shown.Bad > 0
		if failing {
			looks++
		}
		if a.look(look, now.Milliseconds()) && a.says[0].page {
			return looks, a.firing[len(a.firing)-1]
		}
	}
	return looks, ""
}

// TestSpikesAreAccountedFor: whether five seconds of failures page or not, a page for so little is
// reported as a wrong one.
func TestSpikesAreAccountedFor(t *testing.T) {
	const n = spikesTested
	pages := 0
	for i := range n {
		tr := traces.Spike(traces.Test().Seed(i), 1, 5*time.Second)
		tr.Interval = 5 * time.Second
		s := outcomes(t, &tr)[0][0].sum(&tr)
		if s.wrong != s.pages+s.early || s.pages > 1 {
			t.Errorf("seed %d: %d pages and %d before, of which %d are reported as wrong", tr.Seed, s.pages, s.early, s.wrong)
		}
		pages += s.pages
	}
	t.Logf("%d of %d spikes of 5 s at one request a second paged", pages, n)
}

// TestReport runs a part of the report and looks for its tables.
func TestReport(t *testing.T) {
	var parts []traces.Family
	for _, f := range traces.Families() {
		if f.Name == "low traffic" || f.Name == "declines" {
			parts = append(parts, f)
		}
	}
	var b bytes.Buffer
	calls, last := 0, 0
	err := report(t.Context(), &b, parts, plan{months: 1, seeds: 2}, func(done, total int) {
		if calls++; done != calls || done > total {
			t.Errorf("progress %d of %d after %d calls", done, total, calls)
		}
		last = total
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 4*1 + 2*9; calls != want || last != want {
		t.Errorf("told %d times of %d runs, want %d", calls, last, want)
	}
	text := b.String()
	for _, want := range []string{
		"## Detection\n", "### Healthy months\n", "### Low traffic\n", "### Declines\n",
		"| 10 % to 60 % declined for 2h | 0 |", // no page of ours
		"| Assayer | 1000 | 1 | 0 | 0 (under 100 % of months, 95 %) |",
		"| 6: several windows and burn rates | 10 | 1 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	columns := 0
	for line := range strings.Lines(text) {
		if n := strings.Count(line, "|"); n > 0 && columns > 0 && n != columns {
			t.Errorf("a row has %d bars, the one above it %d: %s", n, columns, line)
		} else {
			columns = n
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReportTellsWhatWentWrong(t *testing.T) {
	if err := report(t.Context(), brokenPipe{}, nil, plan{}, nil); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("got %v, want the writer's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var b bytes.Buffer
	err := report(ctx, &b, nil, plan{months: 1000}, func(int, int) { cancel() })
	if !errors.Is(err, context.Canceled) || b.Len() > 0 {
		t.Errorf("got %v and %d bytes, want none after the context has ended", err, b.Len())
	}
}

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		never: "never", 61400 * time.Millisecond: "1m1s", 12*time.Minute + 29*time.Second: "12m", 3*time.Hour + 7*time.Minute: "3h7m", 59*time.Hour + 20*time.Minute: "2d11h",
	} {
		if got := text(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	for f, want := range map[float64]string{0: "0", 0.00123: "0.0012", 0.5: "0.5", 12.34: "12", 99.99: "100", 1234.5: "1234"} {
		if got := decimal(f); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	values := []time.Duration{5, never, 1, 3, 2}
	for q, want := range map[float64]time.Duration{0.5: 3, 0.9: never, 1: never, 0.2: 1, 0.8: 5} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v: got %d, want %d", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
	if got := fmt.Sprintf("%.4f", falseRateBound(1000)); got != "0.0030" {
		t.Errorf("0 in 1000: under %s, want 0.0030", got)
	}
}

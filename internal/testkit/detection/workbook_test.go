package detection

import (
	"math"
	"testing"
	"time"
)

// outage feeds the six approaches an even flow of events, of which a share fails from the third day on
// for a while, in steps of ten seconds, and returns when each paged for the first time after the onset,
// and when its page ended after the end. 0 stands for never.
func outage(share float64, lasts time.Duration) (detect, reset [approaches]time.Duration) {
	const step = 10 * time.Second
	onset := 3 * 24 * time.Hour
	end := onset + lasts
	w := newWorkbook(0.001)
	for at := step; at <= end+37*time.Hour; at += step {
		bad := 0.0
		if at > onset && at <= end {
			bad = share
		}
		now := at.Milliseconds()
		w.observe(now, bad, 1)
		for i, v := range w.judge(now) {
			switch {
			case v.page && detect[i] == 0:
				detect[i] = at - onset
			case !v.page && detect[i] != 0 && reset[i] == 0 && at > end:
				reset[i] = at - end
			}
		}
	}
	return detect, reset
}

// TestWorkbookTable reproduces the figures of the SRE workbook, chapter 5, for 99.9 % over 30 days. The
// time to fire is (1 − objective) ÷ error ratio × window × burn rate, rounded up to a step; where the
// ratio must exceed the limit and only reaches it at the step, one step later.
func TestWorkbookTable(t *testing.T) {
	const step = 10 * time.Second
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	tests := []struct {
		share float64
		want  [approaches]time.Duration // 0: never
	}{
		{1, [approaches]time.Duration{seconds(10), seconds(130), seconds(3610), seconds(130), seconds(60), seconds(60), seconds(60)}},
		{0.05, [approaches]time.Duration{seconds(20), seconds(2600), seconds(3610), seconds(2600), seconds(1040), seconds(1040), seconds(1040)}},
		{0.01, [approaches]time.Duration{seconds(60), seconds(12970), seconds(3610), 0, seconds(12970), seconds(12970), seconds(12970)}},
	}
	for _, tt := range tests {
		detect, _ := outage(tt.share, 5*time.Hour)
		for i, got := range detect {
			if diff := (got - tt.want[i]).Abs(); diff > step || (got == 0) != (tt.want[i] == 0) {
				t.Errorf("%v errors, %s: found after %v, want %v", tt.share, ruleNames()[1+i], got, tt.want[i])
			}
		}
	}
}

// TestWorkbookReset: after a total outage of two hours a page ends when the window holds fewer errors
// than the limit: window − limit × window after the end, at a step. The published reproduction counts to
// the last step that still fires, which is one step sooner.
func TestWorkbookReset(t *testing.T) {
	_, reset := outage(1, 2*time.Hour)
	for i, want := range [approaches]float64{600 - 0.6, 36 * 3600 * 0.999, 60 - 0.06, 3600 * (1 - 0.036), 6 * 3600 * (1 - 0.006), 1800 * (1 - 0.006), 1800 * (1 - 0.006)} {
		if got := reset[i].Seconds(); math.Abs(got-want) > 10 {
			t.Errorf("%s: reset after %v s, want about %v", ruleNames()[1+i], got, want)
		}
	}
}

// TestWorkbookBlindSpots: what the workbook itself, and arithmetic, say is not found.
func TestWorkbookBlindSpots(t *testing.T) {
	if detect, _ := outage(0.05, 10*time.Minute); detect[unguarded-1] != 0 {
		t.Errorf("5 %% errors for ten minutes: paged after %v, which is 2/3 of what 14.4× over an hour takes", detect[unguarded-1])
	}
	if detect, _ := outage(0.035, 12*time.Hour); detect[3] != 0 {
		t.Errorf("a burn rate of 35 paged by the rule for 36 after %v", detect[3])
	}
	detect, reset := outage(0.15, 10*time.Minute)
	// 14.4 × 0.001 ÷ 0.15 of an hour is 5 m 46 s; of the short window's errors 9.6 % are enough.
	if d, r := detect[unguarded-1], reset[unguarded-1]; d != 350*time.Second || r < 4*time.Minute || r > 5*time.Minute {
		t.Errorf("15 %% for ten minutes: found after %v and reset after %v", d, r)
	}
}

// TestWorkbookWindowsAreExact compares every window with a sum over all events.
func TestWorkbookWindowsAreExact(t *testing.T) {
	w := newWorkbook(0.01)
	type event struct {
		at         int64
		bad, total float64
	}
	var events []event
	for i := range int64(30_000) {
		at := 1 + i*i*i%977 + i*20_000
		e := event{at, float64(i * i % 3), float64(3 + i%5)}
		events = append(events, e)
		w.observe(at, e.bad, e.total)
		if i%1013 != 0 {
			continue
		}
		for window, length := range windowLengths() {
			var bad, total float64
			for _, x := range events {
				if x.at > at-length {
					bad, total = bad+x.bad, total+x.total
				}
			}
			if b, n := w.count(window, at); b != bad || n != total {
				t.Fatalf("event %d, window %d: got %v of %v, want %v of %v", i, window, b, n, bad, total)
			}
		}
		w.judge(at)
	}
}

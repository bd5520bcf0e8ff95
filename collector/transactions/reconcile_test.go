package transactions

import (
	"fmt"
	"testing"
	"time"
)

func reconciled(rules *Rules) {
	rules.Config.Reconcile = map[string]time.Duration{"sct": time.Hour, "sct-inst": time.Hour}
}

func items(railName, outcome string, n int) string {
	return fmt.Sprintf(`reconciliation_items_total{outcome=%q,rail=%q} %d`, outcome, railName, n)
}

// What the other side has told of as settled, and we never end, is a break once the rail's delay has passed since
// the other side told of it: before the deadline or after it, whoever told first, and also through a restart.
func TestOpenByUsSettledByThem(t *testing.T) {
	for _, railName := range []string{"sct", "sct-inst"} { // due on Monday evening; within 10 s
		for _, outsideFirst := range []bool{false, true} {
			t.Run(fmt.Sprint(railName, outsideFirst), func(t *testing.T) {
				r := newRig(t, reconciled)
				ours, theirs := r.event("a", railName, "received"), r.event("a", railName, "settled")
				theirs.External = true
				if outsideFirst {
					r.put(theirs)
					r.put(ours)
				} else {
					r.put(ours)
					r.put(theirs)
				}
				r.put(theirs)
				r.tick(59 * time.Minute)
				r.close()
				r.open()
				want := []string{gauge("open", railName, 1)}
				if railName == "sct-inst" {
					want = append(want, gauge("overdue", railName, 1), total(railName, "late", "bad", "bad", 1))
				}
				r.shows(want...)
				r.tick(time.Minute)
				broken := append(want, items(railName, "bad", 1), gauge("reconciliation_breaks", railName, 1))
				r.shows(broken...)
				if got := r.Summaries()[0].Breaks.Values["EUR"]; got.Int64() != 1234 {
					t.Errorf("the break is over %v cents", got)
				}
				if railName == "sct" {
					return
				}
				r.tick(60 * time.Hour) // for as long as it is open
				r.shows(broken...)
				r.put(r.event("a", railName, "settled"))
				r.shows(total(railName, "late", "bad", "bad", 1), items(railName, "bad", 1))
				if r.tick(r.rules.Config.ClosedRetention); r.j.Len() != 0 {
					t.Errorf("%d records are left", r.j.Len())
				}
			})
		}
	}
}

// What we end in time after the other side has told of it is none; what we end as failed is one, and no second.
func TestEndedByUsAfterThem(t *testing.T) {
	r := newRig(t, reconciled)
	for _, id := range []string{"settles", "fails", "fails late"} {
		theirs := r.event(id, "sct", "settled")
		theirs.External = true
		r.put(r.event(id, "sct", "received"), theirs)
	}
	r.tick(30 * time.Minute)
	r.put(r.event("settles", "sct", "settled"), r.event("fails", "sct", "rejected"))
	ended := []string{total("sct", "good", "good", "good", 1), total("sct", "technical_unknown", "bad", "bad", 1), items("sct", "good", 1)}
	r.shows(append(ended, gauge("open", "sct", 1), gauge("reconciliation_breaks", "sct", 1), items("sct", "bad", 1))...)
	r.tick(time.Hour)
	r.shows(append(ended, gauge("open", "sct", 1), gauge("reconciliation_breaks", "sct", 2), items("sct", "bad", 2))...)
	r.put(r.event("fails late", "sct", "rejected"))
	r.shows(total("sct", "good", "good", "good", 1), total("sct", "technical_unknown", "bad", "bad", 2), items("sct", "good", 1),
		gauge("reconciliation_breaks", "sct", 2), items("sct", "bad", 2))
}

// What we tell of only after the other side's word was a break already, and do not end, is one from then on.
func TestOpenByUsLongAfterThem(t *testing.T) {
	r := newRig(t, reconciled)
	theirs := r.event("a", "sct", "settled")
	theirs.External = true
	r.put(theirs)
	r.tick(2 * time.Hour)
	r.shows(items("sct", "bad", 1), gauge("reconciliation_breaks", "sct", 1))
	r.put(r.event("a", "sct", "received"))
	r.tick(time.Second)
	r.shows(gauge("open", "sct", 1), items("sct", "bad", 1), gauge("reconciliation_breaks", "sct", 1))
	r.put(r.event("a", "sct", "settled"))
	r.shows(total("sct", "good", "good", "good", 1), items("sct", "bad", 1))
}

// The latest days are kept, whichever order they come in, and a restart keeps the same ones.
func TestCyclesOfTheLatestDays(t *testing.T) {
	r := newRig(t, func(rules *Rules) {
		rules.Config.Reconcile = map[string]time.Duration{"sct": time.Hour}
		rules.Config.ClosedRetention = 90 * 24 * time.Hour
	})
	days := func() (all []string) {
		for _, c := range r.Summaries()[0].Cycles {
			all = append(all, c.Day)
		}
		return all
	}
	settle := func(back ...int) {
		var events []Event
		for _, n := range back {
			e := r.event(fmt.Sprint(n), "sct", "settled")
			e.At, e.External = r.clock.AddDate(0, 0, -n), true
			events = append(events, e)
		}
		r.put(events...)
	}
	business := func(from, n int) (all []int) {
		for ; len(all) < n; from++ {
			if day := r.clock.AddDate(0, 0, -from).Weekday(); day != time.Saturday && day != time.Sunday {
				all = append(all, from)
			}
		}
		return all
	}
	newest := business(0, maxCycles+3)
	settle(newest[3:]...) // full
	settle(newest[:3]...) // three more at once
	settle(newest[maxCycles+2])
	first, last := r.clock.AddDate(0, 0, -newest[maxCycles-1]), r.clock
	for range 2 {
		got := days()
		if len(got) != maxCycles || got[0] != first.Format(time.DateOnly) || got[maxCycles-1] != last.Format(time.DateOnly) {
			t.Errorf("%d days: %v, want those from %s to %s", len(got), got, first.Format(time.DateOnly), last.Format(time.DateOnly))
		}
		r.close()
		r.open()
	}
}

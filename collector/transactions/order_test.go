package transactions

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/reason"
)

// step is one event of a movement, so long after its receipt.
type step struct {
	state  string
	after  time.Duration
	change func(*Event)
}

// stories are movements whose events can come in any order.
func stories() map[string]struct {
	rail  string
	steps []step
} {
	type story = struct {
		rail  string
		steps []step
	}
	external := func(e *Event) { e.External = true }
	because := func(code string) func(*Event) { return func(e *Event) { e.Reason = reason.Key{Code: code} } }
	byEndToEnd := func(e *Event) { e.EndToEndID, e.ID = e.ID, "" }
	byReference := func(e *Event) { e.Reference, e.ID = "r"+e.ID, "" }
	byBoth := func(e *Event) { e.Reference = "r" + e.ID }
	return map[string]story{
		"two names":         {"sct-inst", []step{{"received", 0, nil}, {"accepted", 2 * time.Second, byReference}, {"sent", 3 * time.Second, byBoth}, {"settled", 8 * time.Second, byReference}}},
		"two names, late":   {"sct-inst", []step{{"received", 0, byReference}, {"in_doubt", 2 * time.Second, byBoth}, {"settled", 12 * time.Second, nil}, {"settled", 13 * time.Second, func(e *Event) { byReference(e); external(e) }}}},
		"two names, failed": {"sct-inst", []step{{"received", 0, byReference}, {"sent", 2 * time.Second, byBoth}, {"rejected", 4 * time.Second, func(e *Event) { because("AM04")(e); e.Amount, e.Currency = "", "" }}, {"settled", 5 * time.Second, func(e *Event) { byReference(e); external(e) }}}},
		"settled in time":   {"sct-inst", []step{{"received", 0, nil}, {"accepted", 2 * time.Second, nil}, {"in_doubt", 4 * time.Second, nil}, {"settled", 8 * time.Second, nil}, {"settled", 9 * time.Second, external}}},
		"settled late":      {"sct-inst", []step{{"received", 0, nil}, {"accepted", 5 * time.Second, nil}, {"sent", 6 * time.Second, nil}, {"settled", 12 * time.Second, nil}, {"settled", 13 * time.Second, external}}},
		"rejected":          {"sct-inst", []step{{"received", 0, nil}, {"sent", time.Second, nil}, {"in_doubt", 2 * time.Second, nil}, {"rejected", 3 * time.Second, because("FF10")}}},
		"told as settled":   {"sct-inst", []step{{"received", 0, nil}, {"rejected", 3 * time.Second, because("AM04")}, {"settled", 4 * time.Second, external}}},
		"clock skew":        {"sct-inst", []step{{"received", 0, nil}, {"accepted", -5 * time.Second, nil}, {"settled", 8 * time.Second, nil}}},
		"never received":    {"sct-inst", []step{{"accepted", 0, nil}, {"sent", 5 * time.Second, nil}, {"settled", 12 * time.Second, nil}}},
		"other amount":      {"sct-inst", []step{{"received", 0, func(e *Event) { e.Amount, e.Currency = "", "" }}, {"sent", time.Second, nil}, {"settled", 5 * time.Second, nil}, {"settled", 6 * time.Second, func(e *Event) { e.External, e.Amount = true, "99.99" }}}},
		"own deadline":      {"sct-inst", []step{{"received", 0, func(e *Event) { e.Deadline = e.At.Add(30 * time.Second) }}, {"accepted", time.Second, nil}, {"settled", 25 * time.Second, nil}}},
		"in doubt for long": {"fednow", []step{{"received", 0, nil}, {"in_doubt", time.Second, nil}, {"settled", 19 * time.Second, nil}}},
		"given back":        {"sct-inst", []step{{"received", 0, nil}, {"settled", 3 * time.Second, nil}, {"returned", 9 * time.Second, because("AC04")}}},
		"settled, credited": {"sct-inst", []step{{"received", 0, nil}, {"settled", 5 * time.Second, nil}, {"credited", 5 * time.Second, nil}}},
		"over days":         {"sct", []step{{"received", 0, byEndToEnd}, {"sent", 20 * time.Hour, byEndToEnd}, {"settled", 21 * time.Hour, byEndToEnd}}},
		"a chain":           {"crypto-withdrawal", []step{{"requested", 0, nil}, {"received", time.Second, nil}, {"broadcast", time.Minute, nil}, {"settled", 2 * time.Minute, nil}}},
		"lost in between":   {"sct-inst", []step{{"received", 0, nil}, {"accepted", time.Second, nil}, {"in_doubt", 2 * time.Second, nil}}},
	}
}

// event makes a step's event of the movement id.
func (s step) event(r *rig, id, rail string, begun time.Time) Event {
	e := r.event(id, rail, s.state)
	e.At = begun.Add(s.after)
	if s.change != nil {
		s.change(&e)
	}
	return e
}

// counts are all counters and gauges but for what depends on how much was told, and how often.
func (r *rig) counts() map[string]float64 {
	out := map[string]float64{}
	for _, m := range r.Metrics() {
		if m.Value != 0 && !strings.Contains(m.Name, "events_total") && !strings.Contains(m.Name, "oldest") && !strings.Contains(m.Name, "cutoff") {
			out[m.Name+m.Labels.String()] = m.Value
		}
	}
	return out
}

// Whatever order a movement's events come in, once or twice, at once or one by one, with a restart in between, the
// counts are those of the natural order, as long as all are told before a deadline fires.
func TestEveryOrderCountsTheSame(t *testing.T) {
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			begun := noon
			reconciled := func(rules *Rules) {
				rules.Config.Reconcile = map[string]time.Duration{story.rail: time.Hour}
				rules.Reporting, rules.Config.ClosedRetention = "EUR", 72*time.Hour
			}
			rest := max(story.steps[len(story.steps)-1].after, time.Second)
			natural, mixed := newRig(t, reconciled), newRig(t, reconciled)
			natural.clock, mixed.clock = begun.Add(rest), begun.Add(rest)
			for _, s := range story.steps {
				natural.put(s.event(natural, "x", story.rail, begun))
			}
			var first, second []Event
			orders := permutations(len(story.steps))
			for i, order := range orders {
				var events []Event
				for _, k := range order {
					events = append(events, story.steps[k].event(mixed, fmt.Sprint("m", i), story.rail, begun))
				}
				cut := i % len(events)
				first = append(first, events[:cut]...)
				second = append(second, events[cut:]...)
				second = append(second, events...) // all of it once more
			}
			mixed.put(first...)
			mixed.close()
			mixed.open()
			for chunk := range slices.Chunk(second, 7) {
				mixed.put(chunk...)
			}
			for _, wait := range []time.Duration{3 * time.Second, 2 * time.Hour, 60 * time.Hour} {
				natural.tick(wait)
				mixed.tick(wait)
				want := natural.counts()
				for k := range want {
					want[k] *= float64(len(orders))
				}
				got := mixed.counts()
				for k := range want {
					if d := got[k] - want[k]; d < 1e-6 && d > -1e-6 {
						got[k] = want[k]
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("%d orders, after %v:\ngot  %v\nwant %v", len(orders), wait, got, want)
				}
			}
		})
	}
}

func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{{}}
	}
	for _, p := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return all
}

// After anything at all, what a restart makes of the records is what was shown before it; and when all timers have
// run, every movement that our side has told of was counted, and none twice.
func TestGaugesAreThoseOfARestart(t *testing.T) {
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 4))
		r := newRig(t, func(rules *Rules) {
			rules.Config.Reconcile = map[string]time.Duration{"sct-inst": time.Minute}
			rules.Config.ClosedRetention = 72 * time.Hour
		})
		states := []string{"received", "accepted", "sent", "in_doubt", "settled", "rejected", "cancelled", "credited"}
		begun := map[string]bool{}
		for range 60 {
			var events []Event
			for range 10 {
				id := fmt.Sprint(random.IntN(40))
				e := r.event(id, "sct-inst", states[random.IntN(len(states))])
				e.At = r.clock.Add(-time.Duration(random.IntN(30)) * time.Second)
				e.External = random.IntN(8) == 0
				if random.IntN(4) == 0 {
					e.Amount, e.Currency = "", ""
				}
				if seed%2 == 0 && random.IntN(6) == 0 {
					e.Reference = fmt.Sprint("r", random.IntN(20)) // which may be another's, so that two become one
				}
				begun[id] = begun[id] || !e.External
				events = append(events, e)
			}
			r.put(events...)
			r.tick(time.Duration(random.IntN(20)) * time.Second)
		}
		r.tick(3 * time.Hour)
		before := r.counts()
		r.close()
		r.open()
		if after := r.counts(); !maps.Equal(before, after) {
			t.Errorf("seed %d: a restart makes\n%v of\n%v", seed, after, before)
		}
		total := 0.0
		for _, m := range r.Metrics() {
			if m.Name == "assayer_transactions_total" {
				total += m.Value
			}
		}
		if seed%2 == 1 && int(total) != len(begun) {
			t.Errorf("seed %d: %v movements are counted of %d", seed, total, len(begun))
		}
	}
}

// Both halves of a payment between two customers of ours have one UETR, and are two movements; on another rail
// it is a third.
func TestLegsOfOnePayment(t *testing.T) {
	const uetr = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
	for _, inFirst := range []bool{false, true} {
		r := newRig(t, nil)
		tell := func(rail, direction, state string) {
			e := r.event("", rail, state)
			e.UETR, e.Direction = uetr, direction
			r.put(e, e)
		}
		directions := []string{"out", "in"}
		if inFirst {
			slices.Reverse(directions)
		}
		for _, d := range directions {
			tell("sct-inst", d, "received")
		}
		tell("fednow", "out", "received")
		r.shows(gauge("open", "sct-inst", 2), gauge("open", "fednow", 1))
		tell("sct-inst", "in", "settled")
		tell("sct-inst", "out", "rejected")
		tell("fednow", "out", "settled")
		r.shows(`total{class="good",direction="in",end_to_end="good",outcome="good",rail="sct-inst"} 1`, total("sct-inst", "technical_unknown", "bad", "bad", 1), total("fednow", "good", "good", "good", 1))
	}
}

// The half that is still on its way is found after the other one is known no more, and after a restart.
func TestLegOutlivesTheOther(t *testing.T) {
	r := newRig(t, nil)
	tell := func(direction, state string) {
		e := r.event("", "sct-inst", state)
		e.UETR, e.Direction = "eb6305c9-1f7f-49de-aed0-16487c27b42d", direction
		r.put(e)
	}
	tell("out", "received")
	tell("out", "settled")
	tell("in", "received")
	r.tick(r.rules.Config.ClosedRetention + time.Hour)
	r.close()
	r.open()
	tell("in", "settled")
	r.tick(time.Hour)
	r.shows(total("sct-inst", "good", "good", "good", 1), `total{class="late",direction="in",end_to_end="bad",outcome="bad",rail="sct-inst"} 1`)
}

// An end-to-end id that begins again on another day is another payment's.
func TestEndToEndIDUsedAgain(t *testing.T) {
	r := newRig(t, nil)
	for range 2 {
		e := r.event("", "sct", "received")
		e.EndToEndID = "RENT"
		r.put(e)
		r.put(e)
		r.clock = r.clock.Add(24 * time.Hour)
	}
	r.shows(gauge("open", "sct", 2))
}

// An event that names two movements is of the first that it names, and of that alone.
func TestReferenceOfAnother(t *testing.T) {
	r := newRig(t, nil)
	a, b := r.event("a", "sct-inst", "received"), r.event("b", "sct-inst", "received")
	b.Reference = "T2"
	both := r.event("a", "sct-inst", "settled")
	both.Reference = "T2"
	r.put(a, b)
	for range 2 {
		if got := r.put(both); len(got.Rejected) != 0 {
			t.Fatalf("%+v", got)
		}
	}
	r.shows(total("sct-inst", "good", "good", "good", 1), gauge("open", "sct-inst", 1))
}

// What cannot be kept is refused as a whole request, so that whoever told it tells it again; the rest is taken.
func TestFull(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Config.MaxRecords = 1000 })
	var events []Event
	for i := range 1001 {
		events = append(events, r.event(fmt.Sprint(i), "sct-inst", "received"))
	}
	end := r.event("7", "sct-inst", "settled")
	for range 2 {
		if _, err := r.try(Batch{Events: append(events, end), Source: "feed", Position: "1"}); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v", err)
		}
	}
	r.shows(gauge("open", "sct-inst", 999), total("sct-inst", "good", "good", "good", 1))
	if got := r.Position("feed"); got != "" {
		t.Errorf("the source's position moved to %s", got)
	}
}

package transactions

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

func TestSettledInTime(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"))
	r.shows(gauge("open", "sct-inst", 1))
	r.tick(4 * time.Second)
	r.put(r.event("a", "sct-inst", "settled"))
	r.shows(total("sct-inst", "good", "good", "good", 1))
	r.tick(time.Hour)
	r.shows(total("sct-inst", "good", "good", "good", 1))
}

// A payment that is stuck burns the moment its deadline has passed, and what comes later changes no count.
func TestStuckBurnsAtItsDeadline(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"))
	r.tick(10*time.Second + 999*time.Millisecond) // 10 s, and 1 s for whoever tells
	r.shows(gauge("open", "sct-inst", 1))
	r.tick(time.Millisecond)
	r.shows(total("sct-inst", "late", "bad", "bad", 1), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1))
	r.tick(time.Hour)
	r.put(r.event("a", "sct-inst", "settled"))
	r.shows(total("sct-inst", "late", "bad", "bad", 1))
	r.tick(time.Hour)
	r.shows(total("sct-inst", "late", "bad", "bad", 1))
}

func TestSettledLateBeforeItFires(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"))
	r.tick(10*time.Second + 500*time.Millisecond)
	r.put(r.event("a", "sct-inst", "settled"))
	r.shows(total("sct-inst", "late", "bad", "bad", 1))
}

func TestSettledInTimeToldLate(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"))
	settled := r.event("a", "sct-inst", "settled")
	settled.At = r.clock.Add(3 * time.Second)
	r.tick(time.Minute)
	r.put(settled)
	r.shows(total("sct-inst", "late", "bad", "bad", 1), gauge("late_confirmations_total", "sct-inst", 1))
}

func TestFailuresByTheirReason(t *testing.T) {
	for code, want := range map[string]string{
		"AM04": total("sct-inst", "business", "excluded", "excluded", 1),
		"AB05": total("sct-inst", "technical_peer", "excluded", "bad", 1),
		"FF10": total("sct-inst", "technical_own", "bad", "bad", 1),
		"":     total("sct-inst", "technical_unknown", "bad", "bad", 1),
		"ZZ99": total("sct-inst", "technical_unknown", "excluded", "bad", 1),
	} {
		r := newRig(t, nil)
		r.put(r.event("a", "sct-inst", "received"))
		e := r.event("a", "sct-inst", "rejected")
		e.Reason = reason.Key{Code: code}
		r.put(e)
		r.shows(want)
		if got := len(r.Unmapped()); got != 0 != (code == "ZZ99") {
			t.Errorf("%s: %d codes are not mapped", code, got)
		}
	}
}

func TestToldTwiceAndOutOfOrder(t *testing.T) {
	r := newRig(t, nil)
	received, accepted := r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "accepted")
	r.clock = r.clock.Add(3 * time.Second)
	settled := r.event("a", "sct-inst", "settled")
	for _, e := range []Event{settled, accepted, received, received, settled, accepted} {
		r.put(e)
	}
	r.shows(total("sct-inst", "good", "good", "good", 1))
	r.tick(time.Minute)
	r.shows(total("sct-inst", "good", "good", "good", 1))
	if got := r.put(settled); got.Duplicates != 1 || got.Accepted != 0 {
		t.Errorf("told again: %+v", got)
	}
}

// The end alone counts when the beginning never comes.
func TestEndWithoutBeginning(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "settled"))
	r.shows()
	r.tick(2 * time.Second)
	r.shows(total("sct-inst", "good", "good", "good", 1))
}

func TestTwoEnds(t *testing.T) {
	r := newRig(t, nil)
	for _, state := range []string{"received", "settled", "rejected"} {
		r.put(r.event("a", "sct-inst", state))
	}
	r.shows(total("sct-inst", "good", "good", "good", 1), gauge("conflicts_total", "sct-inst", 1))
}

func TestInDoubt(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"))
	r.put(r.event("a", "sct-inst", "in_doubt"))
	r.shows(gauge("open", "sct-inst", 1), gauge("in_doubt", "sct-inst", 1))
	r.tick(time.Minute)
	r.shows(total("sct-inst", "in_doubt", "bad", "bad", 1), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1), gauge("in_doubt", "sct-inst", 1))
	r.put(r.event("a", "sct-inst", "settled"))
	r.shows(total("sct-inst", "in_doubt", "bad", "bad", 1))
}

func TestReturnsAreNewMovements(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "settled"))
	back := r.event("r1", "sct-inst", "returned")
	back.Original = &Event{ID: "a"}
	back.Reason = reason.Key{Code: "AC04"}
	r.put(back)
	r.put(back)
	r.shows(total("sct-inst", "good", "good", "good", 1), `returns_total{class="business",direction="out",end_to_end="excluded",outcome="excluded",rail="sct-inst"} 1`)
}

// What a code says of whose fault it is depends on which way the payment went that comes back.
func TestReturnOfWhatCameIn(t *testing.T) {
	r := newRig(t, nil)
	came := r.event("a", "sct-inst", "received")
	came.Direction = "in"
	ended := came
	ended.State = "settled"
	back := r.event("r1", "sct-inst", "returned")                          // goes out
	back.Original, back.Reason = &Event{ID: "a"}, reason.Key{Code: "DUPL"} // burns our own budget only if we had sent it
	r.put(came, ended, back)
	r.shows(`total{class="good",direction="in",end_to_end="good",outcome="good",rail="sct-inst"} 1`,
		`returns_total{class="duplicate",direction="out",end_to_end="bad",outcome="excluded",rail="sct-inst"} 1`)
}

// A return that names its original by an end-to-end id of another day is of the only movement that has it.
func TestReturnByEndToEndIDOfAnotherDay(t *testing.T) {
	// Whose fault a duplicate is depends on which way the original went, which the return does not say.
	for name, tt := range map[string]struct{ second, want string }{
		"one has it":  {"INV-2", `returns_total{class="duplicate",end_to_end="bad",outcome="excluded",rail="sct-inst"} 1`},
		"two have it": {"INV-1", `returns_total{class="duplicate",end_to_end="bad",outcome="bad",rail="sct-inst"} 1`},
	} {
		r := newRig(t, func(rules *Rules) { rules.Config.ClosedRetention = 5 * 24 * time.Hour })
		for _, endToEnd := range []string{"INV-1", tt.second} {
			for _, state := range []string{"received", "settled"} {
				e := r.event("", "sct-inst", state)
				e.EndToEndID, e.Direction = endToEnd, "in"
				r.put(e)
			}
			r.clock = r.clock.Add(24 * time.Hour)
		}
		r.clock = r.clock.Add(24 * time.Hour)
		back := r.event("r1", "sct-inst", "returned")
		back.Direction, back.Original, back.Reason = "", &Event{EndToEndID: "INV-1"}, reason.Key{Code: "DUPL"}
		r.put(back)
		t.Log(name)
		r.shows(`total{class="good",direction="in",end_to_end="good",outcome="good",rail="sct-inst"} 2`, tt.want)
	}
}

func TestFoundByAnyIdentifier(t *testing.T) {
	const uetr = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
	r := newRig(t, nil)
	first := r.event("", "sct", "received")
	first.UETR, first.EndToEndID = uetr, "INV-77"
	r.put(first)
	r.tick(24 * time.Hour) // the end-to-end id of the day before is still its own
	second := r.event("", "sct", "sent")
	second.EndToEndID, second.Reference = "INV-77", "T2-991"
	r.put(second)
	third := r.event("", "sct", "settled")
	third.Reference = "T2-991"
	r.put(third)
	r.shows(total("sct", "good", "good", "good", 1))
	again := r.event(uetr, "sct", "settled")
	if got := r.put(again); got.Duplicates != 1 {
		t.Errorf("an id that is the UETR: %+v", got)
	}
	notProvided := r.event("", "sct", "received")
	notProvided.EndToEndID = "NOTPROVIDED"
	if got := r.put(notProvided); len(got.Rejected) != 1 || !errors.Is(got.Rejected[0].Err, errNoIdentity) {
		t.Errorf("NOTPROVIDED identifies: %+v", got)
	}
}

// A payment of Friday after the cut-off is Monday's, and due on Tuesday.
func TestDueOnABusinessDay(t *testing.T) {
	r := newRig(t, nil)
	r.clock = time.Date(2026, 11, 20, 15, 0, 1, 0, time.UTC) // 16:00:01 in Berlin
	r.put(r.event("late", "sct", "received"))
	r.clock = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	r.put(r.event("just", "sct", "received"))
	r.clock = time.Date(2026, 11, 23, 17, 0, 1, 0, time.UTC) // Monday 18:00:01 in Berlin
	r.tick(0)
	r.shows(total("sct", "late", "bad", "bad", 1), gauge("open", "sct", 2), gauge("overdue", "sct", 1))
	r.clock = time.Date(2026, 11, 24, 17, 0, 1, 0, time.UTC)
	r.tick(0)
	r.shows(total("sct", "late", "bad", "bad", 2), gauge("open", "sct", 2), gauge("overdue", "sct", 2))
}

func TestRestartKeepsEverything(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Reporting = "EUR" })
	r.put(r.event("a", "sct-inst", "received"), r.event("b", "sct-inst", "received"), r.event("c", "sct", "received"))
	r.put(r.event("b", "sct-inst", "settled"))
	_, err := r.try(Batch{Source: "feed", Position: "42"})
	must(t, err)
	before := r.Metrics()
	r.close()
	r.open()
	after := r.Metrics()
	if len(before) != len(after) {
		t.Fatalf("%d series became %d", len(before), len(after))
	}
	for i := range before {
		if before[i].Name != after[i].Name || before[i].Labels.String() != after[i].Labels.String() || before[i].Value != after[i].Value && before[i].Name != "assayer_transaction_events_total" || before[i].FromMs != after[i].FromMs {
			t.Errorf("%v became %v", before[i], after[i])
		}
	}
	if got := r.Position("feed"); got != "42" {
		t.Errorf("position %q", got)
	}
	r.tick(time.Minute)
	r.shows(total("sct-inst", "good", "good", "good", 1), total("sct-inst", "late", "bad", "bad", 1), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1), gauge("open", "sct", 1))
}

func TestClosedAreForgottenInTime(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "settled"))
	old := r.event("a", "sct-inst", "settled")
	if r.tick(r.rules.Config.ClosedRetention); r.j.Len() != 0 {
		t.Errorf("%d movements are kept", r.j.Len())
	}
	r.clock = r.clock.Add(time.Second)
	if got := r.put(old); len(got.Rejected) != 1 || !errors.Is(got.Rejected[0].Err, errStale) {
		t.Errorf("told again after it is forgotten: %+v", got)
	}
	r.shows(total("sct-inst", "good", "good", "good", 1))
}

func TestReconciliation(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Config.Reconcile = map[string]time.Duration{"sct-inst": time.Hour} })
	for _, id := range []string{"both", "ours", "other amount"} {
		r.put(r.event(id, "sct-inst", "received"), r.event(id, "sct-inst", "settled"))
	}
	outside := func(id, amount string) {
		e := r.event(id, "sct-inst", "settled")
		e.External, e.Amount = true, amount
		r.put(e)
		r.put(e)
	}
	outside("both", "12.34")
	outside("other amount", "12.35")
	outside("theirs", "1.00")
	good := total("sct-inst", "good", "good", "good", 3)
	items := func(outcome string, n int) string {
		return `reconciliation_items_total{outcome="` + outcome + `",rail="sct-inst"} ` + string(rune('0'+n))
	}
	r.shows(good, items("good", 1), items("bad", 1), gauge("reconciliation_breaks", "sct-inst", 1))
	r.tick(time.Hour)
	r.shows(good, items("good", 1), items("bad", 3), gauge("reconciliation_breaks", "sct-inst", 3))
	outside("ours", "12.34") // late, and the break is healed
	r.shows(good, items("good", 1), items("bad", 3), gauge("reconciliation_breaks", "sct-inst", 2))
	s := r.Summaries()[0]
	if len(s.Cycles) != 1 || s.Cycles[0].Ours.Count != 3 || s.Cycles[0].Told.Count != 4 || s.Cycles[0].Ours.Values["EUR"] != "3702" || s.Cycles[0].Told.Values["EUR"] != "3803" {
		t.Errorf("cycles: %+v", s.Cycles)
	}
}

func TestPaidTwice(t *testing.T) {
	r := newRig(t, nil)
	pay := func(id, parties string) {
		e := r.event(id, "sct-inst", "received")
		e.Parties = parties
		r.put(e)
	}
	pay("a", "anna>ben")
	pay("b", "anna>cleo")
	r.clock = r.clock.Add(10 * time.Minute)
	pay("c", "anna>ben")
	r.clock = r.clock.Add(10*time.Minute + time.Second)
	pay("d", "anna>ben")
	r.shows(gauge("open", "sct-inst", 4), gauge("duplicate_suspects_total", "sct-inst", 1))
}

func TestSettlementTimesAreAHistogram(t *testing.T) {
	r := newRig(t, nil)
	for i, took := range []time.Duration{0, 250 * time.Millisecond, 251 * time.Millisecond, 9 * time.Second, 10001 * time.Millisecond, 48 * time.Hour} {
		id := string(rune('a' + i))
		r.clock = noon.Add(time.Duration(i) * 72 * time.Hour)
		r.put(r.event(id, "sct-inst", "received"))
		r.clock = r.clock.Add(took)
		r.put(r.event(id, "sct-inst", "settled"))
	}
	got := map[string]float64{}
	for _, m := range r.Metrics() {
		if strings.HasPrefix(m.Name, "assayer_transactions_settlement_seconds") {
			got[m.Name[len("assayer_transactions_settlement_seconds"):]+m.Labels.Get("le")] = m.Value
		}
	}
	want := map[string]float64{"_count": 6, "_sum": 0.25 + 0.251 + 9 + 10.001 + 172800, "_bucket+Inf": 6}
	for le, n := range map[string]float64{"0.25": 2, "0.5": 3, "1": 3, "2": 3, "3": 3, "5": 3, "7": 3, "10": 4, "20": 5, "25": 5, "60": 5, "300": 5, "3600": 5, "86400": 5} {
		want["_bucket"+le] = n
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A clock that is set back by an hour fires nothing twice and nothing early, and what is told meanwhile counts.
func TestClockGoesBack(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("a", "sct-inst", "received"), r.event("fired", "sct-inst", "received"))
	r.tick(30 * time.Second)
	late := total("sct-inst", "late", "bad", "bad", 2)
	r.put(r.event("b", "sct-inst", "received"))
	r.clock = r.clock.Add(-time.Hour)
	r.tick(0)
	r.put(r.event("c", "sct-inst", "received"))
	r.tick(4 * time.Second)
	r.put(r.event("c", "sct-inst", "settled"), r.event("fired", "sct-inst", "settled"))
	r.shows(late, total("sct-inst", "good", "good", "good", 1), gauge("late_confirmations_total", "sct-inst", 1), gauge("open", "sct-inst", 2), gauge("overdue", "sct-inst", 1))
	r.tick(time.Hour + 10*time.Second)
	r.shows(total("sct-inst", "late", "bad", "bad", 3), total("sct-inst", "good", "good", "good", 1), gauge("late_confirmations_total", "sct-inst", 1),
		gauge("open", "sct-inst", 2), gauge("overdue", "sct-inst", 2))
}

// Without a delay for who tells, a deadline fires the moment it is reached, unless the end was told by then.
func TestNoConfirmationDelay(t *testing.T) {
	r := newRig(t, func(rules *Rules) { rules.Config.ConfirmationDelay = 0 })
	r.put(r.event("a", "sct-inst", "received"), r.event("b", "sct-inst", "received"))
	r.tick(10*time.Second - time.Millisecond)
	r.shows(gauge("open", "sct-inst", 2))
	r.clock = r.clock.Add(time.Millisecond)
	r.put(r.event("a", "sct-inst", "settled"))
	r.tick(0)
	r.shows(total("sct-inst", "good", "good", "good", 1), total("sct-inst", "late", "bad", "bad", 1), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1))
}

// A rail or a state that a reload takes away is still followed to its end as far as it can be: deadlines fire, and
// once it is there again events go on.
func TestReloadTakesRailAway(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("stuck", "sct-inst", "received"), r.event("slow", "sct-inst", "received"), r.event("sent", "fps", "sent"))
	without := r.rules
	without.Rails = maps.Clone(r.rules.Rails)
	delete(without.Rails, "sct-inst")
	fps := *without.Rails["fps"]
	fps.States = slices.DeleteFunc(slices.Clone(fps.States), func(s rail.State) bool { return s.Name == "sent" })
	without.Rails["fps"] = &fps
	must(t, r.SetRules(without))
	if got := r.put(r.event("slow", "sct-inst", "settled"), r.event("x", "fps", "sent")); len(got.Rejected) != 2 {
		t.Errorf("told of what there is no longer: %+v", got)
	}
	r.put(r.event("sent", "fps", "settled"))
	r.tick(11 * time.Second)
	sent := total("fps", "good", "good", "good", 1)
	r.shows(sent, total("sct-inst", "late", "bad", "bad", 2), gauge("open", "sct-inst", 2), gauge("overdue", "sct-inst", 2))
	r.close()
	r.rules, without = without, r.rules
	r.open() // and started without them
	r.shows(sent, total("sct-inst", "late", "bad", "bad", 2), gauge("open", "sct-inst", 2), gauge("overdue", "sct-inst", 2))
	must(t, r.SetRules(without))
	r.put(r.event("slow", "sct-inst", "settled"))
	r.shows(sent, total("sct-inst", "late", "bad", "bad", 2), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1))
}

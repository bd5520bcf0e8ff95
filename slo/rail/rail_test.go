package rail_test

import (
	"slices"
	"testing"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
)

func builtin(t testing.TB) rail.Set {
	t.Helper()
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestBuiltin: what the tracker and the manual rely on holds for every rail that comes with this version.
func TestBuiltin(t *testing.T) {
	common := []string{"received", "accepted", "sent", "settled", "rejected", "returned", "cancelled", "in_doubt"}
	for _, r := range builtin(t).All() {
		for _, name := range common {
			if _, ok := r.State(name); !ok {
				t.Errorf("%s has no state %s", r.Name, name)
			}
		}
		if !slices.IsSortedFunc(r.States, func(a, b rail.State) int { return a.Rank - b.Rank }) {
			t.Errorf("%s: states out of order: %v", r.Name, r.States)
		}
		if len(r.Limits) == 0 || len(r.Proposals) < 2 || len(r.Signals) != 4 || r.Dashboard.Order == 0 || r.ValidFrom == (calendar.Date{}) {
			t.Errorf("%s: %d limits, %d objectives, %d signals, %+v, valid from %v", r.Name, len(r.Limits), len(r.Proposals), len(r.Signals), r.Dashboard, r.ValidFrom)
		}
		for _, l := range r.Limits {
			if l.Source == "" || l.AsOf.Year < 2014 {
				t.Errorf("%s: limit without a source or a date: %+v", r.Name, l)
			}
		}
	}
}

func TestSet(t *testing.T) {
	set := builtin(t)
	own, problems := rail.Parse("own.yaml", []byte(instant("name: card", "name: card")))
	if problems != nil || len(own) != 1 {
		t.Fatal(own, problems)
	}
	with := set.With(own)
	if got, _ := with.Get("card"); got.Title != "Ours" || len(with.Names()) != len(set.Names()) {
		t.Errorf("a rail of one's own does not replace that of the same name: %v in %v", got, with.Names())
	}
	if got, _ := set.Get("card"); got.Title != "Card authorisation" {
		t.Errorf("the set that was built upon has changed: %s", got.Title)
	}
	more, _ := rail.Parse("own.yaml", []byte(instant("name: card", "name: wallet")))
	if got, ok := set.With(more).Get("wallet"); !ok || got.File != "own.yaml" || got.Line != 3 {
		t.Errorf("a rail of one's own: %v, %v", got, ok)
	}
	if _, ok := set.Get("wallet"); ok {
		t.Error("found a rail that is not there")
	}
}

func TestRoleOf(t *testing.T) {
	set := builtin(t)
	card, _ := set.Get("card")
	sct, _ := set.Get("sct")
	if card.RoleOf("in") != "acquirer" || sct.RoleOf("in") != "creditor_agent" || sct.RoleOf("out") != "debtor_agent" || sct.RoleOf("") != "debtor_agent" {
		t.Errorf("card %s, sct %s and %s", card.RoleOf("in"), sct.RoleOf("in"), sct.RoleOf("out"))
	}
}

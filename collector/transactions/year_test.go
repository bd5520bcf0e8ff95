package transactions

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/duetable"
	"github.com/assayer-io/assayer/slo/metricname"
)

// yearPayment is one payment of a simulated year; times are Unix milliseconds.
type yearPayment struct {
	id, rail           string
	received, due, end int64 // end 0: it never settles
}

// late reports whether a payment is counted as late when its deadline passes.
func (p *yearPayment) late() bool { return p.end == 0 || p.end > p.due }

// year makes the payments of 2026: some at random moments, some around the days on which mistakes are made, one of
// each rail at a time. When each is due says a table that knows nothing of calendars, zones and rails.
func year(rng *rand.Rand) []*yearPayment {
	tables := duetable.CutOffs()
	var moments []int64
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 60 {
		moments = append(moments, begin.UnixMilli()+rng.Int64N(365*86_400_000))
	}
	for _, day := range []string{ // both changes of the clocks in America and in Europe, Easter, ends of months and of the year, bank holidays
		"2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-04-02", "2026-04-03", "2026-04-05", "2026-04-06", "2026-01-30", "2026-02-27", "2026-05-29",
		"2026-06-30", "2026-12-31", "2026-01-01", "2026-05-01", "2026-05-04", "2026-05-25", "2026-06-19", "2026-07-03", "2026-08-31", "2026-09-07", "2026-11-11", "2026-11-26", "2026-12-24", "2026-12-28",
	} {
		at, _ := time.Parse(time.DateOnly, day)
		for range 2 {
			moments = append(moments, at.UnixMilli()+rng.Int64N(86_400_000))
		}
	}
	for _, rail := range slices.Sorted(maps.Keys(tables)) { // at a cut-off, and a millisecond before and after
		for table, n := tables[rail], 0; n < 3; n++ {
			until := table[8+rng.IntN(240)].Until * 1000
			moments = append(moments, until-1, until, until+1)
		}
	}
	var all []*yearPayment
	for n, at := range moments {
		for rail, table := range tables {
			all = append(all, &yearPayment{id: fmt.Sprint(rail, n), rail: rail, received: at, due: duetable.Due(table, at)})
		}
		for rail, seconds := range duetable.Seconds() {
			all = append(all, &yearPayment{id: fmt.Sprint(rail, n), rail: rail, received: at, due: at + seconds*1000})
		}
	}
	slices.SortFunc(all, func(a, b *yearPayment) int { // maps have no order
		if a.id < b.id {
			return -1
		}
		return 1
	})
	for _, p := range all {
		switch rng.IntN(10) {
		case 0, 1: // never
		case 2:
			p.end = p.due
		case 3:
			p.end = p.due + 1
		case 4, 5:
			p.end = p.due + 1 + rng.Int64N(20*86_400_000)
		default:
			p.end = p.received + rng.Int64N(p.due-p.received)
		}
	}
	return all
}

// standing is how one rail stands.
type standing struct{ good, late, overdue, settled float64 }

func (r *rig) standings() map[string]standing {
	all := map[string]standing{}
	for _, m := range r.Metrics() {
		rail := m.Labels.Get(metricname.Rail)
		s := all[rail]
		switch {
		case m.Name == metricname.Transactions && m.Labels.Get(metricname.Class) == "late":
			s.late += m.Value
		case m.Name == metricname.Transactions:
			s.good += m.Value
		case m.Name == metricname.TransactionsOverdue:
			s.overdue += m.Value
		case m.Name == metricname.TransactionsSettlement+"_count":
			s.settled += m.Value
		}
		if s != (standing{}) {
			all[rail] = s
		}
	}
	return all
}

// TestAYear goes through 2026 by a clock that is set by hand, and looks at what is counted a millisecond before every
// deadline, at it, and at each moment at which anything else happens. The tracker is started anew every now and then.
func TestAYear(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 1))
	payments := year(rng)
	r := newRig(t, func(rules *Rules) { rules.Config.ConfirmationDelay, rules.Config.DuplicateWindow = 0, 0 })
	told := map[int64][]Event{}
	note := func(p *yearPayment, ms int64, state string) {
		told[ms] = append(told[ms], Event{ID: p.id, Rail: p.rail, State: state, At: time.UnixMilli(ms), Direction: "out"})
	}
	type change struct {
		rail string
		by   standing
	}
	changes := map[int64][]change{} // of what is counted
	moments := map[int64]bool{}
	late := 0
	for _, p := range payments {
		first := "received"
		if p.rail == "t1" { // a trade
			first = "executed"
		}
		note(p, p.received, first)
		moments[p.due-1], moments[p.due] = true, true
		if p.late() {
			late++
			changes[p.due] = append(changes[p.due], change{p.rail, standing{late: 1, overdue: 1}})
		}
		switch {
		case p.end == 0:
			continue
		case p.late():
			changes[p.end] = append(changes[p.end], change{p.rail, standing{overdue: -1, settled: 1}})
		default:
			changes[p.end] = append(changes[p.end], change{p.rail, standing{good: 1, settled: 1}})
		}
		note(p, p.end, "settled")
	}
	for ms := range told {
		moments[ms] = true
	}
	want := map[string]standing{}
	for n, ms := range slices.Sorted(maps.Keys(moments)) {
		r.clock = time.UnixMilli(ms)
		if n%150 == 149 {
			r.close()
			r.open()
		}
		if events := told[ms]; len(events) > 0 {
			if receipt := r.put(events...); receipt.Accepted != len(events) {
				t.Fatalf("at %v: %+v", r.clock.UTC(), receipt)
			}
		}
		must(t, r.write(nil, true))
		r.land()
		for _, c := range changes[ms] {
			s := want[c.rail]
			want[c.rail] = standing{s.good + c.by.good, s.late + c.by.late, s.overdue + c.by.overdue, s.settled + c.by.settled}
		}
		if len(changes[ms]) == 0 && n%20 > 0 && !moments[ms+1] {
			continue // nothing has happened that could show
		}
		if got := r.standings(); !maps.Equal(got, want) {
			t.Fatalf("at %v (%d ms): got %+v, want %+v, told %v", r.clock.UTC().Format(time.RFC3339Nano), ms, got, want, told[ms])
		}
	}
	if len(payments) < 1200 || late < 500 {
		t.Errorf("%d payments, %d of them late", len(payments), late)
	}
	t.Logf("%d payments, %d late, %d moments", len(payments), late, len(moments))
}

package transactions

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/reason"
)

// rig is a tracker whose clock stands still until it is moved.
type rig struct {
	*Tracker
	t     testing.TB
	dir   string
	clock time.Time
	rules Rules
	j     *journal.Journal
	shut  bool       // the disk takes what is written only when disk says so, or fails as it says
	disk  chan error // made by who shuts it
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) // a Friday

func newRig(t testing.TB, change func(*Rules)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), clock: noon, rules: builtinRules(t)}
	if change != nil {
		change(&r.rules)
	}
	r.open()
	t.Cleanup(func() { r.close() })
	return r
}

func builtinRules(t testing.TB) Rules {
	t.Helper()
	set, err := rail.Builtin()
	must(t, err)
	reasons, err := reason.Builtin()
	must(t, err)
	rules := Rules{Rails: map[string]*rail.Rail{}, Calendars: map[string]*calendar.Business{}, Reasons: reasons, Config: Default()}
	for i := range set.All() {
		one := &set.All()[i]
		rules.Rails[one.Name] = one
		for _, name := range []string{one.Calendar, one.Deadline.Settles} {
			if name != "" && rules.Calendars[name] == nil {
				rules.Calendars[name], _, err = calendar.Builtin(name, 2020, 2035)
				must(t, err)
			}
		}
	}
	return rules
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	r.j, err = journal.Open(r.dir, journal.Options{MaxRecords: r.rules.Config.MaxRecords, Log: slog.New(slog.DiscardHandler), BeforeSync: func() error {
		if !r.shut {
			return nil
		}
		return <-r.disk
	}})
	must(r.t, err)
	r.Tracker, err = New(Deps{Journal: r.j, Rules: r.rules, Now: func() time.Time { return r.clock }, Log: slog.New(slog.DiscardHandler)})
	must(r.t, err)
}

func (r *rig) close() {
	r.t.Helper()
	must(r.t, r.j.Close())
}

// put hands events over as a source does, and waits for them to be on disk.
func (r *rig) put(events ...Event) Receipt {
	r.t.Helper()
	receipt, err := r.try(Batch{Events: events})
	must(r.t, err)
	return receipt
}

func (r *rig) try(b Batch) (Receipt, error) {
	type answer struct {
		receipt Receipt
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		receipt, err := r.Put(r.t.Context(), b)
		done <- answer{receipt, err}
	}()
	select {
	case first := <-r.queue:
		_ = r.write(first, false)
		r.land()
	case a := <-done: // refused without being queued
		return a.receipt, a.err
	}
	a := <-done
	return a.receipt, a.err
}

// tick moves the clock on and fires what is due by then.
func (r *rig) tick(d time.Duration) {
	r.t.Helper()
	r.clock = r.clock.Add(d)
	for range 100 {
		if next, any := r.j.NextTimer(); !any || next > r.clock.UnixMilli() {
			return
		}
		must(r.t, r.write(nil, true))
		r.land()
	}
	r.t.Fatal("deadlines fire without end")
}

// event is a payment of 12.34 EUR that goes out, at the clock's time.
func (r *rig) event(id, railName, state string) Event {
	return Event{ID: id, Rail: railName, State: state, At: r.clock, Amount: "12.34", Currency: "EUR", Direction: "out", Counterparty: "DEUTDEFF"}
}

// shows compares the series whose names begin with assayer_transactions_total or one of more, those that
// are not 0, with lines such as `open{rail="sct"} 1`, in any order.
func (r *rig) shows(want ...string) {
	r.t.Helper()
	var got []string
	for _, m := range r.Metrics() {
		name := strings.TrimPrefix(strings.TrimPrefix(m.Name, "assayer_"), "transactions_")
		if m.Value == 0 || !interesting(name) {
			continue
		}
		got = append(got, fmt.Sprintf("%s%s %v", name, strings.ReplaceAll(m.Labels.String(), ", ", ","), m.Value))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("at %s:\ngot  %s\nwant %s", r.clock.Format(time.RFC3339), strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func interesting(name string) bool {
	return slices.Contains([]string{"total", "open", "overdue", "in_doubt", "returns_total", "conflicts_total", "late_confirmations_total", "abandoned_total",
		"duplicate_suspects_total", "reconciliation_items_total", "reconciliation_breaks", "unvalued_total"}, name)
}

// total is the line of one counter of movements that went out.
func total(railName, class, own, end string, n int) string {
	return fmt.Sprintf(`total{class=%q,direction="out",end_to_end=%q,outcome=%q,rail=%q} %d`, class, end, own, railName, n)
}

func gauge(name, railName string, n int) string {
	return fmt.Sprintf("%s{rail=%q} %d", name, railName, n)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

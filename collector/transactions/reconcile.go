package transactions

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/reason"
)

// Reconciliation holds what we say has settled against what the other side says: each movement by itself,
// and counts and sums for each rail and business day.

func notReconciled(rs *railState) error {
	return &unusable{fmt.Sprintf("external: rail %s is not reconciled; collectors.transactions.reconcile.%s sets how soon the other side tells of a settlement", rs.Name, rs.Name)}
}

// matched takes in what the other side tells of a movement that is known.
func (w *writer) matched(e *told, r *journal.Record) error {
	switch {
	case e.rail.within == 0:
		return notReconciled(e.rail)
	case r.Flags&flagClosed == 0 && w.full(): // there may be no room for the claim
		return journal.ErrFull
	}
	same := w.sameAmount(e, r)
	if err := w.tell(e, r, true); err != nil {
		return err
	}
	w.outsideKnown(e, r, same)
	claimMs := w.nowMs + e.rail.within.Milliseconds()
	if e.again != nil {
		claimMs = e.again.claimMs
	}
	if err := w.claim(e.rail, r, claimMs); err != nil {
		return err
	}
	return w.know(e, r)
}

func (w *writer) claimRef(r *journal.Record) journal.Ref {
	return w.hash.ref(kindClaim, "", string(r.Refs[0][:]))
}

// claim makes an open movement, of which the other side says that it has settled, a break unless it has ended by
// then. A movement has one timer, which is its deadline's, so the claim is a record of its own.
func (w *writer) claim(rs *railState, r *journal.Record, atMs int64) error {
	if rs.within == 0 || r.Flags&(flagClosed|flagEarly|flagBreak) != 0 {
		return nil
	}
	ref := w.claimRef(r)
	if _, there, err := w.look(ref); there || err != nil {
		return err
	}
	return w.insert(&journal.Record{Refs: [3]journal.Ref{ref}, Parent: r.Refs[0], Lane: r.Lane, Flags: flagClaim | flagClosed, Amount: r.Amount, TimerMs: atMs})
}

// unclaim forgets the claim on a movement, if there is one, and gives when it becomes a break; 0: it is one.
func (w *writer) unclaim(r *journal.Record) (atMs int64, err error) {
	slot, found, err := w.look(w.claimRef(r))
	if !found || err != nil {
		return 0, err
	}
	c, err := w.tx.Read(slot)
	if err != nil {
		return 0, err
	}
	if c.Flags&flagBreak == 0 {
		atMs = c.TimerMs
	}
	return atMs, w.remove(slot, &c)
}

// contest counts a break for a claim whose movement is still open, and shows it for as long as it is.
func (w *writer) contest(rs *railState, slot journal.Slot, c *journal.Record) error {
	s, found, err := w.look(c.Parent)
	if err != nil {
		return err
	}
	var r journal.Record
	if found {
		if r, err = w.tx.Read(s); err != nil {
			return err
		}
	}
	if !found || rs.within == 0 || r.Flags&(flagClosed|flagEarly|flagBreak) != 0 {
		return w.remove(slot, c)
	}
	was, before := r, *c
	w.item(rs, &r, Bad)
	if err := w.update(s, &was, &r); err != nil {
		return err
	}
	c.Flags |= flagBreak
	c.Lane, c.Amount = r.Lane, r.Amount
	c.TimerMs = w.nowMs + w.rules.Config.ClosedRetention.Milliseconds()
	return w.update(slot, &before, c)
}

// outside begins with what only the other side tells.
func (w *writer) outside(e *told, r *journal.Record) { w.outsideKnown(e, r, true) }

// outsideKnown takes in what the other side tells of a movement; same says that it told no other amount than ours.
func (w *writer) outsideKnown(e *told, r *journal.Record, same bool) {
	rs := e.rail
	if e.again == nil {
		w.cycles.add(rs.Name, rs.day(e.atMs), false, e.currency, e.amount.Int())
	}
	r.Flags |= flagMatched
	if class := classes()[r.Class]; r.Flags&flagClosed != 0 && class != "" && class != reason.Good {
		same = false // by us it has failed
	}
	switch {
	case !same && r.Flags&flagBreak == 0:
		w.item(rs, r, Bad)
		w.keepClosed(r)
		r.Flags = r.Flags&^flagAwaiting | flagBreak
	case r.Flags&flagAwaiting != 0:
		w.item(rs, r, Good)
		w.keepClosed(r)
		r.Flags &^= flagAwaiting
	case same:
		r.Flags &^= flagBreak // it was late, and is there now
	}
}

// sameAmount reports whether e tells no other amount than is known.
func (w *writer) sameAmount(e *told, r *journal.Record) bool {
	return e.currency == "" || r.Amount.IsZero() || r.Amount == e.amount && w.dict.lanes[r.Lane].Currency == e.currency
}

// keepClosed keeps what has ended until nothing that was told of it can begin it again.
func (w *writer) keepClosed(r *journal.Record) {
	if r.Flags&flagClosed != 0 {
		r.TimerMs = max(w.nowMs, r.ChangedMs, r.ReceivedMs) + w.rules.Config.ClosedRetention.Milliseconds()
	}
}

// expect waits for the other side to tell of a settlement, unless it has.
func (w *writer) expect(rs *railState, r *journal.Record) {
	w.cycles.add(rs.Name, rs.day(r.ChangedMs), true, w.dict.lanes[r.Lane].Currency, r.Amount.Int())
	switch {
	case r.Flags&flagBreak != 0: // counted
	case r.Flags&flagMatched != 0:
		w.item(rs, r, Good)
	default:
		r.Flags |= flagAwaiting
		r.TimerMs = w.nowMs + rs.within.Milliseconds()
	}
}

// breaks counts a movement that only one side has told of.
func (w *writer) breaks(rs *railState, r *journal.Record) {
	w.item(rs, r, Bad)
	r.Flags = r.Flags&^flagAwaiting | flagBreak
	r.TimerMs = w.nowMs + w.rules.Config.ClosedRetention.Milliseconds()
}

// item counts a movement once, as good or bad.
func (w *writer) item(rs *railState, r *journal.Record, o Outcome) {
	if r.Flags&flagItem == 0 {
		r.Flags |= flagItem
		w.totals.add(counterKey{Family: metricname.ReconciliationItems, Rail: rs.Name, Outcome: o}, w.nowMs)
	}
}

// day is the business day that a moment belongs to.
func (r *railState) day(ms int64) calendar.Date {
	if r.calendar == nil {
		y, m, d := time.UnixMilli(ms).UTC().Date()
		return calendar.Date{Year: y, Month: m, Day: d}
	}
	d, _ := r.calendar.Day(time.UnixMilli(ms))
	return d
}

func dayNumber(d calendar.Date) int64 {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / 86_400
}

// maxCycles is how many business days of a rail are kept.
const maxCycles = 32

// Side is what one side says has settled in a cycle.
type Side struct {
	Count  int64             `json:"count"`
	Values map[string]string `json:"values,omitempty"` // by currency: minor units
}

// Cycle is one business day of one rail: what we say has settled, and what the other side says.
type Cycle struct {
	Day  string `json:"day"`
	Ours Side   `json:"ours"`
	Told Side   `json:"told"`
}

// cycles are those of all rails. What is staged by the group that is being made, and flying with the one before, counts
// once it is on disk.
type cycles struct {
	of             map[string]Cycle // by rail/day
	staged, flying map[string]Cycle
}

const cyclesKey = "cycle/"

func newCycles(j *journal.Journal) (*cycles, error) {
	c := &cycles{of: map[string]Cycle{}, staged: map[string]Cycle{}, flying: map[string]Cycle{}}
	err := j.ScanMeta(cyclesKey, func(key string, value []byte) error {
		var one Cycle
		if err := json.Unmarshal(value, &one); err != nil {
			return fmt.Errorf("reading %s: %w", key, err)
		}
		c.of[key[len(cyclesKey):]] = one
		return nil
	})
	return c, err
}

func (c *cycles) add(rail string, day calendar.Date, ours bool, currency string, amount *big.Int) {
	key := rail + "/" + day.String()
	one, staged := c.staged[key]
	if !staged {
		var flying bool
		if one, flying = c.flying[key]; !flying {
			one = c.of[key]
		}
		one.Day = day.String()
		one.Ours.Values, one.Told.Values = maps.Clone(one.Ours.Values), maps.Clone(one.Told.Values)
	}
	side := &one.Told
	if ours {
		side = &one.Ours
	}
	side.Count++
	if currency != "" {
		if side.Values == nil {
			side.Values = map[string]string{}
		}
		total, _ := new(big.Int).SetString(side.Values[currency], 10)
		if total == nil {
			total = new(big.Int)
		}
		side.Values[currency] = total.Add(total, amount).String()
	}
	c.staged[key] = one
}

func (c *cycles) save(tx *journal.Tx) error {
	for key, one := range c.staged {
		data, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("writing %s: %w", key, err)
		}
		tx.SetMeta(cyclesKey+key, data)
	}
	for _, key := range c.tooOld(c.staged) {
		tx.SetMeta(cyclesKey+key, nil)
	}
	return nil
}

// launch begins the next group. None is flying.
func (c *cycles) launch() { c.staged, c.flying = c.flying, c.staged }

// drop forgets what was staged.
func (c *cycles) drop() { clear(c.staged) }

// land makes what is flying count.
func (c *cycles) land() {
	old := c.tooOld(c.flying)
	maps.Copy(c.of, c.flying)
	for _, key := range old {
		delete(c.of, key)
	}
	clear(c.flying)
}

// tooOld lists what is more than the latest days of each rail that a group has anything for.
func (c *cycles) tooOld(group map[string]Cycle) (keys []string) {
	rails := map[string]bool{}
	for key := range group {
		rail, _, _ := strings.Cut(key, "/")
		rails[rail] = true
	}
	for rail := range rails {
		for days := c.days(rail, group); len(days) > maxCycles; days = days[1:] {
			keys = append(keys, rail+"/"+days[0])
		}
	}
	return keys
}

// days lists those of a rail, those of a group included, the oldest first.
func (c *cycles) days(rail string, group map[string]Cycle) []string {
	var days []string
	for _, of := range []map[string]Cycle{c.of, group} {
		for key := range of {
			if r, day, _ := strings.Cut(key, "/"); r == rail {
				days = append(days, day)
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// maxSuspects bounds how many movements are remembered to find one that is paid twice.
const maxSuspects = 1 << 20

// suspects finds movements of the same amount between the same parties that follow each other closely. They
// are in memory only: a restart forgets the last minutes.
type suspects struct {
	at    map[journal.Ref]int64
	queue []suspect
	fresh []suspectBefore // of the transaction that is being made
}

// suspectBefore is what was known before a movement was remembered.
type suspectBefore struct {
	suspect
	known bool
}

// settle keeps what the transaction remembered, or forgets it: the same events come again.
func (s *suspects) settle(ok bool) {
	for i := len(s.fresh) - 1; i >= 0 && !ok; i-- {
		if before := s.fresh[i]; before.known {
			s.at[before.of] = before.atMs
		} else {
			delete(s.at, before.of)
		}
		s.queue = s.queue[:max(0, len(s.queue)-1)]
	}
	s.fresh = s.fresh[:0]
}

type suspect struct {
	of   journal.Ref
	atMs int64
}

// suspect counts a movement that looks like one just before it.
func (w *writer) suspect(e *told) {
	window := w.rules.Config.DuplicateWindow.Milliseconds()
	if window == 0 {
		return
	}
	s := &w.suspects
	for len(s.queue) > 0 && (e.atMs-s.queue[0].atMs > window || len(s.queue) >= maxSuspects) {
		if first := s.queue[0]; s.at[first.of] == first.atMs {
			delete(s.at, first.of)
		}
		s.queue = s.queue[1:]
	}
	at, again := s.at[e.parties]
	s.fresh = append(s.fresh, suspectBefore{suspect{e.parties, at}, again})
	if again && e.atMs-at <= window && at-e.atMs <= window {
		w.totals.add(counterKey{Family: metricname.TransactionsDuplicates, Rail: e.rail.Name}, w.nowMs)
	}
	s.at[e.parties] = e.atMs
	s.queue = append(s.queue, suspect{e.parties, e.atMs})
}

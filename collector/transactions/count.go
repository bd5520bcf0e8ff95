package transactions

import (
	"maps"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/reason"
)

// familySettlementMs holds the sum of settlement times in milliseconds, since counters are whole numbers.
const familySettlementMs = metricname.TransactionsSettlement + "_sum"

const familySettlementBucket = metricname.TransactionsSettlement + "_bucket"

// count counts one movement, by number, by value and by value up to the rail's cap.
func (w *writer) count(rs *railState, r *journal.Record, class reason.Class, own, end Outcome) {
	l := w.dict.lanes[r.Lane]
	c := w.totals.counted(r.Lane, class, own, end)
	if c.number == nil {
		c.number = w.totals.counter(counterKey{Family: metricname.Transactions, Rail: rs.Name, Direction: l.Direction, Class: class, Outcome: own, EndToEnd: end}, w.nowMs)
	}
	w.totals.stage(c.number, sum{lo: 1})
	w.observe(rs.Name, r.Peer, class)
	switch {
	case r.Amount.IsZero():
	case r.Value == unvalued:
		w.totals.add(counterKey{Family: metricname.TransactionsUnvalued, Rail: rs.Name, Currency: l.Currency}, w.nowMs)
	default:
		value := sum{lo: uint64(r.Value)}
		currency := w.rules.Reporting
		if currency == "" || currency == l.Currency {
			// As it was told: ten ether are more wei than a record's value holds.
			currency, value = l.Currency, sum{hi: r.Amount.Hi, lo: r.Amount.Lo}
		}
		if c.value == nil {
			k := counterKey{Family: metricname.TransactionsValue, Rail: rs.Name, Direction: l.Direction, Class: class, Outcome: own, EndToEnd: end, Currency: currency}
			c.value = w.totals.counter(k, w.nowMs)
			k.Family = metricname.TransactionsCapped
			c.capped = w.totals.counter(k, w.nowMs)
		}
		w.totals.stage(c.value, value)
		if limit := uint64(rs.capped); limit > 0 && (value.hi > 0 || value.lo > limit) {
			value = sum{lo: limit}
		}
		w.totals.stage(c.capped, value)
	}
}

// countReturn counts a settled movement that was sent back. That it had settled stays as it was counted. Whose
// fault it is, is asked of the movement that comes back, which went the other way.
func (w *writer) countReturn(e *told, r *journal.Record) error {
	class, own, end := reason.Ambiguous, reason.No, reason.No
	if e.key.Code != "" {
		original := *e
		var err error
		if original.direction, err = w.directionBefore(e, r); err != nil {
			return err
		}
		v := w.failure(&original)
		class, own, end = v.Class, v.Own, v.EndToEnd
	}
	w.totals.add(counterKey{Family: metricname.TransactionsReturns, Rail: e.rail.Name, Direction: w.dict.lanes[r.Lane].Direction, Class: class,
		Outcome: outcomeOf(class, own), EndToEnd: outcomeOf(class, end)}, w.nowMs)
	return nil
}

// directionBefore is which way the movement went that e brings back.
func (w *writer) directionBefore(e *told, r *journal.Record) (string, error) {
	if r.Parent == (journal.Ref{}) { // e tells it of the movement itself
		return w.dict.lanes[r.Lane].Direction, nil
	}
	slot, found, err := w.look(r.Parent)
	if err != nil {
		return "", err
	}
	if found {
		before, err := w.tx.Read(slot)
		return w.dict.lanes[before.Lane].Direction, err
	}
	switch e.direction {
	case "in":
		return "out", nil
	case "out":
		return "in", nil
	}
	return "", nil
}

// maxUnmapped bounds how many codes that no pack knows are remembered, and unmappedFor for how long.
const (
	maxUnmapped = 1000
	unmappedFor = 24 * 3600 * 1000
)

// unmapped remembers codes that no pack knows.
type unmapped struct{ of map[reason.Key]*UnmappedCode }

// UnmappedCode is a code that no pack knows, and how often it came within a day.
type UnmappedCode struct {
	Key    reason.Key `json:"reason"`
	Count  int        `json:"count"`
	LastMs int64      `json:"last_ms"` // Unix milliseconds
}

func (u *unmapped) saw(k reason.Key, nowMs int64) {
	c := u.of[k]
	if c == nil {
		if len(u.of) >= maxUnmapped {
			u.forget(nowMs)
		}
		if len(u.of) >= maxUnmapped {
			return
		}
		c = &UnmappedCode{Key: k}
		u.of[k] = c
	}
	c.Count++
	c.LastMs = nowMs
}

func (u *unmapped) forget(nowMs int64) {
	maps.DeleteFunc(u.of, func(_ reason.Key, c *UnmappedCode) bool { return nowMs-c.LastMs > unmappedFor })
}

// list gives those of the last day, the most frequent first.
func (u *unmapped) list(nowMs int64) []UnmappedCode {
	u.forget(nowMs)
	var all []UnmappedCode
	for _, c := range u.of {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b UnmappedCode) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return compareKeys(a.Key, b.Key)
	})
	return all
}

func compareKeys(a, b reason.Key) int {
	return slices.Compare([]string{a.Scheme, a.List, a.Code}, []string{b.Scheme, b.List, b.Code})
}

// groupOf names what shares of business declines are watched by: a rail and a counterparty.
func groupOf(rail, peer string) string { return rail + "/" + peer }

func railOfGroup(group string) string {
	rail, _, _ := strings.Cut(group, "/")
	return rail
}

package transactions

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/reason"
)

// Late is the class of what had not settled when its deadline passed.
const Late reason.Class = "late"

// Outcome is what a movement is to a budget.
type Outcome string

// The outcomes: what is excluded is in neither part of a ratio.
const (
	Good     Outcome = "good"
	Bad      Outcome = "bad"
	Excluded Outcome = "excluded"
)

// outcomeOf is what a class that burns so is counted as.
func outcomeOf(class reason.Class, b reason.Burn) Outcome {
	switch {
	case class == reason.Good:
		return Good
	case b == reason.Yes:
		return Bad
	}
	return Excluded
}

// counterKey names one counter. Family says what it counts; not every family uses every field.
type counterKey struct {
	Family    string       `json:"family"`
	Rail      string       `json:"rail"`
	Direction string       `json:"direction,omitempty"`
	Class     reason.Class `json:"class,omitempty"`
	Outcome   Outcome      `json:"outcome,omitempty"`
	EndToEnd  Outcome      `json:"end_to_end,omitempty"`
	Currency  string       `json:"currency,omitempty"`
	Le        string       `json:"le,omitempty"`
}

// sum is 128 bits of a counter's value: it cannot overflow in the time that is left to any of us.
type sum struct{ hi, lo uint64 }

func (s *sum) add(n sum) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, n.lo, 0)
	s.hi += n.hi + carry
}

func (s sum) float() float64 { return math.Ldexp(float64(s.hi), 64) + float64(s.lo) }

// counter is one value that only grows, kept with the movements it counts.
type counter struct {
	number  uint32
	fromMs  int64 // when it was first counted
	value   sum
	staged  sum    // counted in the group that is being made
	touched bool   // staged is in totals.touched
	name    string // in the journal; empty until it is first written
}

// totals are the tracker's counters. What is staged counts once the group is on disk.
type totals struct {
	keys    []counterKey // by number
	lasting int          // so many of them are on disk
	of      map[counterKey]*counter
	touched []*counter
	fresh   []counterKey // of this group
	found   [][]counted  // by lane: counters that are wanted again and again
	times   map[string]*timeCounters
	buf     []byte // scratch
}

// counted are the counters of movements of one lane that ended in one way; nil until there is something to count.
type counted struct {
	class                 reason.Class
	own, end              Outcome
	number, value, capped *counter
}

// timeCounters are those of a rail's settlement times.
type timeCounters struct {
	ms      *counter
	buckets []*counter // by bound, the last without
}

const totalsKey = "total/"

// counterBytes is a counter's encoding: value, when it began, then its key as JSON.
const counterBytes = 24

func newTotals(j *journal.Journal) (*totals, error) {
	t := &totals{of: map[counterKey]*counter{}, times: map[string]*timeCounters{}}
	err := j.ScanMeta(totalsKey, func(key string, value []byte) error {
		var k counterKey
		if len(value) < counterBytes {
			return fmt.Errorf("reading counter %q: it is %d bytes long", key, len(value))
		}
		if err := json.Unmarshal(value[counterBytes:], &k); err != nil {
			return fmt.Errorf("reading counter %q: %w", key, err)
		}
		c := &counter{number: uint32(len(t.keys)), value: sum{binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])},
			fromMs: int64(binary.BigEndian.Uint64(value[16:]))}
		t.keys = append(t.keys, k)
		t.of[k] = c
		return nil
	})
	t.lasting = len(t.keys)
	return t, err
}

// add counts one.
func (t *totals) add(k counterKey, nowMs int64) { t.stage(t.counter(k, nowMs), sum{lo: 1}) }

// counter finds a counter or begins it.
func (t *totals) counter(k counterKey, nowMs int64) *counter {
	c := t.of[k]
	if c == nil {
		c = &counter{number: uint32(len(t.keys)), fromMs: nowMs}
		t.of[k] = c
		t.keys = append(t.keys, k)
		t.fresh = append(t.fresh, k)
	}
	return c
}

// counted finds the counters of one way that movements of a lane end, without making up names to look for. It is
// valid until the next call.
func (t *totals) counted(lane uint16, class reason.Class, own, end Outcome) *counted {
	for int(lane) >= len(t.found) {
		t.found = append(t.found, nil)
	}
	of := t.found[lane]
	for i := range of {
		if c := &of[i]; c.class == class && c.own == own && c.end == end {
			return c
		}
	}
	t.found[lane] = append(of, counted{class: class, own: own, end: end})
	return &t.found[lane][len(of)]
}

// settlements finds the counters of a rail's settlement times, which has so many bounds.
func (t *totals) settlements(rail string, bounds int) *timeCounters {
	c := t.times[rail]
	if c == nil {
		c = &timeCounters{buckets: make([]*counter, bounds+1)}
		t.times[rail] = c
	}
	return c
}

// forget drops what was found quickly: names have changed, or counters gone.
func (t *totals) forget() {
	clear(t.found)
	clear(t.times)
}

func (t *totals) stage(c *counter, n sum) {
	if !c.touched {
		c.touched = true
		t.touched = append(t.touched, c)
	}
	c.staged.add(n)
}

// addition is what a group adds to a counter.
type addition struct {
	to     *counter
	amount sum
}

// save writes what was staged, the group before having landed.
func (t *totals) save(tx *journal.Tx) error {
	for _, c := range t.touched {
		next := c.value
		next.add(c.staged)
		if c.name == "" {
			name, err := json.Marshal(t.keys[c.number])
			if err != nil {
				return fmt.Errorf("writing a counter: %w", err)
			}
			c.name = totalsKey + string(name)
		}
		t.buf = binary.BigEndian.AppendUint64(t.buf[:0], next.hi)
		t.buf = binary.BigEndian.AppendUint64(t.buf, next.lo)
		t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(c.fromMs))
		t.buf = append(t.buf, c.name[len(totalsKey):]...)
		tx.SetMeta(c.name, t.buf)
	}
	return nil
}

// launch appends to group what was staged, for land.
func (t *totals) launch(group []addition) []addition {
	for _, c := range t.touched {
		group = append(group, addition{c, c.staged})
		c.staged, c.touched = sum{}, false
	}
	t.touched, t.fresh = t.touched[:0], t.fresh[:0]
	return group
}

// land makes what a group added count.
func (t *totals) land(group []addition) {
	for _, a := range group {
		a.to.value.add(a.amount)
		t.lasting = max(t.lasting, int(a.to.number)+1)
	}
}

// drop forgets what was staged.
func (t *totals) drop() {
	for _, c := range t.touched {
		c.staged, c.touched = sum{}, false
	}
	t.keys = t.keys[:len(t.keys)-len(t.fresh)]
	for _, k := range t.fresh {
		delete(t.of, k)
	}
	t.touched, t.fresh = t.touched[:0], t.fresh[:0]
	t.forget()
}

// has reports whether a counter is on disk.
func (t *totals) has(k counterKey) bool {
	c := t.of[k]
	return c != nil && int(c.number) < t.lasting
}

// each calls fn for every counter on disk, by family, then in a fixed order.
func (t *totals) each(fn func(k counterKey, c *counter)) {
	keys := slices.Clone(t.keys[:t.lasting])
	sort.Slice(keys, func(i, j int) bool { return less(keys[i], keys[j]) })
	for _, k := range keys {
		fn(k, t.of[k])
	}
}

func less(a, b counterKey) bool {
	for _, pair := range [][2]string{{a.Family, b.Family}, {a.Rail, b.Rail}, {a.Direction, b.Direction}, {string(a.Class), string(b.Class)},
		{string(a.Outcome), string(b.Outcome)}, {string(a.EndToEnd), string(b.EndToEnd)}, {a.Currency, b.Currency}} {
		if pair[0] != pair[1] {
			return pair[0] < pair[1]
		}
	}
	return a.Le < b.Le
}

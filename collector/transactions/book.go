package transactions

import (
	"math/big"
	"math/bits"
	"slices"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/money"
)

// book is what is open, by lane: derived from the records, kept in memory and made anew at each start.
type book struct {
	lanes map[uint16]*openLane
	done  map[string]*throughput // by rail
}

// openLane is what is open of one lane. Movements are known by the second they came in and by the business day
// that they belong to.
type openLane struct {
	open, overdue, inDoubt, breaks pile
	received, due                  map[int64]*pile // by Unix second and by day since 1970; due holds only what is not overdue
}

// pile is so many movements of so much altogether.
type pile struct {
	count int64
	sum   wide // minor units of the lane's currency
}

// add counts an amount in (n = 1) or out (n = -1). A pile of more that is out than in is as far below zero, where sums begin
// again from above: merged with what they are taken from they are right.
func (p *pile) add(n int64, amount money.Minor) {
	p.count += n
	if n > 0 {
		p.sum.add(wide{amount.Lo, amount.Hi, 0})
	} else {
		p.sum.sub(wide{amount.Lo, amount.Hi, 0})
	}
}

func (p *pile) merge(q *pile) {
	p.count += q.count
	p.sum.add(q.sum)
}

// wide is a sum of amounts in 192 bits, the lowest first: of 128 bits each, more than there will ever be.
type wide [3]uint64

func (w *wide) add(v wide) {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], v[i], carry)
	}
}

func (w *wide) sub(v wide) {
	var borrow uint64
	for i := range w {
		w[i], borrow = bits.Sub64(w[i], v[i], borrow)
	}
}

// int is w as a number of any size.
func (w *wide) int() *big.Int {
	i := new(big.Int)
	for k := len(w) - 1; k >= 0; k-- {
		i.Or(i.Lsh(i, 64), new(big.Int).SetUint64(w[k]))
	}
	return i
}

// stake is where in the book a movement is.
type stake struct {
	lane, flags uint16
	day         int32
	second      int64 // Unix seconds of its receipt
	due         bool  // it has a deadline
}

func stakeOf(r *journal.Record) stake {
	return stake{lane: r.Lane, flags: r.Flags & (flagBreak | flagClosed | flagOutside | flagEarly | flagInDoubt | flagOverdue), day: r.Day,
		second: floorDiv(r.ReceivedMs, 1000), due: r.DeadlineMs > 0}
}

// move is movements that come to a place in the book, less those that leave it.
type move struct {
	stake
	pile
}

// move notes that a movement comes (n = 1) or leaves (n = -1). Those that follow each other are often at the same place.
func (w *writer) move(s stake, n int64, amount money.Minor) {
	last := len(w.moves) - 1
	for i := last; i >= 0 && i >= last-1; i-- {
		if w.moves[i].stake == s {
			w.moves[i].add(n, amount)
			return
		}
	}
	w.moves = append(w.moves, move{stake: s})
	w.moves[last+1].add(n, amount)
}

func newBook() *book { return &book{lanes: map[uint16]*openLane{}, done: map[string]*throughput{}} }

// put makes a move.
func (b *book) put(m *move) {
	l := b.lanes[m.lane]
	if l == nil {
		l = &openLane{received: map[int64]*pile{}, due: map[int64]*pile{}}
		b.lanes[m.lane] = l
	}
	if m.flags&flagBreak != 0 {
		l.breaks.merge(&m.pile)
	}
	if m.flags&(flagClosed|flagOutside|flagEarly) != 0 {
		return
	}
	l.open.merge(&m.pile)
	if m.flags&flagInDoubt != 0 {
		l.inDoubt.merge(&m.pile)
	}
	in(l.received, m.second, &m.pile)
	if m.flags&flagOverdue != 0 {
		l.overdue.merge(&m.pile)
	} else if m.due {
		in(l.due, int64(m.day), &m.pile)
	}
}

func in(piles map[int64]*pile, key int64, more *pile) {
	p := piles[key]
	if p == nil {
		p = &pile{}
		piles[key] = p
	}
	if p.merge(more); *p == (pile{}) {
		delete(piles, key)
	}
}

// ageBand is a range of ages of open movements.
type ageBand struct {
	name  string
	below time.Duration // 0: no end
}

// ageBands are wide enough for a card and for a securities settlement.
func ageBands() []ageBand {
	return []ageBand{{"0s-10s", 10 * time.Second}, {"10s-1m", time.Minute}, {"1m-10m", 10 * time.Minute}, {"10m-1h", time.Hour}, {"1h-4h", 4 * time.Hour},
		{"4h-1d", 24 * time.Hour}, {"1d-2d", 48 * time.Hour}, {"2d-5d", 120 * time.Hour}, {"5d+", 0}}
}

// ages sorts what is open into bands, and gives the oldest's age.
func (l *openLane) ages(now time.Time) (bands []pile, oldest time.Duration) {
	all := ageBands()
	bands = make([]pile, len(all))
	for second, p := range l.received {
		age := max(0, now.Sub(time.Unix(second, 0)))
		oldest = max(oldest, age)
		i := slices.IndexFunc(all, func(b ageBand) bool { return b.below == 0 || age < b.below })
		bands[i].merge(p)
	}
	return bands, oldest
}

// dueBy is what belongs to a business day or an earlier one, and is not overdue yet.
func (l *openLane) dueBy(day int64) (total pile) {
	for its, p := range l.due {
		if its <= day {
			total.merge(p)
		}
	}
	return total
}

// throughput is how many movements of a rail settled lately, in a ring of slots of time.
type throughput struct {
	slots [60]int64
	slot  int64 // number of the latest
}

const throughputSlot = 10 * time.Second

func (p *throughput) advance(nowMs int64) {
	slot := nowMs / throughputSlot.Milliseconds()
	if slot-p.slot >= int64(len(p.slots)) {
		clear(p.slots[:])
		p.slot = slot
	}
	for p.slot < slot {
		p.slot++
		p.slots[p.slot%int64(len(p.slots))] = 0
	}
}

func (p *throughput) add(n, nowMs int64) {
	p.advance(nowMs)
	p.slots[p.slot%int64(len(p.slots))] += n
}

// perSecond is the mean over the last ten minutes.
func (p *throughput) perSecond(nowMs int64) float64 {
	if p == nil {
		return 0
	}
	p.advance(nowMs)
	total := int64(0)
	for _, n := range p.slots {
		total += n
	}
	return float64(total) / (float64(len(p.slots)) * throughputSlot.Seconds())
}

// finish notes that n movements of a rail have settled.
func (b *book) finish(rail string, n, nowMs int64) {
	p := b.done[rail]
	if p == nil {
		p = &throughput{}
		b.done[rail] = p
	}
	p.add(n, nowMs)
}

package journal

import (
	"container/heap"
	"encoding/binary"
)

// slotTable keeps, in memory and for every slot there has been, 4 bytes: the place of its timer, or for a free
// slot the next free one. Timers are a heap of 10-byte entries, earliest first, four children to each, and some queues of
// such entries: 14 bytes a record in all, whatever the times are, with nothing left behind in the heap by a timer that was
// moved, and in the queues less than as much again.
type slotTable struct {
	links  vector // by slot: place in timers + 1, or in a queue, 0 for none; of a free slot, the next free one
	timers vector // a heap: 6 bytes Unix milliseconds, 4 bytes slot
	count  int    // of timers in the heap
	queues [queueCount]queue

	high Slot // the last slot that was ever used
	free Slot // first of the free ones, 0 for none
}

func newSlotTable() slotTable {
	return slotTable{links: vector{width: 4}, timers: vector{width: timerLen}}
}

// vector is a long array in pieces, so that it grows without being copied.
type vector struct {
	width  int
	pieces [][]byte
}

const (
	pieceBits = 16
	pieceLen  = 1 << pieceBits
	slack     = 8 // bytes behind a piece's last element: elements are read as 64-bit words
)

// reserve makes room for element i.
func (v *vector) reserve(i int) {
	for len(v.pieces) <= i>>pieceBits {
		v.pieces = append(v.pieces, allocate(pieceLen*v.width+slack))
	}
}

func (v *vector) at(i int) []byte { return v.pieces[i>>pieceBits][i&(pieceLen-1)*v.width:] }

func (v *vector) close() {
	for _, p := range v.pieces {
		release(p)
	}
	v.pieces = nil
}

func (t *slotTable) link(s Slot) uint32 { return binary.LittleEndian.Uint32(t.links.at(int(s))) }

func (t *slotTable) setLink(s Slot, v uint32) { binary.LittleEndian.PutUint32(t.links.at(int(s)), v) }

// grow makes room for slots up to high.
func (t *slotTable) grow(high Slot) {
	t.links.reserve(int(high))
	t.high = max(t.high, high)
}

// release puts s, which has no timer, first among the free slots.
func (t *slotTable) release(s Slot) {
	t.setLink(s, uint32(t.free))
	t.free = s
}

type timer struct {
	ms   int64
	slot Slot
}

const timerLen = 10

func (e timer) encode(b []byte) {
	binary.LittleEndian.PutUint32(b, uint32(e.ms))
	binary.LittleEndian.PutUint16(b[4:], uint16(e.ms>>32))
	binary.LittleEndian.PutUint32(b[6:], uint32(e.slot))
}

func decodeTimer(b []byte) timer {
	return timer{ms: int64(binary.LittleEndian.Uint64(b) & maxTimer), slot: Slot(binary.LittleEndian.Uint32(b[6:]))}
}

// timer is the i-th of the heap.
func (t *slotTable) timer(i int) timer { return decodeTimer(t.timers.at(i)) }

// place writes an entry of the heap and where it is.
func (t *slotTable) place(i int, e timer) {
	e.encode(t.timers.at(i))
	t.setLink(e.slot, uint32(i)+1)
}

// setTimer moves, adds or with ms 0 or less takes away the timer of s, which is in use.
func (t *slotTable) setTimer(s Slot, ms int64) {
	e, link := timer{ms: min(ms, maxTimer), slot: s}, t.link(s)
	switch {
	case link == 0 && ms > 0:
		t.push(e)
	case link == 0:
	case link&inQueue != 0:
		q, n := t.ofLink(link)
		if ms > 0 && decodeTimer(q.at(n)).ms == e.ms {
			return
		}
		if t.setLink(s, 0); ms > 0 && !t.putOff(e) {
			t.push(e)
		}
		q.leave(t, int(link>>queueShift&(queueCount-1)))
	case ms <= 0:
		t.setLink(s, 0)
		t.pull(int(link) - 1)
	default:
		i := int(link) - 1
		was := t.timer(i).ms
		switch {
		case e.ms > was && t.putOff(e):
			t.pull(i)
		case e.ms != was:
			t.settle(i, e)
		}
	}
}

// push adds e to the heap.
func (t *slotTable) push(e timer) {
	t.timers.reserve(t.count)
	t.count++
	t.up(t.count-1, e)
}

// pull takes the i-th out of the heap; its slot links elsewhere by now.
func (t *slotTable) pull(i int) {
	t.count--
	if last := t.timer(t.count); i < t.count {
		t.settle(i, last)
	}
}

// append adds the timer of s without keeping order; order puts all of them in order afterwards.
func (t *slotTable) append(s Slot, ms int64) {
	t.timers.reserve(t.count)
	timer{ms: min(ms, maxTimer), slot: s}.encode(t.timers.at(t.count))
	t.count++
}

func (t *slotTable) order() {
	for i := t.count - 1; i >= 0; i-- {
		t.down(i, t.timer(i))
	}
}

// settle puts e at i, or where it belongs above or below.
func (t *slotTable) settle(i int, e timer) {
	if i > 0 && e.ms < t.timer((i-1)/4).ms {
		t.up(i, e)
	} else {
		t.down(i, e)
	}
}

// up puts e at i after moving down whatever above it is later.
func (t *slotTable) up(i int, e timer) {
	for i > 0 {
		above := (i - 1) / 4
		a := t.timer(above)
		if a.ms <= e.ms {
			break
		}
		t.place(i, a)
		i = above
	}
	t.place(i, e)
}

// down puts e at i after moving up whatever below it is earlier.
func (t *slotTable) down(i int, e timer) {
	for {
		best, at := e, i
		for c := 4*i + 1; c <= 4*i+4 && c < t.count; c++ {
			if below := t.timer(c); below.ms < best.ms {
				best, at = below, c
			}
		}
		if at == i {
			break
		}
		t.place(i, best)
		i = at
	}
	t.place(i, e)
}

// due lists the slots of at most limit timers that are not after now, earliest first, without touching them: it
// looks only at those, at their children in the heap and at who is next in a queue.
func (t *slotTable) due(now int64, limit int) []Slot {
	f := frontier{}
	add := func(v visit) {
		if v.ms <= now {
			heap.Push(&f, v)
		}
	}
	addHeap := func(i int) {
		if i < t.count {
			add(visit{timer: t.timer(i), queue: -1, at: i})
		}
	}
	addQueue := func(which, n int) {
		q := &t.queues[which]
		if n = q.next(t, which, n); n < q.tail {
			add(visit{timer: decodeTimer(q.at(n)), queue: which, at: n})
		}
	}
	addHeap(0)
	for i := range t.queues {
		addQueue(i, t.queues[i].head)
	}
	var slots []Slot
	for f.Len() > 0 && len(slots) < limit {
		v, _ := heap.Pop(&f).(visit)
		slots = append(slots, v.slot)
		if v.queue >= 0 {
			addQueue(v.queue, v.at+1)
			continue
		}
		for c := 4*v.at + 1; c <= 4*v.at+4; c++ {
			addHeap(c)
		}
	}
	return slots
}

// first is the earliest timer.
func (t *slotTable) first() (ms int64, ok bool) {
	if t.count > 0 {
		ms, ok = t.timer(0).ms, true
	}
	for i := range t.queues {
		q := &t.queues[i]
		if n := q.next(t, i, q.head); n < q.tail {
			if at := decodeTimer(q.at(n)).ms; !ok || at < ms {
				ms, ok = at, true
			}
		}
	}
	return ms, ok
}

// visit is a timer and where it is: in the heap, with -1 for the queue, or in a queue.
type visit struct {
	timer
	queue, at int
}

// frontier is what due looks at next, as container/heap wants it.
type frontier []visit

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return f[i].ms < f[j].ms }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(v any)        { e, _ := v.(visit); *f = append(*f, e) }
func (f *frontier) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

func (t *slotTable) close() {
	t.links.close()
	t.timers.close()
	for i := range t.queues {
		t.queues[i].entries.close()
	}
}

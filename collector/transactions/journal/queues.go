package journal

import "encoding/binary"

// Most timers are put off once, when a movement ends, all by as long, and then only wait. Such a timer goes to the end of a
// queue, where that keeps the queue in order: nothing has to be moved for it, as in a heap of all timers there is. What
// fits in none goes to the heap. There are some queues for the different times by which timers are put off.
const queueCount = 4

// A link with inQueue set leads to an entry of a queue: two bits say of which, the others its number, which begins again
// at 0 long after the entry that had it is gone.
const (
	inQueue     = 1 << 31
	queueShift  = 29
	queueNumber = 1<<queueShift - 1
)

// maxSlots keeps what links to a free slot apart from inQueue.
const maxSlots = inQueue - 1

// queue is a row of timers, each not before the one ahead of it. An entry whose slot does not link to it is left over from
// a timer that was moved.
type queue struct {
	entries    vector
	dropped    int // pieces of entries given back, from the front
	head, tail int // numbers of the first entry and after the last
	lastMs     int64
	live       int
}

func (q *queue) at(n int) []byte { return q.entries.at(n - q.dropped<<pieceBits) }

// queueLink is the link to an entry.
func queueLink(which, n int) uint32 {
	return inQueue | uint32(which)<<queueShift | uint32(n&queueNumber)
}

// ofLink is the queue that a link leads into, and the number of the entry.
func (t *slotTable) ofLink(link uint32) (q *queue, n int) {
	q = &t.queues[link>>queueShift&(queueCount-1)]
	return q, q.head + (int(link)-q.head)&queueNumber
}

// putOff enters e at the end of the queue that it follows most closely, or of an empty one. It reports whether there is one.
func (t *slotTable) putOff(e timer) bool {
	best := -1
	for i := range t.queues {
		q := &t.queues[i]
		if q.live == 0 {
			q.clear()
		}
		if q.lastMs <= e.ms && (best < 0 || q.lastMs > t.queues[best].lastMs) {
			best = i
		}
	}
	if best >= 0 {
		t.queues[best].append(t, best, e)
	}
	return best >= 0
}

func (q *queue) append(t *slotTable, which int, e timer) {
	q.entries.width = timerLen
	q.entries.reserve(q.tail - q.dropped<<pieceBits)
	e.encode(q.at(q.tail))
	t.setLink(e.slot, queueLink(which, q.tail))
	q.tail, q.lastMs, q.live = q.tail+1, e.ms, q.live+1
}

// leave takes out the entry of a slot that links elsewhere by now. What is left over is given back from the front, and once
// it is more than what is not, all of it.
func (q *queue) leave(t *slotTable, which int) {
	q.live--
	q.head = q.next(t, which, q.head)
	for q.head>>pieceBits > q.dropped {
		release(q.entries.pieces[0])
		q.entries.pieces = q.entries.pieces[1:]
		q.dropped++
	}
	if q.tail-q.head > 2*q.live+pieceLen {
		old := *q
		*q = queue{}
		for n := old.head; q.live < old.live; n++ {
			if e := decodeTimer(old.at(n)); t.link(e.slot) == queueLink(which, n) {
				q.append(t, which, e)
			}
		}
		old.entries.close()
	}
}

// next is the number of the first entry from n on that is not left over, or of the end.
func (q *queue) next(t *slotTable, which, n int) int {
	for ; n < q.tail; n++ {
		if s := Slot(binary.LittleEndian.Uint32(q.at(n)[6:])); t.link(s) == queueLink(which, n) {
			break
		}
	}
	return n
}

// clear lets an empty queue begin anew, at any time. Of its memory leave has left it one piece.
func (q *queue) clear() {
	if q.tail == 0 {
		return
	}
	*q = queue{entries: vector{width: timerLen, pieces: q.entries.pieces}}
}

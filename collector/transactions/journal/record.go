package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/assayer-io/assayer/slo/money"
)

// slotSize is the length of a record on disk:
//
//	0   CRC-32C of what follows, begun with the slot's number: a record in the wrong place is noticed
//	4   refs, parent (12 bytes each)
//	52  amount, value, received, deadline, changed, timer
//	108 seen, peer, day, lane, flags, state, class
//	126 used: 1
//
// all little endian. Zeros throughout are a slot that is free.
const slotSize = 128

const (
	refSize = len(Ref{})
	atUsed  = 126
	atTimer = 100
)

// ensureSlotFits does not compile when a record outgrows its slot.
const _ = uint(slotSize - (4 + 4*refSize + 7*8 + 3*4 + 2*2 + 2*1 + 1))

// maxTimer is the latest time that is told from later ones, in Unix milliseconds: the year 10889.
const maxTimer = 1<<48 - 1

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// encode writes r as the content of slot s into image, slotSize bytes.
func (r *Record) encode(s Slot, image []byte) {
	b := image[:slotSize]
	for i := range r.Refs {
		copy(b[4+i*refSize:], r.Refs[i][:])
	}
	copy(b[4+3*refSize:], r.Parent[:])
	le := binary.LittleEndian
	le.PutUint64(b[52:], r.Amount.Hi)
	le.PutUint64(b[60:], r.Amount.Lo)
	le.PutUint64(b[68:], uint64(r.Value))
	le.PutUint64(b[76:], uint64(r.ReceivedMs))
	le.PutUint64(b[84:], uint64(r.DeadlineMs))
	le.PutUint64(b[92:], uint64(r.ChangedMs))
	le.PutUint64(b[atTimer:], uint64(r.TimerMs))
	le.PutUint32(b[108:], r.Seen)
	le.PutUint32(b[112:], r.Peer)
	le.PutUint32(b[116:], uint32(r.Day))
	le.PutUint16(b[120:], r.Lane)
	le.PutUint16(b[122:], r.Flags)
	b[124], b[125], b[atUsed], b[127] = r.State, r.Class, 1, 0
	le.PutUint32(b, imageSum(s, b))
}

// decode reads what encode wrote. The image has been checked.
func (r *Record) decode(image []byte) {
	b := image[:slotSize]
	for i := range r.Refs {
		r.Refs[i] = refAt(b, i)
	}
	r.Parent = refAt(b, 3)
	le := binary.LittleEndian
	r.Amount = money.Minor{Hi: le.Uint64(b[52:]), Lo: le.Uint64(b[60:])}
	r.Value = int64(le.Uint64(b[68:]))
	r.ReceivedMs = int64(le.Uint64(b[76:]))
	r.DeadlineMs = int64(le.Uint64(b[84:]))
	r.ChangedMs = int64(le.Uint64(b[92:]))
	r.TimerMs = timerAt(b)
	r.Seen, r.Peer, r.Day = le.Uint32(b[108:]), le.Uint32(b[112:]), int32(le.Uint32(b[116:]))
	r.Lane, r.Flags = le.Uint16(b[120:]), le.Uint16(b[122:])
	r.State, r.Class = b[124], b[125]
}

// refAt is the i-th ref of an image, the fourth being the parent.
func refAt(image []byte, i int) Ref { return Ref(image[4+i*refSize : 4+(i+1)*refSize]) }

// has reports whether r, which may be nil, is found by ref.
func (r *Record) has(ref Ref) bool { return r != nil && slices.Contains(r.Refs[:], ref) }

// refBytes are the refs as encoded.
func (r *Record) refBytes() (b [3 * refSize]byte) {
	for i := range r.Refs {
		copy(b[i*refSize:], r.Refs[i][:])
	}
	return b
}

func timerAt(image []byte) int64 { return int64(binary.LittleEndian.Uint64(image[atTimer:])) }

func inUse(image []byte) bool { return image[atUsed] != 0 }

func imageSum(s Slot, image []byte) uint32 {
	return crc32.Update(uint32(s), castagnoli(), image[4:slotSize])
}

// DamagedError is ErrCorrupted of one record; the others can be used.
type DamagedError struct {
	Slot Slot
	why  string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%v: slot %d %s", ErrCorrupted, e.Slot, e.why)
}

// Unwrap gives ErrCorrupted.
func (e *DamagedError) Unwrap() error { return ErrCorrupted }

// checkImage reports what is wrong with the content of slot s.
func checkImage(s Slot, image []byte) error {
	switch {
	case !inUse(image):
		if [slotSize]byte(image) != [slotSize]byte{} {
			return &DamagedError{s, "is neither free nor in use"}
		}
	case binary.LittleEndian.Uint32(image) != imageSum(s, image):
		return &DamagedError{s, "has a wrong checksum"}
	}
	return nil
}

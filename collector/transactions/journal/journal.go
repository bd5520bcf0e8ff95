// Package journal keeps the movements of money that are open or were closed lately: fixed-size records on disk,
// durable and all-or-nothing, found by the hash of what identifies them, woken by a timer each. It knows
// nothing of rails or events.
package journal

import (
	"errors"

	"github.com/assayer-io/assayer/slo/money"
)

// Ref is the keyed hash of one thing that identifies a movement. The zero Ref is none.
type Ref [12]byte

// Slot is where a record is kept. It stays the same until the record is deleted.
type Slot uint32

// Record is one movement as kept.
type Record struct {
	Refs       [3]Ref // what it is found by; zero ones are not used
	Parent     Ref    // of the movement that this one brings back; zero: none
	Lane       uint16 // the caller's: rail, direction, currency
	State      uint8  // the caller's
	Class      uint8  // the caller's
	Flags      uint16 // the caller's
	Seen       uint32 // the caller's: states told so far
	Peer       uint32 // the caller's
	Day        int32  // the caller's: business day or cycle
	Amount     money.Minor
	Value      int64 // the caller's: minor units of the reporting currency, or negative
	ReceivedMs int64 // Unix milliseconds, as all times
	DeadlineMs int64
	ChangedMs  int64
	TimerMs    int64 // when Due has it; 0: never
}

// Errors a caller may want to tell apart.
var (
	ErrLocked    = errors.New("journal is in use by another process")
	ErrCorrupted = errors.New("journal is damaged")
	ErrFull      = errors.New("journal is full")
)

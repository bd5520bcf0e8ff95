package slo

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// pins are instants whose cumulative counts stay exact, whatever becomes of the buckets around them:
// the edges of exclusions. Those up to known have their counts; the others lie in the future.
type pins struct {
	at      []mark // oldest first
	known   int
	changed bool // since the last checkpoint
	storing bool // in the checkpoint under way
}

// maxPins bounds the pins of one objective; the newest are kept.
const maxPins = 20_000

// setPins makes at, in milliseconds and in any order, the instants whose counts stay exact. What is
// known already stays; an instant of the past gets the best that is known of it now; one that is no
// longer among them is dropped.
func (lg *ledger) setPins(at []int64) {
	at = slices.Compact(slices.Sorted(slices.Values(at)))
	at = at[max(0, len(at)-maxPins):]
	next := pins{at: make([]mark, len(at)), changed: true}
	for i, t := range at {
		next.at[i].at = t
		old, found := lg.pins.find(t)
		switch {
		case found && old < lg.pins.known:
			next.at[i] = lg.pins.at[old]
		case t >= lg.nowMs:
			continue
		default:
			next.at[i].cum = lg.upTo(t)
		}
		next.known = i + 1
	}
	if next.known == lg.pins.known && slices.Equal(next.at, lg.pins.at) {
		return
	}
	next.storing = lg.pins.storing
	lg.pins, lg.changed = next, true
}

func (p *pins) find(t int64) (int, bool) {
	return slices.BinarySearchFunc(p.at, t, func(m mark, t int64) int { return cmp.Compare(m.at, t) })
}

// pass records cum for the pins before t, to which time moves on.
func (p *pins) pass(t int64, cum counts) {
	for p.known < len(p.at) && p.at[p.known].at < t {
		p.at[p.known].cum = cum
		p.known++
		p.changed = true
	}
}

// spread books d evenly over (from, to], to lying in the past or being the present.
func (p *pins) spread(from, to int64, d counts) {
	for i := p.known - 1; i >= 0 && (p.at[i].at > from || p.at[i].at >= to); i-- {
		p.at[i].book(from, to, d)
		p.changed = true
	}
}

// rewind makes the future begin at t again.
func (p *pins) rewind(t int64) {
	if i, found := p.find(t); !found {
		p.known = min(p.known, i)
	} else {
		p.known = min(p.known, i+1)
	}
	p.changed = true
}

// upTo returns the counts at t if it is a pin; cum are the present ones.
func (p *pins) upTo(t int64, cum counts) (counts, bool) {
	switch i, found := p.find(t); {
	case !found:
		return counts{}, false
	case i < p.known:
		return p.at[i].cum, true
	}
	return cum, true
}

const pinsVersion = 1

// encode writes the version, how many counts are known, and for each pin by how much it lies after
// the one before and, as far as they are known, its counts as their difference from those before.
func (p *pins) encode() []byte {
	out := binary.AppendUvarint([]byte{pinsVersion}, uint64(p.known))
	var last mark
	for i, m := range p.at {
		out = binary.AppendVarint(out, m.at-last.at)
		if i < p.known {
			out = m.cum.appendTo(out, last.cum)
		}
		last = m
	}
	return out
}

func (p *pins) decode(b []byte) error {
	if len(b) == 0 {
		return errors.New("decoding pins: no bytes")
	}
	if b[0] > pinsVersion {
		return fmt.Errorf("%w: pins %d, this one reads %d", ErrVersion, b[0], pinsVersion)
	}
	known, n := binary.Uvarint(b[1:])
	if n <= 0 || known > maxPins {
		return errors.New("decoding pins: broken number of counts")
	}
	b = b[1+n:]
	var m mark
	var at []mark
	for i := 0; len(b) > 0; i++ {
		step, n := binary.Varint(b)
		if n <= 0 || i >= maxPins || (i > 0 && (step <= 0 || m.at+step < m.at)) {
			return fmt.Errorf("decoding pins: pin %d is broken", i)
		}
		m.at, b = m.at+step, b[n:]
		if uint64(i) < known {
			var ok bool
			if len(b) > 0 {
				b, ok = m.cum.next(b)
			}
			if !ok {
				return fmt.Errorf("decoding pins: the counts of pin %d are broken", i)
			}
			at = append(at, m)
			continue
		}
		at = append(at, mark{at: m.at})
	}
	if uint64(len(at)) < known {
		return errors.New("decoding pins: fewer than their number says")
	}
	*p = pins{at: at, known: int(known)}
	return nil
}

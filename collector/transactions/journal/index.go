package journal

import (
	"encoding/binary"
	"math/bits"
)

// index finds the slots whose record may have a ref, in about 11 bytes an entry: 32 bits of the ref's hash and
// the slot. Each of its parts is one open-addressed table kept in the order of the hashes, which are uniform:
// the place of a hash is its share of the table, an entry moves right when that is taken, and a search ends at
// the first larger hash. A part grows by a quarter when four fifths are full, on its own, so that there is
// never more than one part's worth of copying or of memory held twice.
type index struct {
	parts [16]part
	n     int
}

type part struct {
	table []byte // of 8-byte entries, 0 is none; more than homes of them, so that the last can move right
	homes uint64
	n     int
}

const entrySize = 8

// hash spreads refs that their maker did not: tests, and hashes cut short.
func (ref Ref) hash() uint64 {
	lo := binary.LittleEndian.Uint64(ref[:8])
	hi := uint64(binary.LittleEndian.Uint32(ref[8:]))
	a, b := bits.Mul64(lo^0x9e3779b97f4a7c15, hi<<32^lo>>32^0xd6e8feb86659fd93)
	c, d := bits.Mul64(a^b^hi, 0xff51afd7ed558ccd)
	return c ^ d
}

func (x *index) part(hash uint64) (*part, uint32) { return &x.parts[hash>>60], uint32(hash >> 24) }

func (p *part) home(print uint32) int { return int(uint64(print) * p.homes >> 32) }

func (p *part) at(i int) uint64 { return binary.LittleEndian.Uint64(p.table[i*entrySize:]) }

func (p *part) put(i int, e uint64) { binary.LittleEndian.PutUint64(p.table[i*entrySize:], e) }

func (p *part) len() int { return len(p.table) / entrySize }

// next gives the next candidate from place i on, and the place after it; no slot at the end. A search begins at
// the home of the hash.
func (p *part) next(print uint32, i int) (Slot, int) {
	for ; i < p.len(); i++ {
		e := p.at(i)
		if e == 0 || uint32(e>>32) > print {
			break
		}
		if uint32(e>>32) == print {
			return Slot(e), i + 1
		}
	}
	return 0, i
}

// touch reads the place where a search for hash begins, and gives what is there. Look-ups one after the other each wait for
// main memory, as the places are anywhere; when many are touched first, the processor waits for all of them at once.
func (x *index) touch(hash uint64) uint64 {
	p, print := x.part(hash)
	if p.len() == 0 {
		return 0
	}
	return p.at(p.home(print))
}

// add enters the slot under hash.
func (x *index) add(hash uint64, s Slot) {
	p, print := x.part(hash)
	for p.len() == 0 || uint64(p.n+1) > p.homes/5*4 || p.at(p.len()-1) != 0 {
		p.resize(p.homes + p.homes/4 + 1)
	}
	e := uint64(print)<<32 | uint64(s)
	i := p.home(print)
	for ; p.at(i) != 0 && p.at(i) < e; i++ {
	}
	for e != 0 {
		next := p.at(i)
		p.put(i, e)
		e, i = next, i+1
	}
	p.n++
	x.n++
}

// remove takes out what add entered.
func (x *index) remove(hash uint64, s Slot) {
	p, print := x.part(hash)
	if p.n == 0 {
		return
	}
	e := uint64(print)<<32 | uint64(s)
	i := p.home(print)
	for ; i < p.len() && p.at(i) != e; i++ {
		if p.at(i) == 0 || p.at(i) > e {
			return
		}
	}
	for i++; i < p.len(); i++ {
		next := p.at(i)
		if next == 0 || p.home(uint32(next>>32)) == i {
			break
		}
		p.put(i-1, next)
	}
	p.put(i-1, 0)
	p.n--
	x.n--
	if p.homes > minHomes && uint64(p.n) < p.homes/5*2 {
		p.resize(p.homes / 5 * 3)
	}
}

// Tables are whole pages of memory, and end with room for what moves right.
const (
	tablePage = 4096
	overhang  = 64
	minHomes  = tablePage/entrySize - overhang
)

// resize makes a new table of at least so many homes and fills it in the order of the old one.
func (p *part) resize(homes uint64) {
	size := (int(max(homes, minHomes))+overhang)*entrySize + tablePage - 1
	size -= size % tablePage
	fresh := part{table: allocate(size), homes: uint64(size/entrySize - overhang), n: p.n}
	to := 0
	for i := range p.len() {
		e := p.at(i)
		if e == 0 {
			continue
		}
		to = max(to, fresh.home(uint32(e>>32)))
		if to == fresh.len() { // hashes that are anything but uniform
			release(fresh.table)
			p.resize(homes + homes/4 + overhang)
			return
		}
		fresh.put(to, e)
		to++
	}
	release(p.table)
	*p = fresh
}

func (x *index) close() {
	for i := range x.parts {
		release(x.parts[i].table)
	}
	*x = index{}
}

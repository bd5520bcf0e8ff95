package slo

import (
	"encoding/binary"
	hexadecimal "encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chunkBuckets is how many neighbouring buckets of a level are kept and stored as one value: many
// enough that a ledger is a hundred values and not thousands, few enough that looking one bucket up
// takes few steps.
const chunkBuckets = 32

func chunkOf(bucket int64) int64 { return floorDiv(bucket, chunkBuckets) }

// chunks returns the range of chunks that hold the buckets [from, to); it is empty when they are none.
func chunks(from, to int64) (first, end int64) {
	if from >= to {
		return chunkOf(from), chunkOf(from)
	}
	return chunkOf(from), chunkOf(to-1) + 1
}

func chunkKey(level int, chunk int64, id uint64) string {
	key := append(make([]byte, 0, 48), prefixChunks...)
	key = append(strconv.AppendInt(key, int64(level), 10), '/')
	key = append(appendHex(key, uint64(chunk)), '/')
	return string(appendHex(key, id))
}

// appendHex appends n as 16 digits, so that keys are in the order of numbers.
func appendHex(out []byte, n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return hexadecimal.AppendEncode(out, b[:])
}

func parseChunkKey(key string) (level int, chunk int64, id uint64, err error) {
	first, rest, ok1 := strings.Cut(strings.TrimPrefix(key, prefixChunks), "/")
	second, third, ok2 := strings.Cut(rest, "/")
	l, err1 := strconv.ParseUint(first, 10, 8)
	c, err2 := strconv.ParseUint(second, 16, 64)
	id, err3 := strconv.ParseUint(third, 16, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
		return 0, 0, 0, fmt.Errorf("decoding key %q: want three numbers: %w", key, errors.Join(err1, err2, err3))
	}
	return int(l), int64(c), id, nil
}

// chunk is the closed buckets of one chunk: the first as it is, the others as steps from the one
// before. Buckets beyond the last step are equal to it, so an idle chunk has none; and adding the same
// to all of them is adding it to the first.
type chunk struct {
	base  counts
	body  []byte
	from  uint8 // place within the chunk of the bucket that base is; noChunk: not known
	exact bool  // some counts are no whole numbers and stand in body themselves
}

const noChunk = math.MaxUint8

// A step is one byte and what it calls for. With opRun it says how many of the buckets that follow
// grow by the same as the one before (opSame) or by nothing. Otherwise its flags name the counts that
// grow by something else than in the last such step, and varints say by how much more; the others grow
// as they did. stepLikewise: what was expected grows by what was covered. stepItself: a byte of flags
// follows at the end, with the float64 of each count that it names; its growth is then taken to be 0.
const (
	stepGood, stepBad, stepExcluded, stepCovered, stepExpected = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4

	stepLikewise = 1 << 5
	stepItself   = 1 << 6
	opRun        = 1 << 7
	opSame       = 1 << 6 // beside opRun; the six bits below are the number of buckets less one
	maxRun       = 1 << 6
)

// encodeChunk encodes the buckets from place from on.
func encodeChunk(from int, buckets []counts) chunk {
	c := chunk{base: buckets[0], from: uint8(from), exact: !buckets[0].whole()}
	scratch := make([]byte, 0, 256)
	v, by := buckets[0], counts{}
	var run byte // the operation under way
	n := 0
	flush := func() {
		if n > 0 {
			scratch = append(scratch, run|byte(n-1))
		}
		n = 0
	}
	for _, next := range buckets[1:] {
		op := byte(0)
		switch {
		case next == v:
			op = opRun
		case next == v.plus(by) && next.whole():
			op = opRun | opSame
		}
		if op != run || op == 0 {
			flush()
		}
		if run = op; op != 0 {
			n++
		} else {
			at := len(scratch)
			scratch = appendStep(scratch, v, next, &by)
			c.exact = c.exact || scratch[at]&stepItself != 0
		}
		v = next
	}
	if run == opRun|opSame {
		flush()
	}
	if len(scratch) > 0 {
		c.body = append(make([]byte, 0, len(scratch)), scratch...)
	}
	return c
}

// appendStep writes how v becomes next when it grew by `by` before.
func appendStep(out []byte, v, next counts, by *counts) []byte {
	at, itself := len(out), byte(0)
	out = append(out, 0)
	number := func(now, before float64, by *float64, flag byte) {
		step := now - before
		if now != before && (!whole(now) || !whole(before)) || !whole(step-*by) {
			itself |= flag
			*by = 0
			return
		}
		if step != *by {
			out[at] |= flag
			out = binary.AppendVarint(out, int64(step-*by))
			*by = step
		}
	}
	number(next.good, v.good, &by.good, stepGood)
	number(next.bad, v.bad, &by.bad, stepBad)
	number(next.excluded, v.excluded, &by.excluded, stepExcluded)
	if step := next.coveredMs - v.coveredMs; step != by.coveredMs {
		out[at] |= stepCovered
		out = binary.AppendVarint(out, step-by.coveredMs)
		by.coveredMs = step
	}
	switch step := next.expectedMs - v.expectedMs; step {
	case by.expectedMs:
	case by.coveredMs:
		out[at] |= stepLikewise
		by.expectedMs = step
	default:
		out[at] |= stepExpected
		out = binary.AppendVarint(out, step-by.expectedMs)
		by.expectedMs = step
	}
	if itself == 0 {
		return out
	}
	out[at] |= stepItself
	out = append(out, itself)
	for i, f := range []float64{next.good, next.bad, next.excluded} {
		if itself&(1<<i) != 0 {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(f))
		}
	}
	return out
}

// step applies the step that b begins with, which is no run.
func step(b []byte, v, by *counts) (rest []byte, ok bool) {
	flags, rest, ok := b[0], b[1:], true
	varint := func() int64 {
		d, n := binary.Varint(rest)
		if n <= 0 {
			ok, n = false, 0
		}
		rest = rest[n:]
		return d
	}
	if flags&stepGood != 0 {
		by.good += float64(varint())
	}
	if flags&stepBad != 0 {
		by.bad += float64(varint())
	}
	if flags&stepExcluded != 0 {
		by.excluded += float64(varint())
	}
	if flags&stepCovered != 0 {
		by.coveredMs += varint()
	}
	switch {
	case flags&stepLikewise != 0:
		by.expectedMs = by.coveredMs
	case flags&stepExpected != 0:
		by.expectedMs += varint()
	}
	if flags&stepItself != 0 {
		return itself(rest, v, by, ok)
	}
	*v = v.plus(*by)
	return rest, ok
}

// itself ends a step some of whose counts stand there themselves.
func itself(b []byte, v, by *counts, ok bool) ([]byte, bool) {
	if len(b) == 0 {
		return b, false
	}
	flags, b := b[0], b[1:]
	to := [3]*float64{}
	for i, f := range []*float64{&by.good, &by.bad, &by.excluded} {
		if flags&(1<<i) != 0 {
			*f, to[i] = 0, []*float64{&v.good, &v.bad, &v.excluded}[i]
		}
	}
	*v = v.plus(*by)
	for _, f := range to {
		if f == nil {
			continue
		}
		if len(b) < 8 {
			return b, false
		}
		*f, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		ok = ok && finite(*f)
	}
	return b, ok
}

func (c counts) times(n int) counts {
	f := float64(n)
	return counts{c.good * f, c.bad * f, c.excluded * f, c.coveredMs * int64(n), c.expectedMs * int64(n)}
}

// at returns the counts at the end of the bucket at a place within the chunk.
func (c *chunk) at(place int) counts {
	v, by, left := c.base, counts{}, place-int(c.from)
	for b := c.body; left > 0 && len(b) > 0; {
		if b[0]&opRun == 0 {
			b, _ = step(b, &v, &by)
			left--
			continue
		}
		n := min(left, int(b[0]&(maxRun-1))+1)
		if b[0]&opSame != 0 {
			v = v.plus(by.times(n))
		}
		b, left = b[1:], left-n
	}
	return v
}

// decode fills in all buckets of the chunk; those before its first are equal to it.
func (c *chunk) decode(all *[chunkBuckets]counts) {
	v, by, i := c.base, counts{}, 0
	for ; i <= int(c.from); i++ {
		all[i] = v
	}
	for b := c.body; i < chunkBuckets && len(b) > 0; {
		if b[0]&opRun == 0 {
			b, _ = step(b, &v, &by)
			all[i] = v
			i++
			continue
		}
		for n := int(b[0]&(maxRun-1)) + 1; n > 0 && i < chunkBuckets; n-- {
			if b[0]&opSame != 0 {
				v = v.plus(by)
			}
			all[i] = v
			i++
		}
		b = b[1:]
	}
	for ; i < chunkBuckets; i++ {
		all[i] = v
	}
}

// edit adds what due says to each bucket.
func (c *chunk) edit(due func(place int) counts) {
	var all [chunkBuckets]counts
	c.decode(&all)
	for i := int(c.from); i < chunkBuckets; i++ {
		all[i] = all[i].plus(due(i))
	}
	*c = encodeChunk(int(c.from), all[c.from:])
}

// shift adds d to every bucket without decoding them, or returns false where that would round.
func (c *chunk) shift(d counts) bool {
	to := c.base.plus(d)
	if c.exact || !d.whole() || !to.whole() {
		return false
	}
	c.base = to
	return true
}

func whole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= maxExact }

func (c counts) whole() bool { return whole(c.good) && whole(c.bad) && whole(c.excluded) }

// A stored chunk begins with a byte that tells its version: below chunkBuckets it is version 1, else
// chunkHead and the version. Version 2 goes on with from, the step from zero to base, and body.
const (
	chunkHead    = 0xC0
	chunkVersion = 2
)

func (c *chunk) encode() []byte {
	out := append(make([]byte, 0, 32+len(c.body)), chunkHead|chunkVersion, c.from)
	return append(appendStep(out, counts{}, c.base, &counts{}), c.body...)
}

// readChunk reads a stored chunk of any version.
func readChunk(b []byte) (chunk, error) {
	switch {
	case len(b) < 2:
		return chunk{}, errors.New("decoding a chunk of buckets: too short")
	case b[0] < chunkBuckets:
		return readChunk1(b)
	case b[0] > chunkHead|chunkVersion:
		return chunk{}, fmt.Errorf("%w: chunk of buckets %d, this one reads %d", ErrVersion, b[0]&^chunkHead, chunkVersion)
	case b[0] != chunkHead|chunkVersion || b[1] >= chunkBuckets || len(b) < 3 || b[2]&opRun != 0:
		return chunk{}, errors.New("decoding a chunk of buckets: broken head")
	}
	c := chunk{from: b[1]}
	rest, ok := step(b[2:], &c.base, &counts{})
	c.exact = !c.base.whole()
	v, by, i := c.base, counts{}, int(c.from)
	for left := rest; len(left) > 0 && ok; {
		if left[0]&opRun != 0 {
			i += int(left[0]&(maxRun-1)) + 1
			left = left[1:]
		} else {
			c.exact = c.exact || left[0]&stepItself != 0
			left, ok = step(left, &v, &by)
			i++
		}
		ok = ok && i < chunkBuckets
	}
	if !ok {
		return chunk{}, fmt.Errorf("decoding a chunk of buckets: bucket %d is broken", i)
	}
	if len(rest) > 0 {
		c.body = append(make([]byte, 0, len(rest)), rest...)
	}
	return c, nil
}

// readChunk1 reads version 1: the place of the first bucket, then each as its difference from the one
// before, the first from zero.
func readChunk1(b []byte) (chunk, error) {
	from, b := int(b[0]), b[1:]
	var v counts
	var all []counts
	for len(b) > 0 {
		var ok bool
		if b, ok = v.next(b); !ok || from+len(all) >= chunkBuckets {
			return chunk{}, fmt.Errorf("decoding a chunk of buckets: bucket %d is broken", len(all))
		}
		all = append(all, v)
	}
	return encodeChunk(from, all), nil
}

// In version 1, and among pins, a bucket is a byte of flags and, for each count that its flags name,
// the difference as a varint or, when one of the two is no whole number, the count itself.
const (
	flagGood, flagBad, flagExcluded, flagCovered, flagExpected = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4

	flagItself = 5 // by how much to shift one of the first three, to say that the count itself follows
)

func (c counts) appendTo(out []byte, last counts) []byte {
	at := len(out)
	out = append(out, 0)
	number := func(now, before float64, flag byte) {
		switch {
		case now == before:
		case whole(now) && whole(before):
			out[at] |= flag
			out = binary.AppendVarint(out, int64(now)-int64(before))
		default:
			out[at] |= flag << flagItself
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(now))
		}
	}
	duration := func(now, before int64, flag byte) {
		if now != before {
			out[at] |= flag
			out = binary.AppendVarint(out, now-before)
		}
	}
	number(c.good, last.good, flagGood)
	number(c.bad, last.bad, flagBad)
	number(c.excluded, last.excluded, flagExcluded)
	duration(c.coveredMs, last.coveredMs, flagCovered)
	duration(c.expectedMs, last.expectedMs, flagExpected)
	return out
}

// next turns the counts of one bucket into those of the next, which b begins with.
func (c *counts) next(b []byte) (rest []byte, ok bool) {
	flags, rest, ok := b[0], b[1:], true
	varint := func() int64 {
		d, n := binary.Varint(rest)
		if n <= 0 {
			ok, n = false, 0
		}
		rest = rest[n:]
		return d
	}
	number := func(f *float64, flag byte) {
		switch {
		case flags&flag != 0:
			ok = ok && whole(*f)
			*f = float64(int64(*f) + varint())
		case flags&(flag<<flagItself) != 0 && len(rest) < 8:
			ok = false
		case flags&(flag<<flagItself) != 0:
			*f, rest = math.Float64frombits(binary.LittleEndian.Uint64(rest)), rest[8:]
			ok = ok && finite(*f)
		}
	}
	number(&c.good, flagGood)
	number(&c.bad, flagBad)
	number(&c.excluded, flagExcluded)
	if flags&flagCovered != 0 {
		c.coveredMs += varint()
	}
	if flags&flagExpected != 0 {
		c.expectedMs += varint()
	}
	return rest, ok
}

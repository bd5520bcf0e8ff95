package slo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chunkBuckets is how many neighbouring buckets of a level are stored as one value: many enough that
// a ledger is a hundred values and not thousands, few enough that writing the last one again with
// each checkpoint costs little.
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
	return fmt.Sprintf("%s%d/%016x/%016x", prefixChunks, level, uint64(chunk), id)
}

func parseChunkKey(key string) (level int, chunk int64, id uint64, err error) {
	parts := strings.Split(strings.TrimPrefix(key, prefixChunks), "/")
	if len(parts) != 3 {
		return 0, 0, 0, fmt.Errorf("decoding key %q: want three parts", key)
	}
	l, err1 := strconv.ParseUint(parts[0], 10, 8)
	c, err2 := strconv.ParseUint(parts[1], 16, 64)
	id, err3 := strconv.ParseUint(parts[2], 16, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, 0, 0, fmt.Errorf("decoding key %q: %w", key, err)
	}
	return int(l), int64(c), id, nil
}

// encodeChunk writes the level's buckets in chunk c: one byte with the place of the first of them
// within the chunk, then each as its difference from the one before, the first from zero.
func (l *level) encodeChunk(c int64) []byte {
	from, to := max(l.first, c*chunkBuckets), min(l.next(), (c+1)*chunkBuckets)
	out := make([]byte, 1, 8*(to-from+4))
	out[0] = byte(from - c*chunkBuckets)
	var last counts
	for _, next := range l.closed[from-l.first : to-l.first] {
		out = next.appendTo(out, last)
		last = next
	}
	return out
}

// A bucket is a byte of flags and, for each count that its flags name, the difference as a varint or,
// when one of the two is no whole number, the count itself.
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

func whole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= maxExact }

// decodeChunk calls fn with each bucket of chunk c that b holds.
func decodeChunk(c int64, b []byte, fn func(bucket int64, v counts)) error {
	if len(b) == 0 {
		return errors.New("decoding a chunk of buckets: no bytes")
	}
	i, b := int64(b[0]), b[1:]
	var v counts
	for ; len(b) > 0; i++ {
		if i >= chunkBuckets {
			return errors.New("decoding a chunk of buckets: more than fit")
		}
		var ok bool
		if b, ok = v.next(b); !ok {
			return fmt.Errorf("decoding a chunk of buckets: bucket %d is broken", i)
		}
		fn(c*chunkBuckets+i, v)
	}
	return nil
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

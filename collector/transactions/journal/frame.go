package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A log is a row of frames, each one transaction or, the first, all named values. A frame begins at a multiple of
// 512 bytes:
//
//	0   "AJ01"
//	4   CRC-32C of the header from here on
//	8   number of the log
//	16  number of the frame, one more than the one before, across logs
//	24  length of the payload; 28 its CRC-32C
//	32  number of records in it; 36 kind
//	40  records in use after it; 44 the highest slot ever used
//
// The payload is the records (slot, content) and after them the named values (length of the key, length of the
// value + 1 or 0 for a key that goes, key, value).
const (
	frameMagic  = "AJ01"
	frameHeader = 64
	frameAlign  = 512
	entryLen    = 4 + slotSize
)

// Kinds of frames.
const (
	kindBase   = 1 + iota // first of a log: replaces all named values
	kindChange            // a transaction
	kindEnd               // last of a backup
)

// Bounds of what one frame holds, so that a damaged length cannot take all memory.
const (
	maxTxRecords  = waitingMax
	maxKey        = 1 << 10
	maxValue      = 1 << 20
	maxMeta       = 32 << 20 // all named values together, and those of one transaction
	maxPayloadLen = maxTxRecords*entryLen + maxMeta
)

// frame is one frame as read, or the header of one to be written.
type frame struct {
	log, seq uint64
	kind     uint32
	live     uint32
	high     Slot
	entries  int
	payload  []byte
}

var (
	// errNoFrame: here a log ends, with zeros or the end of the file.
	errNoFrame = errors.New("no frame")
	// errBadFrame: here is something else than a whole frame.
	errBadFrame = errors.New("is no whole frame")
)

// paddedLen is what a frame with such a payload takes.
func paddedLen(payload int) int {
	n := frameHeader + payload + frameAlign - 1
	return n - n%frameAlign
}

// seal writes the header into buf, which holds the payload behind it, and pads it with zeros.
func (f *frame) seal(buf []byte) []byte {
	payload := buf[frameHeader:]
	h := buf[:frameHeader]
	clear(h)
	copy(h, frameMagic)
	le := binary.LittleEndian
	le.PutUint64(h[8:], f.log)
	le.PutUint64(h[16:], f.seq)
	le.PutUint32(h[24:], uint32(len(payload)))
	le.PutUint32(h[28:], crc32.Checksum(payload, castagnoli()))
	le.PutUint32(h[32:], uint32(f.entries))
	le.PutUint32(h[36:], f.kind)
	le.PutUint32(h[40:], f.live)
	le.PutUint32(h[44:], uint32(f.high))
	le.PutUint32(h[4:], crc32.Checksum(h[8:], castagnoli()))
	return append(buf, make([]byte, paddedLen(len(payload))-len(buf))...)
}

// parseHeader reads a frame's header; the lengths it gives are within bounds.
func parseHeader(h []byte) (f frame, payload int, sum uint32, err error) {
	if [frameHeader]byte(h) == [frameHeader]byte{} {
		return f, 0, 0, errNoFrame
	}
	le := binary.LittleEndian
	if string(h[:4]) != frameMagic || le.Uint32(h[4:]) != crc32.Checksum(h[8:frameHeader], castagnoli()) {
		return f, 0, 0, errBadFrame
	}
	f = frame{
		log: le.Uint64(h[8:]), seq: le.Uint64(h[16:]), kind: le.Uint32(h[36:]),
		live: le.Uint32(h[40:]), high: Slot(le.Uint32(h[44:])), entries: int(le.Uint32(h[32:])),
	}
	payload, sum = int(le.Uint32(h[24:])), le.Uint32(h[28:])
	if payload > maxPayloadLen || f.entries > payload/entryLen {
		return f, 0, 0, errBadFrame
	}
	return f, payload, sum, nil
}

// readFrame reads the frame that begins at r. The payload is in buf, or where that is too small in a new one.
// It gives errNoFrame, errBadFrame or what r fails with.
func readFrame(r io.Reader, buf []byte) (frame, error) {
	var block [frameAlign]byte
	switch n, err := io.ReadFull(r, block[:]); {
	case errors.Is(err, io.EOF):
		return frame{}, errNoFrame
	case errors.Is(err, io.ErrUnexpectedEOF) && n < frameHeader:
		return frame{}, errBadFrame
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return frame{}, err
	}
	f, size, sum, err := parseHeader(block[:frameHeader])
	if err != nil {
		return frame{}, err
	}
	if f.payload, err = readPayload(r, block[frameHeader:], size, buf); err != nil {
		return frame{}, err
	}
	if crc32.Checksum(f.payload, castagnoli()) != sum {
		return frame{}, errBadFrame
	}
	return f, f.check()
}

// readPayload reads size bytes, of which the first are in head, and the padding after them. Memory grows with
// what is there, not with what the header says.
func readPayload(r io.Reader, head []byte, size int, buf []byte) ([]byte, error) {
	padded := paddedLen(size) - frameHeader
	buf = append(buf[:0], head[:min(len(head), padded)]...)
	const step = 1 << 20
	for len(buf) < padded {
		n := min(padded-len(buf), step)
		from := len(buf)
		buf = append(buf, make([]byte, n)...)
		switch _, err := io.ReadFull(r, buf[from:]); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errBadFrame
		case err != nil:
			return nil, err
		}
	}
	return buf[:size], nil
}

// check holds the payload against its form, so that applying it cannot fail.
func (f *frame) check() error {
	for i := range f.entries {
		s, image := f.entry(i)
		if s == 0 || s > f.high || checkImage(s, image) != nil {
			return errBadFrame
		}
	}
	return f.meta(func(string, []byte) {})
}

// appendEntry appends a record to a payload, zeros when image is nil.
func appendEntry(b []byte, s Slot, image []byte) []byte {
	b = append(b, make([]byte, entryLen)...)
	binary.LittleEndian.PutUint32(b[len(b)-entryLen:], uint32(s))
	copy(b[len(b)-slotSize:], image)
	return b
}

// entry is the i-th record.
func (f *frame) entry(i int) (Slot, []byte) {
	b := f.payload[i*entryLen:][:entryLen]
	return Slot(binary.LittleEndian.Uint32(b)), b[4:]
}

// meta calls fn for every named value; nil is one that goes.
func (f *frame) meta(fn func(key string, value []byte)) error {
	rest := f.payload[f.entries*entryLen:]
	for len(rest) > 0 {
		keyLen, n := binary.Uvarint(rest)
		if n <= 0 {
			return errBadFrame
		}
		valueLen, m := binary.Uvarint(rest[n:])
		rest = rest[n+max(m, 0):]
		if m <= 0 || keyLen > maxKey || valueLen > maxValue+1 {
			return errBadFrame
		}
		size := int(keyLen)
		if valueLen > 0 {
			size += int(valueLen) - 1
		}
		if size > len(rest) {
			return errBadFrame
		}
		var value []byte
		if valueLen > 0 {
			value = rest[keyLen:size:size]
		}
		fn(string(rest[:keyLen]), value)
		rest = rest[size:]
	}
	return nil
}

// appendMeta appends a named value to a payload; nil is one that goes.
func appendMeta(b []byte, key string, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	if value == nil {
		b = binary.AppendUvarint(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(value))+1)
	}
	return append(append(b, key...), value...)
}

// String names a frame in an error.
func (f *frame) String() string { return fmt.Sprintf("frame %d of log %d", f.seq, f.log) }

package tsdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/prometheus/prometheus/util/compression"
)

// The framing of a write-ahead log: pages, and in them pieces of records with a header of one byte for
// kind and compression, two for the length and four for a checksum.
const (
	pageSize   = 32 << 10
	headerSize = 7
	maxRecord  = 256 << 20 // after decompression; Prometheus writes records of megabytes at most

	pieceNone   = 0 // the rest of the page is empty
	pieceFull   = 1
	pieceFirst  = 2
	pieceMiddle = 3
	pieceLast   = 4

	kindMask   = 0x07
	snappyMask = 0x08
	zstdMask   = 0x10
)

var errTorn = errors.New("the last record is cut off")

// records gives the records of one segment after another. It stands for the reader of Prometheus'
// package wlog, which imports the testing libraries of that project.
type records struct {
	in     *bufio.Reader
	offset int64
	piece  [pageSize]byte
	whole  []byte
	buffer compression.DecodeBuffer
}

func newRecords(in io.Reader) *records {
	return &records{in: bufio.NewReaderSize(in, 4*pageSize), buffer: compression.NewSyncDecodeBuffer()}
}

// next gives the next record, valid until the next call; io.EOF after the last, errTorn when the segment
// ends inside one.
func (r *records) next() ([]byte, error) {
	r.whole = r.whole[:0]
	inside := false
	for {
		kind, method, data, err := r.read()
		if errors.Is(err, io.EOF) && inside {
			return nil, errTorn
		}
		if err != nil {
			return nil, err
		}
		if kind == pieceNone {
			continue
		}
		if starts := kind == pieceFull || kind == pieceFirst; starts == inside {
			return nil, fmt.Errorf("at byte %d: a piece of kind %d does not belong here", r.offset, kind)
		}
		r.whole = append(r.whole, data...)
		if len(r.whole) > maxRecord {
			return nil, fmt.Errorf("at byte %d: a record is longer than %d bytes", r.offset, maxRecord)
		}
		inside = kind == pieceFirst || kind == pieceMiddle
		if !inside {
			return r.unpack(method)
		}
	}
}

// read reads one piece. The piece is pieceNone when there is none on the rest of the page.
func (r *records) read() (kind int, method compression.Type, data []byte, err error) {
	head, err := r.in.Peek(1)
	if err != nil {
		return 0, "", nil, io.EOF
	}
	kind = int(head[0] & kindMask)
	if kind == pieceNone {
		n, err := r.in.Discard(int(pageSize - r.offset%pageSize))
		r.offset += int64(n)
		if err != nil {
			return 0, "", nil, io.EOF
		}
		return pieceNone, "", nil, nil
	}
	if kind > pieceLast {
		return 0, "", nil, fmt.Errorf("at byte %d: there is no kind of piece %d", r.offset, kind)
	}
	method = compression.None
	switch {
	case head[0]&snappyMask != 0:
		method = compression.Snappy
	case head[0]&zstdMask != 0:
		method = compression.Zstd
	}
	if _, err := io.ReadFull(r.in, r.piece[:headerSize]); err != nil {
		return 0, "", nil, errTorn
	}
	length, sum := int(binary.BigEndian.Uint16(r.piece[1:])), binary.BigEndian.Uint32(r.piece[3:])
	if length > pageSize-headerSize {
		return 0, "", nil, fmt.Errorf("at byte %d: a piece is %d bytes long", r.offset, length)
	}
	data = r.piece[headerSize : headerSize+length]
	if _, err := io.ReadFull(r.in, data); err != nil {
		return 0, "", nil, errTorn
	}
	if got := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); got != sum {
		return 0, "", nil, fmt.Errorf("at byte %d: the checksum does not match", r.offset)
	}
	r.offset += int64(headerSize + length)
	return kind, method, data, nil
}

func (r *records) unpack(method compression.Type) ([]byte, error) {
	if method == compression.Snappy {
		if n, used := binary.Uvarint(r.whole); used <= 0 || n > maxRecord {
			return nil, fmt.Errorf("at byte %d: a record cannot be unpacked", r.offset)
		}
	}
	out, err := compression.Decode(method, r.whole, r.buffer)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", r.offset, err)
	}
	return out, nil
}

package httpin

import (
	"bytes"
	"io"
)

// linesBuffer is memory for reading lines.
type linesBuffer struct {
	buf  []byte // what was read; what was not given out yet is from on
	from int
}

// next gives out the next lines, which are valid until the next call, and says how many they are: chunk of them, or
// fewer when they are chunkBytes long together. With io.EOF they are the last, be it none, and the very last may have no
// end; with another error what it gives is of no use.
func (b *linesBuffer) next(r io.Reader) (part []byte, n int, err error) {
	at, seen := b.from, b.from // where the last whole line ends, and how far was looked for the next end
	for {
		for n < chunk && at-b.from < chunkBytes && seen < len(b.buf) {
			length := bytes.IndexByte(b.buf[seen:], '\n') + 1
			if length == 0 {
				seen = len(b.buf)
				break
			}
			seen += length
			at = seen
			n++
		}
		switch {
		case n >= chunk || at-b.from >= chunkBytes:
			part, b.from = b.buf[b.from:at], at
			return part, n, nil
		case err != nil:
			if at < len(b.buf) {
				n++
			}
			part, b.from = b.buf[b.from:], len(b.buf)
			return part, n, err
		}
		moved := b.makeRoom()
		at, seen = at-moved, seen-moved
		err = b.read(r)
	}
}

// makeRoom makes room behind what was read, and returns by how much that has moved.
func (b *linesBuffer) makeRoom() int {
	const least = 64 << 10
	moved := b.from
	if moved > 0 {
		b.buf, b.from = b.buf[:copy(b.buf, b.buf[b.from:])], 0
	}
	if len(b.buf) == cap(b.buf) { // doubled, so that it ends at 2 MiB, which is kept
		b.buf = append(make([]byte, 0, max(least, 2*cap(b.buf))), b.buf...)
	}
	return moved
}

// read reads at least one byte.
func (b *linesBuffer) read(r io.Reader) error {
	for range 100 {
		n, err := r.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// reset leaves out what was read. The memory is kept unless it is that of one very long line.
func (b *linesBuffer) reset() {
	if b.buf, b.from = b.buf[:0], 0; cap(b.buf) > 2*chunkBytes {
		b.buf = nil
	}
}

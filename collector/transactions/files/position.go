package files

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
)

// place is where a file's content lies, whatever it is called. The system gives an inode away again once the
// file is removed, so it is believed only together with a mark.
type place struct{ dev, inode uint64 }

// mark says how far a content has been read, and knows it again wherever it lies: renamed, copied, compressed.
type mark struct {
	offset  int64 // of the first byte that has not been read
	line    int64 // lines before it
	headLen int   // bytes at the beginning that head is of
	head    uint64
	tail    uint64 // of the bytes before offset
}

const (
	// sumBytes is how much of the beginning and of what was read last a mark holds sums of.
	sumBytes = 256
	// sumLeast is how much must have been read before a content can be known again in another place.
	sumLeast = 64
)

// holds reports whether r, of this size, begins with what the mark was made of.
func (m mark) holds(r io.ReaderAt, size int64) (bool, error) {
	if m.offset == 0 || size < m.offset {
		return m.offset == 0, nil
	}
	head, err := sumAt(r, 0, m.headLen)
	if err != nil || head != m.head {
		return false, err
	}
	n := min(m.offset, sumBytes)
	tail, err := sumAt(r, m.offset-n, int(n))
	return err == nil && tail == m.tail, err
}

// at makes the mark of r read up to offset.
func (m mark) at(r io.ReaderAt, offset, line int64) (mark, error) {
	n := min(offset, sumBytes)
	next := mark{offset: offset, line: line, headLen: m.headLen, head: m.head}
	var err error
	if next.tail, err = sumAt(r, offset-n, int(n)); err != nil {
		return m, err
	}
	if int64(m.headLen) < n {
		next.headLen = int(n)
		next.head, err = sumAt(r, 0, next.headLen)
	}
	return next, err
}

// sumAt is the sum of n bytes, at most sumBytes, of r at offset. A file that has become shorter has another.
func sumAt(r io.ReaderAt, offset int64, n int) (uint64, error) {
	var buf [sumBytes]byte
	got, err := r.ReadAt(buf[:n], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return xxhash.Sum64(buf[:got]), nil
}

// placed is a tailed file as a position keeps it.
type placed struct {
	place
	mark
}

// position is what a source keeps with its events.
type position struct {
	files  []placed        // logs
	left   []mark          // of contents whose file is gone or holds another one now, latest last
	done   map[uint64]bool // keys of documents and archives that were read and are still there
	failed map[uint64]bool // those that could not be read to their end
}

// maxLeft bounds how many contents are known again after their file is gone.
const maxLeft = 50

// key identifies one state of a file that is read whole.
func key(f found) uint64 {
	return xxhash.Sum64String(fmt.Sprint(f.dev, f.inode, f.size, f.changed.UnixNano()))
}

// String writes a position, one file a line behind the number of the format:
//
//	1
//	f 2049 131 4711 12 256 9ae16a3b2f90404f c2b2ae3d27d4eb4f
//	l 4711 12 256 9ae16a3b2f90404f c2b2ae3d27d4eb4f
//	d 27d4eb4fc2b2ae3d
func (p position) String() string {
	b := []byte("1\n")
	for _, f := range p.files {
		b = fmt.Appendf(b, "f %d %d %s\n", f.dev, f.inode, f.mark)
	}
	for _, m := range p.left {
		b = fmt.Appendf(b, "l %s\n", m)
	}
	for _, k := range slices.Sorted(maps.Keys(p.done)) {
		b = fmt.Appendf(b, "d %x\n", k)
	}
	for _, k := range slices.Sorted(maps.Keys(p.failed)) {
		b = fmt.Appendf(b, "x %x\n", k)
	}
	return string(b)
}

func (m mark) String() string {
	return fmt.Sprintf("%d %d %d %x %x", m.offset, m.line, m.headLen, m.head, m.tail)
}

// parsePosition reads what String wrote; of the empty text it makes an empty position.
func parsePosition(text string) (position, error) {
	p := position{done: map[uint64]bool{}, failed: map[uint64]bool{}}
	if text == "" {
		return p, nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] != "1" {
		return p, errors.New("not a position of files of this version")
	}
	for i, line := range lines[1:] {
		if err := p.parseLine(line); err != nil {
			return position{done: map[uint64]bool{}, failed: map[uint64]bool{}}, fmt.Errorf("line %d: %w", i+2, err)
		}
	}
	return p, nil
}

func (p *position) parseLine(line string) error {
	letter, rest, _ := strings.Cut(line, " ")
	var f placed
	var k uint64
	var n, want int
	var err error
	m := &f.mark
	switch letter {
	case "f":
		want = 7
		n, err = fmt.Sscanf(rest, "%d %d %d %d %d %x %x", &f.dev, &f.inode, &m.offset, &m.line, &m.headLen, &m.head, &m.tail)
		p.files = append(p.files, f)
	case "l":
		want = 5
		n, err = fmt.Sscanf(rest, "%d %d %d %x %x", &m.offset, &m.line, &m.headLen, &m.head, &m.tail)
		p.left = append(p.left, *m)
	case "d", "x":
		want = 1
		n, err = fmt.Sscanf(rest, "%x", &k)
		if letter == "d" {
			p.done[k] = true
		} else {
			p.failed[k] = true
		}
	default:
		return fmt.Errorf("got %q, allowed: f, l, d, x", letter)
	}
	if err != nil || n != want || m.offset < 0 || m.line < 0 || m.headLen < 0 || m.headLen > sumBytes {
		return errors.New("not as this version writes it")
	}
	return nil
}

// leave remembers a content whose file is gone or holds another one now.
func (p *position) leave(m mark) {
	if m.offset < sumLeast || slices.Contains(p.left, m) {
		return
	}
	p.left = append(p.left, m)
	if n := len(p.left) - maxLeft; n > 0 {
		p.left = slices.Delete(p.left, 0, n)
	}
}

// found is one file that a look has found.
type found struct {
	place
	path    string
	size    int64
	changed time.Time
}

func foundAt(path string, info os.FileInfo) (found, error) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return found{}, errors.New("the system does not say where the file lies")
	}
	return found{place{uint64(sys.Dev), sys.Ino}, path, info.Size(), info.ModTime()}, nil //nolint:unconvert // an int32 on macOS
}

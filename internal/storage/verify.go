package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"
)

// The tree's own library trusts its file: on a damaged one it asserts, or faults on its mapping,
// partly in goroutines where nobody can catch it. So the file is read here first, page by page,
// without mapping it. This follows the layout of bbolt's format version 2.
const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	pageHeaderSize = 16
	elementSize    = 16
	flagBranch     = 0x01
	flagLeaf       = 0x02
	flagFreelist   = 0x10
	bucketElement  = 0x01
	maxTreeDepth   = 64
)

// meta is a valid header of the file.
type meta struct {
	pageSize             int64
	root, freelist, high uint64
	txid                 uint64
}

// walker reads the tree of one file.
type walker struct {
	f       io.ReaderAt
	size    int64 // of f in bytes
	meta    meta
	visited map[uint64]bool
	// tolerate makes the walk go on beside a damaged branch; lost counts what was given up.
	tolerate bool
	lost     int
	each     func(key, sealed []byte)
}

// readMeta returns the younger of the two headers that are intact.
func readMeta(f io.ReaderAt) (meta, error) {
	var best meta
	found := false
	for _, pageSize := range []int64{4096, 1024, 2048, 8192, 16384, 32768, 65536} {
		for i := range int64(2) {
			b := make([]byte, pageHeaderSize+64)
			if _, err := f.ReadAt(b, i*pageSize); err != nil {
				continue
			}
			m, ok := parseMeta(b[pageHeaderSize:])
			if ok && m.pageSize == pageSize && (!found || m.txid > best.txid) {
				best, found = m, true
			}
		}
	}
	if !found {
		return meta{}, errors.New("no intact header")
	}
	return best, nil
}

func parseMeta(b []byte) (meta, bool) {
	le := binary.LittleEndian
	h := fnv.New64a()
	_, _ = h.Write(b[:56])
	if le.Uint32(b) != boltMagic || le.Uint32(b[4:]) != boltVersion || le.Uint64(b[56:]) != h.Sum64() {
		return meta{}, false
	}
	return meta{pageSize: int64(le.Uint32(b[8:])), root: le.Uint64(b[16:]), freelist: le.Uint64(b[32:]), high: le.Uint64(b[40:]), txid: le.Uint64(b[48:])}, true
}

// page reads page id with its overflow pages.
func (w *walker) page(id uint64) (flags uint16, count int, body []byte, err error) {
	if id < 2 || id >= w.meta.high {
		return 0, 0, nil, fmt.Errorf("page %d does not exist", id)
	}
	if w.visited[id] {
		return 0, 0, nil, fmt.Errorf("page %d is used twice", id)
	}
	head := make([]byte, pageHeaderSize)
	if _, err := w.f.ReadAt(head, int64(id)*w.meta.pageSize); err != nil {
		return 0, 0, nil, fmt.Errorf("page %d: %w", id, err)
	}
	le := binary.LittleEndian
	overflow := uint64(le.Uint32(head[12:]))
	if le.Uint64(head) != id || id+overflow >= w.meta.high || int64(id+overflow+1)*w.meta.pageSize > w.size {
		return 0, 0, nil, fmt.Errorf("page %d has a wrong header", id)
	}
	for i := id; i <= id+overflow; i++ {
		if w.visited[i] {
			return 0, 0, nil, fmt.Errorf("page %d is used twice", i)
		}
		w.visited[i] = true
	}
	body = make([]byte, int64(overflow+1)*w.meta.pageSize)
	if _, err := w.f.ReadAt(body, int64(id)*w.meta.pageSize); err != nil {
		return 0, 0, nil, fmt.Errorf("page %d: %w", id, err)
	}
	return le.Uint16(head[8:]), int(le.Uint16(head[10:])), body[pageHeaderSize:], nil
}

// element returns the i-th entry of a branch or leaf: its first words, key and value. Positions in
// the file count from the entry itself.
func element(body []byte, leaf bool, i int) (head uint64, key, value []byte, err error) {
	at := i * elementSize
	if at+elementSize > len(body) {
		return 0, nil, nil, errors.New("more entries than the page holds")
	}
	le, e := binary.LittleEndian, body[at:]
	pos, ksize, vsize := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(0)
	head = le.Uint64(e[8:])
	if leaf {
		head, pos, ksize, vsize = uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
	}
	if pos+ksize+vsize > uint64(len(e)) {
		return 0, nil, nil, errors.New("an entry reaches beyond its page")
	}
	return head, e[pos : pos+ksize], e[pos+ksize : pos+ksize+vsize], nil
}

// tree walks the pages below id in order of keys. low is the first key that may occur.
func (w *walker) tree(id uint64, low []byte, top bool, depth int) error {
	if depth > maxTreeDepth {
		return errors.New("the tree is deeper than it can be")
	}
	flags, count, body, err := w.page(id)
	if err != nil {
		return err
	}
	if flags != flagBranch && flags != flagLeaf {
		return fmt.Errorf("page %d is neither branch nor leaf", id)
	}
	return w.entries(node{body, count, flags == flagLeaf, top}, low, depth)
}

// node is one page of the tree, or a bucket's inline one.
type node struct {
	body  []byte
	count int
	leaf  bool
	top   bool // of the tree of buckets, where no values may stand
}

func (w *walker) entries(n node, low []byte, depth int) error {
	for i := range n.count {
		head, key, value, err := element(n.body, n.leaf, i)
		if err == nil && (bytes.Compare(key, low) < 0 || (i > 0 && bytes.Equal(key, low))) {
			err = fmt.Errorf("key %q is out of order", key)
		}
		if err == nil {
			low = key
			switch {
			case !n.leaf:
				err = w.tree(head, key, n.top, depth+1)
			case head == bucketElement:
				err = w.bucket(value, depth)
			case n.top:
				err = fmt.Errorf("value %q outside any bucket", key)
			default:
				w.each(key, value)
			}
		}
		if err == nil {
			continue
		}
		if !w.tolerate {
			return err
		}
		w.lost++
	}
	return nil
}

// bucket walks a bucket: a header with the root page, or 0 and the page itself inline.
func (w *walker) bucket(value []byte, depth int) error {
	if len(value) < 16 {
		return errors.New("a bucket is cut short")
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, false, depth+1)
	}
	if len(value) < 16+pageHeaderSize {
		return errors.New("an inline bucket is cut short")
	}
	head, body := value[16:], value[16+pageHeaderSize:]
	return w.entries(node{body, int(binary.LittleEndian.Uint16(head[10:])), true, false}, nil, depth+1)
}

// free checks that every page is either in use or free, and none both.
func (w *walker) free() error {
	_, count, body, err := w.page(w.meta.freelist)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	if count == 0xFFFF {
		count = int(min(binary.LittleEndian.Uint64(body), uint64(w.size)))
		body = body[8:]
	}
	if 8*count > len(body) {
		return errors.New("free list is longer than its page")
	}
	for i := range count {
		id := binary.LittleEndian.Uint64(body[8*i:])
		if id < 2 || id >= w.meta.high || w.visited[id] {
			return fmt.Errorf("page %d is listed as free and is not", id)
		}
		w.visited[id] = true
	}
	if in := uint64(len(w.visited)) + 2; in != w.meta.high {
		return fmt.Errorf("%d of %d pages are neither in use nor free", w.meta.high-in, w.meta.high)
	}
	return nil
}

// verify reads the whole file at path and returns an error that wraps ErrCorrupted when anything
// is not as it was written, ErrLocked when another process has the file, and nil when there is no
// file.
func verify(path string) error {
	return inspect(path, func(f *os.File, size int64) error {
		m, err := readMeta(f)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupted, err)
		}
		if need := int64(m.high) * m.pageSize; size < need {
			return fmt.Errorf("%w: file has %d bytes, its header says %d", ErrCorrupted, size, need)
		}
		w := walker{f: f, size: size, meta: m, visited: map[uint64]bool{}}
		var bad error
		w.each = func(key, sealed []byte) {
			if _, err := unseal(string(key), sealed); err != nil {
				bad = err
			}
		}
		if err := w.tree(m.root, nil, true, 0); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupted, err)
		}
		if bad != nil {
			return bad
		}
		if err := w.free(); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupted, err)
		}
		return nil
	})
}

// inspect calls fn with the file at path under an exclusive lock.
func inspect(path string, fn func(f *os.File, size int64) error) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return ErrLocked
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return fn(f, info.Size())
}

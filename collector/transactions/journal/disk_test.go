package journal

import (
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// memoryDisk is a disk that can lose power: what was not synced is then there, or not, or in part, sector by
// sector. It can also fail a single operation.
type memoryDisk struct {
	mu      sync.Mutex
	names   map[string]*inode
	onDisk  map[string]*inode // names as of the last Sync
	changes []func(names map[string]*inode)
	inodes  []*inode

	operations int
	cutAt      int // the operation at which power fails; 0: none
	changing   int // operations that change something
	failAt     int // the one of those that fails, 0: none, and how
	failure    error
	tear       *rand.Rand // of a failing write, what is written of it; of a failing sync, what is lost; nil: nothing
	pace       *pace      // nil: operations take no time
}

// pace is how long operations take, on the clock of a synctest bubble. What runs beside what is then up to the
// seed, not to the machine. What is drawn for a file does not depend on what else goes on.
type pace struct {
	seed uint64
	of   map[string]*rand.Rand // by operation and file
}

func newPace(seed uint64) *pace { return &pace{seed: seed, of: map[string]*rand.Rand{}} }

// takeTime returns when an operation that changes something is done, at very different paces.
func (d *memoryDisk) takeTime(operation, name string) {
	if d.pace == nil {
		return
	}
	d.mu.Lock()
	key := operation + name
	rnd := d.pace.of[key]
	if rnd == nil {
		rnd = rand.New(rand.NewPCG(d.pace.seed, uint64(crc32.ChecksumIEEE([]byte(key)))))
		d.pace.of[key] = rnd
	}
	wait := rnd.Int64N(1 << (20 + rnd.IntN(20)))
	d.mu.Unlock()
	<-time.After(time.Duration(wait))
}

type inode struct {
	now, onDisk []byte
	changes     []change
}

// change is one write, or with nil data a new length.
type change struct {
	at   int64
	data []byte
}

func (c change) to(b []byte) []byte {
	end := int(c.at) + len(c.data)
	if c.data == nil && end < len(b) {
		return b[:end]
	}
	if grown := end - len(b); grown > 0 {
		b = append(b, make([]byte, grown)...)
	}
	copy(b[c.at:], c.data)
	return b
}

// errPower is what every operation gets after power failed.
var errPower = errors.New("power failed")

func newMemoryDisk() *memoryDisk {
	return &memoryDisk{names: map[string]*inode{}, onDisk: map[string]*inode{}}
}

// operation counts one, and reports how it fails.
func (d *memoryDisk) operation() error {
	if err := d.reading(); err != nil {
		return err
	}
	d.changing++
	if d.changing == d.failAt {
		return d.failure
	}
	return nil
}

// reading is operation for what needs no room.
func (d *memoryDisk) reading() error {
	d.operations++
	if d.cutAt > 0 && d.operations >= d.cutAt {
		return errPower
	}
	return nil
}

func (d *memoryDisk) rename(apply func(names map[string]*inode)) {
	apply(d.names)
	d.changes = append(d.changes, apply)
}

func (d *memoryDisk) Open(name string, create bool) (file, error) {
	d.takeTime("open", name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operation(); err != nil {
		return nil, err
	}
	n := d.names[name]
	switch {
	case n == nil && !create:
		return nil, fs.ErrNotExist
	case n == nil:
		n = &inode{}
		d.inodes = append(d.inodes, n)
		d.rename(func(names map[string]*inode) { names[name] = n })
	case create:
		n.write(change{})
	}
	return &memoryFile{disk: d, name: name, inode: n}, nil
}

func (d *memoryDisk) Rename(from, to string) error {
	d.takeTime("rename", from)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operation(); err != nil {
		return err
	}
	n := d.names[from]
	if n == nil {
		return fs.ErrNotExist
	}
	d.rename(func(names map[string]*inode) { names[to] = n; delete(names, from) })
	return nil
}

func (d *memoryDisk) Remove(name string) error {
	d.takeTime("remove", name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operation(); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	d.rename(func(names map[string]*inode) { delete(names, name) })
	return nil
}

func (d *memoryDisk) Names() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.names)), d.reading()
}

func (d *memoryDisk) Sync() error {
	d.takeTime("sync", "")
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operation(); err != nil {
		return err
	}
	d.onDisk, d.changes = maps.Clone(d.names), nil
	return nil
}

func (d *memoryDisk) Close() error { return nil }

// crash is what the next process finds: the disk after power failed or, one time in three, after only the process
// was killed.
func (d *memoryDisk) crash(rnd *rand.Rand) *memoryDisk {
	if rnd.IntN(3) == 0 {
		d.cutAt = 0
		return d
	}
	return d.afterCrash(rnd)
}

// synced is a copy of a disk of which everything was synced.
func (d *memoryDisk) synced() *memoryDisk { return d.afterCrash(rand.New(rand.NewPCG(0, 0))) }

// afterCrash is the disk as it may be found once power is back.
func (d *memoryDisk) afterCrash(rnd *rand.Rand) *memoryDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.onDisk)
	for _, apply := range d.changes[:rnd.IntN(len(d.changes)+1)] { // file systems keep the order of these
		apply(names)
	}
	next := newMemoryDisk()
	next.pace = d.pace
	lucky := rnd.IntN(4) // 0: nothing that was not synced is lost, 1: all is
	for _, n := range d.inodes {
		content := slices.Clone(n.onDisk)
		for _, c := range n.changes {
			switch {
			case lucky == 0 || lucky > 1 && c.data == nil && rnd.IntN(2) == 0:
				content = c.to(content)
			case lucky > 1 && c.data != nil:
				content = c.torn(content, rnd)
			}
		}
		fresh := &inode{now: content, onDisk: slices.Clone(content)}
		for name, of := range names {
			if of == n {
				next.names[name], next.onDisk[name] = fresh, fresh
			}
		}
		next.inodes = append(next.inodes, fresh)
	}
	return next
}

// torn applies some sectors of a write.
func (c change) torn(b []byte, rnd *rand.Rand) []byte {
	const sector = 512
	keep := rnd.IntN(3) // one in so many is lost; 0: about half of them
	for from := 0; from < len(c.data); {
		to := min(from+sector-int(c.at+int64(from))%sector, len(c.data))
		if lost := keep == 0 && rnd.IntN(2) == 0 || keep > 0 && rnd.IntN(keep*20) == 0; !lost {
			b = change{at: c.at + int64(from), data: c.data[from:to]}.to(b)
		}
		from = to
	}
	return b
}

type memoryFile struct {
	disk  *memoryDisk
	name  string // when it was opened
	inode *inode
}

func (f *memoryFile) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.reading(); err != nil {
		return 0, err
	}
	if at > int64(len(f.inode.now)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.now[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (n *inode) write(c change) {
	n.now = c.to(n.now)
	n.changes = append(n.changes, c)
}

func (f *memoryFile) WriteAt(b []byte, at int64) (int, error) {
	f.disk.takeTime("write", f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.operation()
	n := len(b)
	if err != nil {
		if n = 0; f.disk.tear != nil {
			n = min(f.disk.tear.IntN(len(b)*3/2+1), len(b))
		}
	}
	f.inode.write(change{at: at, data: append([]byte{}, b[:n]...)})
	return n, err
}

func (f *memoryFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.inode.now)), f.disk.reading()
}

func (f *memoryFile) Reserve(size int64) error {
	f.disk.takeTime("reserve", f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operation(); err != nil {
		return err
	}
	if size > int64(len(f.inode.now)) {
		f.inode.write(change{at: size})
	}
	return nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.disk.takeTime("truncate", f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operation(); err != nil {
		return err
	}
	f.inode.write(change{at: size})
	return nil
}

func (f *memoryFile) Sync() error {
	f.disk.takeTime("sync", f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operation(); err != nil {
		if rnd := f.disk.tear; rnd != nil { // Linux takes pages for written then that are not, and no later sync writes them
			f.inode.changes = slices.DeleteFunc(f.inode.changes, func(c change) bool { return c.data != nil && rnd.IntN(2) == 0 })
		}
		return err
	}
	for _, c := range f.inode.changes {
		f.inode.onDisk = c.to(f.inode.onDisk)
	}
	f.inode.changes = nil
	return nil
}

func (f *memoryFile) Close() error { return nil }

func diskFull() error { return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC} }

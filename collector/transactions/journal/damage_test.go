package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// layLog fills a disk with one log of commits that each set n and keep one record more, and returns the disk and
// where each frame begins.
func layLog(t *testing.T, commits int) (d *memoryDisk, frames []int64) {
	t.Helper()
	d = newMemoryDisk()
	j, err := open(d, Options{CheckpointBytes: 1 << 16})
	check(t, err)
	for n := range commits {
		frames = append(frames, j.redo.end)
		tx := j.Begin()
		_, err := tx.Insert(Record{Refs: [3]Ref{testRef(n)}, Value: int64(n)})
		check(t, err)
		tx.SetMeta("n", fmt.Append(nil, n+1))
		check(t, tx.Commit())
	}
	frames = append(frames, j.redo.end)
	abandon(j)
	return d.afterCrash(rand.New(rand.NewPCG(0, 0))), frames
}

func content(d *memoryDisk, name string) *[]byte { return &d.names[name].now }

// commitsIn opens the journal and counts the commits it has, of which each must be whole.
func commitsIn(t *testing.T, d *memoryDisk) (int, error) {
	t.Helper()
	j, err := open(d, Options{CheckpointBytes: 1 << 16})
	if err != nil {
		return 0, err
	}
	defer func() { check(t, j.Close()) }()
	n := 0
	check(t, j.Scan(func(_ Slot, r Record) error {
		if r.Value != int64(n) {
			t.Fatalf("record %d has value %d", n, r.Value)
		}
		n++
		return nil
	}))
	if got := string(j.Meta("n")); n > 0 && got != fmt.Sprint(n) {
		t.Fatalf("%d records, but n is %s", n, got)
	}
	return n, nil
}

// TestLogCutAnywhere cuts the log at every tenth byte: the commits before are there.
func TestLogCutAnywhere(t *testing.T) {
	laid, frames := layLog(t, 20)
	for cut := frames[0]; cut < frames[20]+50; cut += 10 {
		d := laid.synced()
		log := content(d, logName(1))
		*log = (*log)[:cut]
		clear(*content(d, slotsName)) // as if nothing of them had been written
		*content(d, slotsName) = append([]byte(slotsHeader), make([]byte, 200)...)
		want := 0 // frames that are there but for their padding
		for want < 20 && cut >= frames[want]+frameHeader+entryLen+int64(len(appendMeta(nil, "n", fmt.Append(nil, want+1)))) {
			want++
		}
		got, err := commitsIn(t, d)
		if err != nil || got != want {
			t.Fatalf("cut at byte %d: %d commits, %v; want %d", cut, got, err, want)
		}
	}
}

// TestDamageIsNamed changes single bytes: of the log before its last frame, of the slots. What is damaged is said
// with file and place, and never opened.
func TestDamageIsNamed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	laid, frames := layLog(t, 20)
	for range 300 {
		d := laid.synced()
		frame := rnd.IntN(19)
		at := frames[frame] + rnd.Int64N(frameHeader+entryLen)
		(*content(d, logName(1)))[at] ^= 1 << rnd.IntN(8)
		_, err := commitsIn(t, d)
		wantError(t, err, ErrCorrupted)
		if want := fmt.Sprintf("log-1: byte %d: ", frames[frame]); !strings.Contains(err.Error(), want) {
			t.Fatalf("byte %d: got %q, want %q in it", at, err, want)
		}
	}
	for range 300 {
		d := laid.synced()
		n, err := commitsIn(t, d) // closes it: the slots are all there is
		if check(t, err); n != 20 {
			t.Fatalf("%d commits", n)
		}
		at := rnd.IntN(21 * slotSize)
		if at%slotSize == slotSize-1 || at >= len(slotsHeader) && at < slotSize {
			continue // unused
		}
		(*content(d, slotsName))[at] ^= 1 << rnd.IntN(8)
		_, err = commitsIn(t, d)
		wantError(t, err, ErrCorrupted)
		if want := fmt.Sprintf("slots, byte %d: ", at/slotSize*slotSize); at >= slotSize && !strings.Contains(err.Error(), want) {
			t.Fatalf("byte %d: got %q, want %q in it", at, err, want)
		}
	}
}

func TestLossIsNoticed(t *testing.T) {
	for name, lose := range map[string]func(d *memoryDisk){
		"a slot is empty":          func(d *memoryDisk) { clear((*content(d, slotsName))[3*slotSize : 4*slotSize]) },
		"two slots are exchanged":  func(d *memoryDisk) { exchange((*content(d, slotsName))[3*slotSize : 5*slotSize]) },
		"the slots are cut":        func(d *memoryDisk) { *content(d, slotsName) = (*content(d, slotsName))[:7*slotSize] },
		"the log is gone":          func(d *memoryDisk) { delete(d.names, logName(2)) },
		"the slots are gone":       func(d *memoryDisk) { delete(d.names, slotsName) },
		"the log is another's":     func(d *memoryDisk) { d.names[logName(9)] = d.names[logName(2)]; delete(d.names, logName(2)) },
		"the log is empty":         func(d *memoryDisk) { *content(d, logName(2)) = nil },
		"the slots have no header": func(d *memoryDisk) { clear((*content(d, slotsName))[:slotSize]) },
	} {
		d, _ := layLog(t, 20)
		_, err := commitsIn(t, d)
		check(t, err)
		lose(d)
		if _, err = commitsIn(t, d); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func exchange(two []byte) {
	half := slices.Clone(two[:len(two)/2])
	copy(two, two[len(two)/2:])
	copy(two[len(two)/2:], half)
}

// FuzzReadFrame reads frames from any bytes. What it takes for a frame is one that can be written again, to the
// byte but for the padding.
func FuzzReadFrame(f *testing.F) {
	image := make([]byte, slotSize)
	r := Record{Refs: [3]Ref{testRef(1)}, Value: 5}
	r.encode(3, image)
	payload := appendMeta(appendEntry(make([]byte, frameHeader), 3, image), "key", []byte("value"))
	fr := frame{log: 1, seq: 2, kind: kindChange, live: 1, high: 3, entries: 1}
	f.Add(fr.seal(payload))
	base := frame{log: 1, seq: 1, kind: kindBase}
	f.Add(base.seal(appendMeta(make([]byte, frameHeader), "gone", nil)))
	f.Add(make([]byte, frameAlign))
	f.Add([]byte(frameMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := readFrame(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		for i := range fr.entries {
			if s, image := fr.entry(i); checkImage(s, image) != nil || s > fr.high {
				t.Errorf("slot %d is taken though it is wrong", s)
			}
		}
		again := fr.seal(append(make([]byte, frameHeader), fr.payload...))
		n := frameHeader + len(fr.payload)
		if !bytes.Equal(again[8:48], b[8:48]) || !bytes.Equal(again[frameHeader:n], b[frameHeader:n]) {
			t.Errorf("%x\nis written again as\n%x", b, again)
		}
	})
}

// FuzzMeta reads named values from any bytes. What it takes, written and read again, is the same.
func FuzzMeta(f *testing.F) {
	f.Add(appendMeta(appendMeta(nil, "a", []byte("b")), "c", nil))
	f.Add(appendMeta(nil, "", []byte{}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var written []byte
		read := func(b []byte) (all []string, err error) {
			fr := frame{payload: b}
			err = fr.meta(func(key string, value []byte) {
				all = append(all, fmt.Sprintf("%q %q %t", key, value, value == nil))
				written = appendMeta(written, key, value)
			})
			return all, err
		}
		first, err := read(b)
		if err != nil {
			return
		}
		again := slices.Clone(written)
		if second, err := read(again); err != nil || !slices.Equal(first, second) {
			t.Errorf("%x gives %v, written and read again %v %v", b, first, second, err)
		}
	})
}

// A record that the disk gives back otherwise than it was written names itself, and once shelved no longer comes due;
// the others do.
func TestDamagedRecordIsShelved(t *testing.T) {
	d := newMemoryDisk()
	j, err := open(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	tx := j.Begin()
	for i := range 3 {
		if _, err := tx.Insert(Record{Refs: [3]Ref{{byte(i + 1)}}, TimerMs: int64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err = open(d, Options{}); err != nil {
		t.Fatal(err)
	}
	(*content(d, slotsName))[1*slotSize+60] ^= 1
	tx = j.Begin()
	_, err = tx.Read(1)
	var damage *DamagedError
	if !errors.As(err, &damage) || damage.Slot != 1 || !errors.Is(err, ErrCorrupted) {
		t.Fatalf("got %v", err)
	}
	tx.Shelve(1)
	tx.Discard()
	if got := j.Due(10, 10); !slices.Equal(got, []Slot{2, 3}) {
		t.Errorf("due: %v", got)
	}
}

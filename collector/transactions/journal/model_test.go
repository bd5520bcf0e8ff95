package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/assayer-io/assayer/slo/money"
)

// model is what a journal should hold, as plainly as can be said.
type model struct {
	records map[Slot]Record
	meta    map[string]string
}

func newModel() model { return model{records: map[Slot]Record{}, meta: map[string]string{}} }

func (m model) clone() model {
	return model{records: maps.Clone(m.records), meta: maps.Clone(m.meta)}
}

func (m model) find(ref Ref) (Slot, bool) {
	for s, r := range m.records {
		if ref != (Ref{}) && slices.Contains(r.Refs[:], ref) {
			return s, true
		}
	}
	return 0, false
}

// taken reports whether another record than that of slot has one of the refs.
func (m model) taken(slot Slot, r Record) bool {
	for _, ref := range r.Refs {
		if s, ok := m.find(ref); ok && s != slot {
			return true
		}
	}
	return false
}

// testRef has little to tell refs apart by, so that some of them are the same.
func testRef(n int) (r Ref) {
	binary.BigEndian.PutUint64(r[4:], uint64(n))
	return r
}

func randomRecord(rnd *rand.Rand, refs int) Record {
	r := Record{
		Parent: testRef(rnd.IntN(3)), Lane: uint16(rnd.Uint32()), State: uint8(rnd.Uint32()), Class: uint8(rnd.Uint32()),
		Flags: uint16(rnd.Uint32()), Seen: rnd.Uint32(), Peer: rnd.Uint32(), Day: int32(rnd.Uint32()),
		Amount: money.Minor{Hi: rnd.Uint64(), Lo: rnd.Uint64()}, Value: int64(rnd.Uint64()),
		ReceivedMs: int64(rnd.Uint64()), DeadlineMs: int64(rnd.Uint64()), ChangedMs: int64(rnd.Uint64()),
		TimerMs: rnd.Int64N(50) * rnd.Int64N(2) * 100,
	}
	for i := range r.Refs {
		if rnd.IntN(2) == 0 {
			r.Refs[i] = testRef(rnd.IntN(refs))
		}
	}
	return r
}

// step does one random thing to both, in a transaction that is open.
func step(t *testing.T, rnd *rand.Rand, tx *Tx, m model) {
	t.Helper()
	slots := slices.Sorted(maps.Keys(m.records))
	pick := func() Slot {
		if len(slots) == 0 || rnd.IntN(20) == 0 {
			return Slot(rnd.IntN(500))
		}
		return slots[rnd.IntN(len(slots))]
	}
	switch r := randomRecord(rnd, 300); rnd.IntN(6) {
	case 0, 1:
		s, err := tx.Insert(r)
		if m.taken(0, r) {
			wantError(t, err, ErrTaken)
			return
		}
		check(t, err)
		if _, ok := m.records[s]; ok || s == 0 {
			t.Fatalf("Insert gave slot %d, which is in use", s)
		}
		m.records[s] = r
	case 2, 3:
		s := pick()
		_, exists := m.records[s]
		switch err := tx.Update(s, r); {
		case !exists:
			wantError(t, err, ErrNoRecord)
		case m.taken(s, r):
			wantError(t, err, ErrTaken)
		default:
			check(t, err)
			m.records[s] = r
		}
	case 4:
		s := pick()
		_, exists := m.records[s]
		switch err := tx.Delete(s); {
		case !exists:
			wantError(t, err, ErrNoRecord)
		default:
			check(t, err)
			delete(m.records, s)
		}
	case 5:
		key := fmt.Sprint("m", rnd.IntN(5))
		if rnd.IntN(4) == 0 {
			tx.SetMeta(key, nil)
			delete(m.meta, key)
			return
		}
		m.meta[key] = fmt.Sprint(rnd.Uint64())
		tx.SetMeta(key, []byte(m.meta[key]))
	}
}

// compareTx holds what a transaction sees against the model.
func compareTx(t *testing.T, rnd *rand.Rand, tx *Tx, m model) {
	t.Helper()
	for range 5 {
		ref := testRef(rnd.IntN(300))
		if rnd.IntN(2) == 0 {
			tx.Expect([]Ref{{}, ref, testRef(rnd.IntN(300))})
		}
		want, wantOK := m.find(ref)
		if s, ok, err := tx.Find(ref); s != want || ok != wantOK || err != nil {
			t.Fatalf("Find(%x): %d %t %v, want %d %t", ref, s, ok, err, want, wantOK)
		}
		s := Slot(rnd.IntN(300))
		r, err := tx.Read(s)
		if wantRecord, ok := m.records[s]; !ok {
			wantError(t, err, ErrNoRecord)
		} else if check(t, err); r != wantRecord {
			t.Fatalf("Read(%d): %+v, want %+v", s, r, wantRecord)
		}
	}
}

// compare holds everything that is committed against the model.
func compare(t *testing.T, j *Journal, m model) {
	t.Helper()
	got := model{records: map[Slot]Record{}, meta: map[string]string{}}
	last := Slot(0)
	check(t, j.Scan(func(s Slot, r Record) error {
		if s <= last {
			t.Fatalf("Scan: slot %d after %d", s, last)
		}
		last = s
		got.records[s] = r
		return nil
	}))
	check(t, j.ScanMeta("", func(key string, value []byte) error {
		got.meta[key] = string(value)
		return nil
	}))
	if !maps.Equal(got.records, m.records) || !maps.Equal(got.meta, m.meta) || j.Len() != len(m.records) {
		t.Fatalf("journal (%d):\n%v\nwant (%d):\n%v", j.Len(), got, len(m.records), m)
	}
	tx := j.Begin()
	defer tx.Discard()
	for n := range 300 {
		want, wantOK := m.find(testRef(n))
		if s, ok, err := tx.Find(testRef(n)); s != want || ok != wantOK || err != nil {
			t.Fatalf("Find(%d): %d %t %v, want %d %t", n, s, ok, err, want, wantOK)
		}
	}
	compareDue(t, j, m)
}

func compareDue(t *testing.T, j *Journal, m model) {
	t.Helper()
	var times []int64
	for _, r := range m.records {
		if r.TimerMs > 0 {
			times = append(times, r.TimerMs)
		}
	}
	slices.Sort(times)
	if ms, ok := j.NextTimer(); ok != (len(times) > 0) || ok && ms != times[0] {
		t.Fatalf("NextTimer: %d %t, want the first of %v", ms, ok, times)
	}
	for _, now := range []int64{0, 99, 100, 2400, 2499, 1e9} {
		for _, limit := range []int{1, 7, 1e6} {
			want, _ := slices.BinarySearch(times, now+1)
			due := j.Due(now, limit)
			if len(due) != min(want, limit) {
				t.Fatalf("Due(%d, %d) gives %d, want %d of %v", now, limit, len(due), want, times)
			}
			seen := map[Slot]bool{}
			for i, s := range due {
				if m.records[s].TimerMs != times[i] || seen[s] {
					t.Fatalf("Due(%d, %d): slot %d at %d is due at %d, want %d, once", now, limit, s, i, m.records[s].TimerMs, times[i])
				}
				seen[s] = true
			}
		}
	}
}

// TestSameAsModel does thousands of random things to a journal and to a map, and opens the journal anew in between.
func TestSameAsModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			d := disk(newMemoryDisk())
			o := Options{CheckpointBytes: 1 + rnd.Int64N(60_000), waitingMax: 1 + rnd.IntN(60)}
			j, err := open(d, o)
			check(t, err)
			m := newModel()
			for range 300 {
				tx, next := j.Begin(), m.clone()
				for range rnd.IntN(12) {
					step(t, rnd, tx, next)
					compareTx(t, rnd, tx, next)
				}
				switch rnd.IntN(5) {
				case 0:
					tx.Discard()
				case 1:
					check(t, tx.Commit())
					m = next
				default:
					_, err := tx.Launch()
					check(t, err)
					m = next
				}
				switch rnd.IntN(30) {
				case 0:
					check(t, j.Close())
					j, err = open(d, o)
					check(t, err)
				case 1:
					var b bytes.Buffer
					check(t, j.Backup(&b))
					check(t, j.Close())
					d = newMemoryDisk()
					check(t, restore(d, &b))
					j, err = open(d, o)
					check(t, err)
				case 2, 3:
					compare(t, j, m)
				}
			}
			compare(t, j, m)
			check(t, j.Close())
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

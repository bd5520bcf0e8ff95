package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
)

// workload runs random transactions until one fails or count are done, and returns what the journal must hold:
// after the last acknowledged one, and, if one failed, after that.
func workload(t *testing.T, rnd *rand.Rand, j *Journal, m model, count int) (acked, failed model, err error) {
	t.Helper()
	for range count {
		tx, next := j.Begin(), m.clone()
		for range 1 + rnd.IntN(8) {
			step(t, rnd, tx, next)
		}
		if err := tx.Commit(); err != nil {
			return m, next, err
		}
		m = next
	}
	return m, m, nil
}

// readAll is what a journal holds, in the form of the model.
func readAll(t *testing.T, j *Journal) model {
	t.Helper()
	m := newModel()
	check(t, j.Scan(func(s Slot, r Record) error { m.records[s] = r; return nil }))
	check(t, j.ScanMeta("", func(key string, value []byte) error { m.meta[key] = string(value); return nil }))
	return m
}

func (m model) equal(o model) bool {
	return maps.Equal(m.records, o.records) && maps.Equal(m.meta, o.meta)
}

// TestPowerFailsAnywhere cuts power, or kills the process, at every fourth operation of each of four workloads, which
// are every operation between them, and again while the journal recovers. All that was acknowledged must be there, and of the transaction that was not, all or nothing.
// What checkpoints do beside commits is up to the seed alone.
func TestPowerFailsAnywhere(t *testing.T) {
	const workloads = 4
	for seed := range uint64(workloads) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for cutAt := 1 + int(seed); powerFails(t, seed, cutAt); cutAt += workloads {
				}
			})
		})
	}
}

// powerOptions are for short logs, and for slots that are written often. Their frames replace zeros, but when large
// is set those that are longer than a few hundred bytes: they are large then.
func powerOptions(large bool) Options {
	o := Options{CheckpointBytes: 12_000, waitingMax: 12}
	if !large {
		o.zerosAhead = largeFrame * int(o.CheckpointBytes)
	}
	return o
}

// powerFails cuts power once, and perhaps more while the journal recovers; false when the workload ended before.
func powerFails(t *testing.T, seed uint64, cutAt int) bool {
	t.Helper()
	o := powerOptions(seed%2 == 0)
	rnd := rand.New(rand.NewPCG(seed, 7))
	d := newMemoryDisk()
	d.cutAt, d.pace = cutAt, newPace(seed)
	acked, failed := newModel(), newModel()
	j, err := open(d, o)
	if err == nil {
		acked, failed, err = workloadUnderPower(t, rnd, j)
	}
	if err == nil {
		return false
	}
	wantError(t, err, errPower)
	abandon(j)
	crash := rand.New(rand.NewPCG(seed, uint64(cutAt)))
	d = d.crash(crash)
	for range crash.IntN(4) { // and once more while it recovers
		d.cutAt = d.operations + 1 + crash.IntN(40)
		if j, err = open(d, o); err == nil {
			_ = j.Close()
		}
		d = d.crash(crash)
	}
	j, err = open(d, o)
	if err != nil {
		t.Fatalf("power fails at operation %d: %v", cutAt, err)
	}
	got := readAll(t, j)
	if !got.equal(acked) && !got.equal(failed) {
		t.Fatalf("power fails at operation %d: got %d records, %v; want %d, %v", cutAt, len(got.records), got.meta, len(acked.records), acked.meta)
	}
	// What was recovered is fit for use.
	m, _, err := workload(t, rnd, j, got, 3)
	check(t, err)
	compare(t, j, m)
	check(t, j.Close())
	return true
}

// TestLogsComeBack kills the process anywhere in recovery, so that the disk may not have taken away yet the logs
// that it did, and then power fails anywhere in the recovery of the next process.
func TestLogsComeBack(t *testing.T) {
	recovery := func(d *memoryDisk, cutAt int) (lasted bool) {
		d.cutAt = d.operations + cutAt
		j, err := open(d, Options{})
		if err == nil {
			err = j.Close()
		}
		if err != nil {
			wantError(t, err, errPower)
		}
		d.cutAt = 0
		return err == nil
	}
	laid, _ := layLog(t, 20)
	for killAt, lasted := 1, false; !lasted; killAt++ {
		for cutAt, lastedToo := 1, false; !lastedToo; cutAt++ {
			for seed := range uint64(2) {
				d := laid.synced()
				lasted = recovery(d, killAt)
				lastedToo = recovery(d, cutAt)
				d = d.afterCrash(rand.New(rand.NewPCG(seed, uint64(killAt*1000+cutAt))))
				if n, err := commitsIn(t, d); n != 20 || err != nil {
					t.Fatalf("killed at operation %d, power fails at operation %d: %d commits, %v", killAt, cutAt, n, err)
				}
			}
		}
	}
}

// workloadUnderPower is workload and Close, where reads may fail too, and most transactions are made while the one
// before is on its way to the disk.
func workloadUnderPower(t *testing.T, rnd *rand.Rand, j *Journal) (acked, failed model, err error) {
	t.Helper()
	acked = newModel()
	flight, flown := j.last, acked // the transaction on its way, and what there is with it
	// lost is what there may be when power has failed while next was made: the last that is on disk, or one more.
	lost := func(next model, err error) (model, model, error) {
		if flight.Wait() != nil {
			return acked, flown, err // next was not written: the one before had not landed
		}
		return flown, next, err
	}
	for range 40 {
		tx, next := j.Begin(), flown.clone()
		for range 1 + rnd.IntN(8) {
			r := randomRecord(rnd, 1<<40)
			switch s, err := tx.Insert(r); {
			case errors.Is(err, errPower):
				tx.Discard()
				return lost(flown, err)
			case err != nil: // the same ref twice by chance
			default:
				next.records[s] = r
			}
		}
		for _, s := range slices.Sorted(maps.Keys(flown.records)) {
			if rnd.IntN(4) > 0 {
				continue
			}
			r := randomRecord(rnd, 1<<40)
			err := tx.Update(s, r)
			if err == nil && rnd.IntN(3) == 0 {
				if err = tx.Delete(s); err == nil {
					delete(next.records, s)
					continue
				}
			}
			if errors.Is(err, errPower) {
				tx.Discard()
				return lost(flown, err)
			}
			check(t, err)
			next.records[s] = r
		}
		next.meta["n"] = fmt.Sprint(len(next.records))
		tx.SetMeta("n", []byte(next.meta["n"]))
		launched, err := tx.Launch()
		if err != nil {
			return lost(next, err)
		}
		acked, flight, flown = flown, launched, next
		if rnd.IntN(4) == 0 {
			if err := flight.Wait(); err != nil {
				return lost(next, err)
			}
		}
	}
	if err := j.Close(); err != nil {
		return lost(flown, err)
	}
	return flown, flown, nil
}

// abandon gives back what a journal without power holds of the process. It may be nil.
func abandon(j *Journal) {
	if j != nil {
		_ = j.last.Wait() // without power nobody is told
		_ = j.checkpointed()
		_ = j.free()
	}
}

// TestDiskFull fails every third operation with a full disk: that transaction fails and says why, nothing
// of it can be seen, and the next is kept.
func TestDiskFull(t *testing.T) {
	for dice := range uint64(diskFullDice) {
		unsure := 0
		for failAt := 0; failAt < 250; failAt += 3 {
			synctest.Test(t, func(t *testing.T) {
				if diskFills(t, failAt, dice) {
					unsure++
				}
			})
		}
		if unsure == 0 || unsure > 66 {
			t.Fatalf("%d failures that leave the disk's state unknown: not what this test is about", unsure)
		}
	}
}

// diskFullDice is how often each operation fails, with other dice each time: what is lost of it is up to them.
const diskFullDice = 6

// diskFills fails one operation after a journal is open, and reports whether that was a sync, after which nobody
// knows what is on disk.
func diskFills(t *testing.T, failAt int, dice uint64) (unsure bool) {
	t.Helper()
	seed := uint64(failAt) | dice<<32
	rnd := rand.New(rand.NewPCG(seed, 3))
	d := newMemoryDisk()
	j, err := open(d, powerOptions(failAt%2 == 0))
	check(t, err)
	d.failAt, d.failure, d.pace = d.changing+1+failAt, diskFull(), newPace(seed)
	d.tear = rand.New(rand.NewPCG(seed, 4)) // its own: slots are written beside the workload, which draws too
	m, failed, err := workload(t, rnd, j, newModel(), 60)
	if err == nil {
		reopen(t, rnd, j, m)
		return false
	}
	wantError(t, err, syscall.ENOSPC)
	if errors.As(err, new(unsureError)) {
		tx := j.Begin()
		tx.SetMeta("k", []byte("v"))
		wantError(t, tx.Commit(), syscall.ENOSPC)
		wantError(t, j.Close(), syscall.ENOSPC)
		j, err := open(d.afterCrash(rnd), Options{})
		check(t, err)
		if got := readAll(t, j); !got.equal(m) && !got.equal(failed) {
			t.Fatalf("operation %d failed: got %d records, %v; want %d, %v", failAt, len(got.records), got.meta, len(m.records), m.meta)
		}
		check(t, j.Close())
		return true
	}
	compare(t, j, m)
	if rnd.IntN(2) == 0 {
		m, _, err = workload(t, rnd, j, m, 20)
		check(t, err)
		compare(t, j, m)
	}
	reopen(t, rnd, j, m)
	return false
}

// reopen leaves a journal, or closes it, perhaps on a full disk, and expects to find all of it after a crash.
func reopen(t *testing.T, rnd *rand.Rand, j *Journal, m model) {
	t.Helper()
	if rnd.IntN(2) == 0 {
		abandon(j)
	} else if err := j.Close(); err != nil {
		wantError(t, err, syscall.ENOSPC)
	}
	d, _ := j.disk.(*memoryDisk)
	j, err := open(d.afterCrash(rnd), Options{})
	check(t, err)
	compare(t, j, m)
	check(t, j.Close())
}

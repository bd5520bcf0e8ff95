package journal

import (
	"errors"
	"testing"
	"testing/synctest"
)

// gate is a disk whose logs are synced only when a test says so, and how that ends. Logs are opened by one name.
type gate struct {
	*memoryDisk
	shut bool
	sync chan error
}

func (g *gate) Open(name string, create bool) (file, error) {
	f, err := g.memoryDisk.Open(name, create)
	if err == nil && name == newLog {
		f = gatedFile{f, g}
	}
	return f, err
}

type gatedFile struct {
	file
	gate *gate
}

func (f gatedFile) Sync() error {
	if f.gate.shut {
		if err := <-f.gate.sync; err != nil {
			return err
		}
	}
	return f.file.Sync()
}

// openGate opens a journal in which the record of ref 1 is on its way to the disk.
func openGate(t *testing.T) (*gate, *Journal, *Flight) {
	t.Helper()
	g := &gate{memoryDisk: newMemoryDisk(), sync: make(chan error)}
	j, err := open(g, Options{})
	check(t, err)
	g.shut = true
	tx := j.Begin()
	_, err = tx.Insert(Record{Refs: [3]Ref{testRef(1)}, TimerMs: 5})
	check(t, err)
	flight, err := tx.Launch()
	check(t, err)
	return g, j, flight
}

func landed(f *Flight) bool {
	synctest.Wait()
	select {
	case <-f.Done():
		return true
	default:
		return false
	}
}

// The next transaction is made on top of one that is on its way, but is not written before that is on disk.
func TestOneFlightAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, j, first := openGate(t)
		tx := j.Begin()
		s, found, err := tx.Find(testRef(1))
		check(t, err)
		if !found || landed(first) {
			t.Fatalf("found %t; landed %t before the disk had it", found, landed(first))
		}
		check(t, tx.Update(s, Record{Refs: [3]Ref{testRef(1)}, State: 2}))
		before, launched := g.changing, make(chan *Flight)
		go func() {
			f, err := tx.Launch()
			check(t, err)
			launched <- f
		}()
		synctest.Wait()
		if g.changing != before {
			t.Fatalf("%d operations while the transaction before was on its way", g.changing-before)
		}
		g.sync <- nil
		second := <-launched
		check(t, first.Wait())
		if landed(second) {
			t.Fatal("the second has landed before the disk had it")
		}
		// What changes nothing has seen what is on its way.
		tx = j.Begin()
		third, err := tx.Launch()
		check(t, err)
		if landed(third) {
			t.Fatal("an empty transaction has landed before what it saw")
		}
		g.sync <- nil
		check(t, second.Wait())
		check(t, third.Wait())
		g.shut = false
		check(t, j.Close())
	})
}

// When the disk does not take a transaction, whatever was built on it fails too, and what only saw it.
func TestFlightFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, j, first := openGate(t)
		broken := errors.New("the disk is broken")
		tx := j.Begin()
		seen, err := tx.Launch()
		check(t, err)
		tx = j.Begin()
		tx.SetMeta("k", []byte("v"))
		g.sync <- broken
		wantError(t, first.Wait(), broken)
		wantError(t, seen.Wait(), broken)
		before := g.changing
		wantError(t, tx.Commit(), broken)
		wantError(t, j.Begin().Commit(), broken)
		if g.changing != before {
			t.Fatal("something was written after a sync had failed")
		}
		wantError(t, j.Backup(nil), broken)
		wantError(t, j.Close(), broken)
	})
}

package transactions

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sent is a batch that was put, and not necessarily answered.
type sent struct {
	t       *testing.T
	done    bool
	receipt Receipt
	err     error
}

// shutRig runs a tracker whose disk is slow, in a bubble, until stop is called.
func shutRig(t *testing.T) (r *rig, send func(Batch) *sent, stop func()) {
	r = newRig(t, func(rules *Rules) { rules.Config.Reconcile = map[string]time.Duration{"sct-inst": time.Hour} })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { must(t, r.Run(ctx)) })
	synctest.Wait() // it writes the names of states first
	r.shut, r.disk = true, make(chan error)
	send = func(b Batch) *sent {
		s := &sent{t: t}
		wg.Go(func() {
			s.receipt, s.err = r.Put(t.Context(), b)
			s.done = true
		})
		synctest.Wait()
		return s
	}
	return r, send, func() { cancel(); wg.Wait(); r.shut = false }
}

func (s *sent) answered(want bool) {
	s.t.Helper()
	if s.done != want {
		s.t.Fatalf("answered: %t", s.done)
	}
}

// What is told while a group is on its way to the disk is made meanwhile, and nothing is answered for or shows before
// it is on disk, nor is it called told before.
func TestNothingShowsBeforeItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, send, stop := shutRig(t)
		first := send(Batch{Events: []Event{r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "settled")}, Source: "feed", Position: "1"})
		again := send(Batch{Events: []Event{r.event("a", "sct-inst", "received")}})
		more := send(Batch{Events: []Event{r.event("b", "sct-inst", "received"), r.event("b", "sct-inst", "settled"), r.event("c", "sct-inst", "received")}, Source: "feed", Position: "2"})
		first.answered(false)
		again.answered(false)
		if r.shows(); r.Position("feed") != "" || r.Summaries()[0].Cycles != nil {
			t.Errorf("at %q, %+v", r.Position("feed"), r.Summaries()[0].Cycles)
		}
		r.disk <- nil
		synctest.Wait()
		first.answered(true)
		again.answered(false)
		more.answered(false)
		r.shows(total("sct-inst", "good", "good", "good", 1))
		if got := r.Summaries()[0].Cycles; r.Position("feed") != "1" || len(got) != 1 || got[0].Ours.Count != 1 {
			t.Errorf("at %q, %+v", r.Position("feed"), got)
		}
		r.disk <- nil
		synctest.Wait()
		stop()
		if first.err != nil || first.receipt.Accepted != 2 || again.err != nil || again.receipt.Duplicates != 1 || more.err != nil || more.receipt.Accepted != 3 {
			t.Errorf("%+v, %+v, %+v", first, again, more)
		}
		for range 2 {
			r.shows(total("sct-inst", "good", "good", "good", 2), gauge("open", "sct-inst", 1))
			if got := r.Summaries()[0].Cycles; r.Position("feed") != "2" || len(got) != 1 || got[0].Ours.Count != 2 || got[0].Ours.Values["EUR"] != "2468" {
				t.Errorf("at %q, %+v", r.Position("feed"), got)
			}
			r.close()
			r.open()
		}
	})
}

// When the disk fails a group, what was made on top of it fails too, be it only that it had been told before.
func TestDiskFailsUnderway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, send, stop := shutRig(t)
		broken := errors.New("the disk is broken")
		first := send(Batch{Events: []Event{r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "settled")}, Source: "feed", Position: "1"})
		again := send(Batch{Events: []Event{r.event("a", "sct-inst", "received")}})
		r.disk <- broken
		synctest.Wait()
		later := send(Batch{Events: []Event{r.event("b", "sct-inst", "received")}})
		for _, s := range []*sent{first, again, later} {
			if s.answered(true); !errors.Is(s.err, broken) {
				t.Errorf("answered %+v, %v", s.receipt, s.err)
			}
		}
		if r.shows(); r.Position("feed") != "" || r.Summaries()[0].Cycles != nil {
			t.Errorf("at %q, %+v", r.Position("feed"), r.Summaries())
		}
		stop()
		if err := r.j.Close(); !errors.Is(err, broken) {
			t.Errorf("closed with %v", err)
		}
		r.open() // the disk has it after all
		r.shows(total("sct-inst", "good", "good", "good", 1))
	})
}

// TestEventsMayGoOnceRead clears events as soon as they are said to be read, before the disk has them, and expects what
// they said to be kept; those of a batch that is not taken are not said to be.
func TestEventsMayGoOnceRead(t *testing.T) {
	r := newRig(t, nil)
	events := []Event{r.event("p1", "sct-inst", "received"), r.event("p2", "sct-inst", "received"), r.event("p2", "sct-inst", "settled")}
	read := 0
	receipt, err := r.try(Batch{Events: events, Read: func() { clear(events); read++ }})
	must(t, err)
	if receipt.Accepted != 3 || read != 1 {
		t.Errorf("got %+v, read %d times", receipt, read)
	}
	r.shows(gauge("open", "sct-inst", 1), total("sct-inst", "good", "good", "good", 1))
	r.waiting.Add(maxWaiting)
	defer r.waiting.Add(-maxWaiting)
	if _, err := r.try(Batch{Events: []Event{r.event("p3", "sct-inst", "received")}, Read: func() { read++ }}); !errors.Is(err, ErrBusy) || read != 1 {
		t.Errorf("of a batch that is not taken: %v, read %d times", err, read)
	}
}

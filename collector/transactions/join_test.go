package transactions

import (
	"testing"
	"time"
)

// named is an event of a payment by its id, its scheme's reference or both.
func (r *rig) named(id, reference, state string) Event {
	e := r.event(id, "sct-inst", state)
	e.Reference = reference
	return e
}

// Two records that an event shows to be one movement count once, whatever was told of which, and stay one.
func TestTwoRecordsBecomeOne(t *testing.T) {
	good := total("sct-inst", "good", "good", "good", 1)
	for name, tell := range map[string]func(*rig){
		"both open": func(r *rig) {
			r.put(r.named("a", "", "received"), r.named("", "T1", "accepted"))
			r.shows(gauge("open", "sct-inst", 2))
			r.put(r.named("a", "T1", "sent"))
			r.shows(gauge("open", "sct-inst", 1))
			r.put(r.named("", "T1", "settled"))
		},
		"one has settled": func(r *rig) {
			r.put(r.named("", "T1", "received"), r.named("", "T1", "settled"), r.named("a", "", "received"))
			r.shows(gauge("open", "sct-inst", 1), good)
			r.put(r.named("a", "T1", "accepted"))
		},
		"by the end": func(r *rig) {
			r.put(r.named("", "T1", "received"), r.named("", "T1", "settled"), r.named("a", "", "received"))
			r.put(r.named("a", "T1", "settled"))
		},
		"the stronger name has settled": func(r *rig) {
			r.put(r.named("a", "", "received"), r.named("a", "", "settled"), r.named("", "T1", "accepted"))
			r.put(r.named("a", "T1", "sent"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			tell(r)
			r.shows(good)
			r.close()
			r.open()
			if got := r.put(r.named("a", "", "settled"), r.named("", "T1", "settled"), r.named("a", "T1", "received")); got.Accepted > 1 {
				t.Errorf("told again: %+v", got)
			}
			r.tick(time.Minute)
			r.shows(good)
		})
	}
}

// A deadline that has fired for one of the two stays fired, and the other's end ends both.
func TestLateRecordBecomesOneWithAnother(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.named("", "T1", "received"))
	r.tick(time.Minute)
	r.put(r.named("a", "", "sent"))
	r.put(r.named("a", "T1", "accepted"))
	late := total("sct-inst", "late", "bad", "bad", 1)
	r.shows(late, gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1))
	r.put(r.named("a", "", "settled"))
	r.shows(late)
}

// When both were counted already, it can be told and no more.
func TestTwoRecordsThatWereCounted(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.named("", "T1", "received"), r.named("a", "", "received"), r.named("a", "", "settled"))
	r.tick(time.Minute)
	r.put(r.named("a", "T1", "credited"))
	r.shows(total("sct-inst", "good", "good", "good", 1), total("sct-inst", "late", "bad", "bad", 1), gauge("open", "sct-inst", 1), gauge("overdue", "sct-inst", 1),
		gauge("conflicts_total", "sct-inst", 1))
}

// Movements of another amount, or with a name of their own beside the shared one, are others.
func TestRecordsThatStayTwo(t *testing.T) {
	r := newRig(t, nil)
	other := r.named("", "T1", "received")
	other.Amount = "99.00"
	own := r.named("b", "T2", "received")
	r.put(other, own, r.named("a", "", "received"))
	r.put(r.named("a", "T1", "accepted"), r.named("a", "T2", "sent"))
	r.shows(gauge("open", "sct-inst", 3))
}

// The other side's word and an end-to-end id of an earlier day come along.
func TestJoinedWithTheOtherSide(t *testing.T) {
	r := newRig(t, reconciled)
	theirs := r.event("", "sct", "settled")
	theirs.EndToEndID, theirs.External = "INV-7", true
	r.put(theirs, r.event("a", "sct", "received"))
	r.tick(30 * time.Minute)
	both := r.event("a", "sct", "sent")
	both.EndToEndID = "INV-7"
	r.put(both)
	r.tick(29 * time.Minute)
	r.shows(gauge("open", "sct", 1))
	r.tick(time.Minute) // an hour after the other side has told of it
	r.shows(gauge("open", "sct", 1), items("sct", "bad", 1), gauge("reconciliation_breaks", "sct", 1))
	r.put(r.event("a", "sct", "settled"))
	r.shows(total("sct", "good", "good", "good", 1), items("sct", "bad", 1))
	if c := r.Summaries()[0].Cycles; len(c) != 1 || c[0].Ours.Count != 1 || c[0].Told.Count != 1 {
		t.Errorf("cycles: %+v", c)
	}
}

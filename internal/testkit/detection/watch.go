package detection

import (
	"time"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// span is one firing; To is 0 while it lasts. Milliseconds since the trace began.
type span struct{ from, to int64 }

// firings is what one rule did over a trace.
type firings struct {
	pages, tickets []span
	// found is when the incident was first told of as loudly as it should be; 0: never.
	found  int64
	burned float64 // share of the month's budget burned by then
	blind  int64   // milliseconds for which it said that it does not know
}

func note(spans []span, on bool, now int64) []span {
	last := len(spans) - 1
	open := last >= 0 && spans[last].to == 0
	switch {
	case on && !open:
		return append(spans, span{from: now})
	case !on && open:
		spans[last].to = now
	}
	return spans
}

// saw takes a verdict in; bad is how many bad events of the incident there were so far.
func (f *firings) saw(v verdict, now int64, truth *traces.Truth, bad float64) {
	pages, tickets := len(f.pages), len(f.tickets)
	f.pages, f.tickets = note(f.pages, v.page, now), note(f.tickets, v.ticket, now)
	if f.found > 0 || truth.Want == traces.Nothing || now <= truth.Onset.Milliseconds() {
		return
	}
	if len(f.pages) > pages || truth.Want == traces.Ticket && len(f.tickets) > tickets {
		f.found, f.burned = now, bad
	}
}

// grace is how long after its end an incident can still be found: looks come late, nothing else.
const grace = time.Minute

// sample is what one rule did about one incident, or about a stretch without.
type sample struct {
	detect   time.Duration // from the onset; never if it was not found
	burned   float64
	pages    int           // that began while or after it happened
	early    int           // that began before, or where nothing happens
	wrong    int           // early ones, and those of an incident that burns too little to be worth one
	tickets  int           // where nothing happens at all
	reset    time.Duration // from the end; never if it still fired when the trace ended
	hasReset bool          // it was firing when the incident ended
	unknown  float64
}

// sum turns firings into what is reported of them.
func (f *firings) sum(t *traces.Trace) sample {
	truth := t.Truth
	s := sample{detect: never, unknown: float64(f.blind) / float64(t.Length.Milliseconds())}
	onset, end := truth.Onset.Milliseconds(), truth.End.Milliseconds()
	if f.found > 0 && f.found <= end+grace.Milliseconds() {
		s.detect, s.burned = time.Duration(f.found-onset)*time.Millisecond, f.burned/t.Budget()
	}
	if end == onset {
		s.tickets = len(f.tickets)
	}
	for _, p := range f.pages {
		of := end > onset && p.from > onset
		if of {
			s.pages++
		} else {
			s.early++
		}
		if !of || truth.Burned < traces.Worth && truth.Want != traces.Page {
			s.wrong++
		}
		if of && p.from <= end+grace.Milliseconds() && (p.to == 0 || p.to > end) {
			s.hasReset, s.reset = true, never
			if p.to != 0 {
				s.reset = time.Duration(p.to-end) * time.Millisecond
			}
		}
	}
	return s
}

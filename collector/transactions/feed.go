package transactions

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// What sources share: waiting, retrying, and complaining without end in sight but not without bounds.

// Pause waits for d, or less if ctx ends: then it returns why.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Bounds of the waits between two tries.
const (
	firstWait = 100 * time.Millisecond
	mostWait  = 30 * time.Second
)

// Retry waits between the tries of one thing, longer each time up to half a minute, and logs when it begins
// to fail and when it works again, not each time. The zero value with a Log can be used.
type Retry struct {
	Log  *slog.Logger
	What string // what is tried, for the log: "reading from Kafka"

	tries int
	since time.Time
}

// Failed says that a try has failed with err and waits for the next. It returns an error only when ctx ends.
func (r *Retry) Failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	wait := min(firstWait<<min(r.tries, 10), mostWait)
	if r.tries == 0 {
		r.since = time.Now()
		r.Log.Warn("failed, trying again until it works", "what", r.What, "err", err)
	}
	r.tries++
	return Pause(ctx, wait)
}

// Worked says that a try has succeeded; the next failure begins with a short wait.
func (r *Retry) Worked() {
	if r.tries > 0 {
		r.Log.Info("works again", "what", r.What, "tries", r.tries, "after", time.Since(r.since).Round(time.Millisecond))
	}
	r.tries = 0
}

// PutWhenFree puts b, and as long as the sink is busy, full or cannot write, tries again: the place that the
// events come from keeps them meanwhile. It returns an error only when ctx ends.
func PutWhenFree(ctx context.Context, sink Sink, b Batch, log *slog.Logger) (Receipt, error) {
	retry := Retry{Log: log, What: "storing events"}
	for {
		receipt, err := sink.Put(ctx, b)
		if err == nil {
			retry.Worked()
			return receipt, nil
		}
		if err := retry.Failed(ctx, err); err != nil {
			return Receipt{}, err
		}
	}
}

// Complaints log what cannot be used, at most complaintsAtOnce a minute; of the others only the number is told.
// It is safe for concurrent use.
type Complaints struct {
	Log *slog.Logger

	mu     sync.Mutex
	total  int64
	minute time.Time
	told   int
	kept   int64
}

const complaintsAtOnce = 10

// Tell logs one complaint, or counts it when there were too many in this minute. Its arguments must hold
// nothing that identifies a payment or a person.
func (c *Complaints) Tell(what string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	now := time.Now()
	if now.Sub(c.minute) >= time.Minute {
		if c.kept > 0 {
			c.Log.Warn("more of what was read could not be used", "not_shown", c.kept, "total", c.total)
		}
		c.minute, c.told, c.kept = now, 0, 0
	}
	if c.told >= complaintsAtOnce {
		c.kept++
		return
	}
	c.told++
	c.Log.Warn("a way in for transactions has trouble", append(append([]any{"what", what}, args...), "total", c.total)...)
}

// Total is how many complaints there were.
func (c *Complaints) Total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// BadLine is a line that could not be read.
type BadLine struct {
	Line int // from 0, within what was decoded
	Err  error
}

// DecodeLines decodes data, lines that each stand for themselves, in a format of one message a line. A line
// that cannot be read costs only itself. The events are in spare, or where that is too small in new memory.
func DecodeLines(dec Decoder, data []byte, spare []Event) (events []Event, bad []BadLine) {
	// An event takes more than 64 bytes to write; empty lines must not take memory.
	if most := len(data)/64 + 1; cap(spare) < most {
		if n := min(most, bytes.Count(data, []byte{'\n'})+1); cap(spare) < n {
			spare = make([]Event, 0, n)
		}
	}
	events = spare[:0]
	err := dec(bytes.NewReader(data), func(e Event) error {
		events = append(events, e)
		return nil
	})
	if err == nil {
		return events, nil
	}
	events = nil
	n := 0
	for line := range bytes.Lines(data) {
		found, err := DecodeAll(dec, line)
		events = append(events, found...)
		if err != nil && len(bytes.TrimSpace(line)) > 0 {
			// Decoders tell the line of what they were given, which is this one alone.
			bad = append(bad, BadLine{n, errors.New(strings.TrimPrefix(err.Error(), "line 1: "))})
		}
		n++
	}
	return events, bad
}

// LineOf returns the line, from 0, that the event of this index came from in what DecodeLines decoded; -1 if
// there is none. It decodes line by line once more, so it is for the few events that are refused.
func LineOf(dec Decoder, data []byte, index int) int {
	n := 0
	for line := range bytes.Lines(data) {
		found, _ := DecodeAll(dec, line) // what is wrong with it was told by DecodeLines
		if index -= len(found); index < 0 {
			return n
		}
		n++
	}
	return -1
}

// DecodeAll returns every event of data, and with an error those that came before the mistake.
func DecodeAll(dec Decoder, data []byte) ([]Event, error) {
	var events []Event
	err := dec(bytes.NewReader(data), func(e Event) error {
		events = append(events, e)
		return nil
	})
	return events, err
}

// PutAtOnce is how many events sources put at once.
const PutAtOnce = 1000

// Decoded is what messages held: events, and the message that each is of.
type Decoded[M any] struct {
	Events []Event
	Owners []M
}

// DecodeMessages decodes messages of one or several events each, whole or not at all; bad is told of the others.
func DecodeMessages[M any](dec Decoder, messages []M, content func(M) []byte, bad func(M, error)) Decoded[M] {
	var d Decoded[M]
	for _, m := range messages {
		events, err := DecodeAll(dec, content(m))
		if err != nil {
			bad(m, err)
			continue
		}
		d.Events = append(d.Events, events...)
		for range events {
			d.Owners = append(d.Owners, m)
		}
	}
	return d
}

// Put hands the events over, at most PutAtOnce at a time, until put gives an error. refused is told whose
// events were refused.
func (d Decoded[M]) Put(put func([]Event) (Receipt, error), refused func(M, error)) error {
	for from := 0; from < len(d.Events); from += PutAtOnce {
		receipt, err := put(d.Events[from:min(from+PutAtOnce, len(d.Events))])
		if err != nil {
			return err
		}
		for _, r := range receipt.Rejected {
			refused(d.Owners[from+r.Index], r.Err)
		}
	}
	return nil
}

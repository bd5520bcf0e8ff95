package slo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/assayer-io/assayer/collector"
)

// Scan calls fn for every stored key with the prefix, in order. Several calls may run at a time.
type Scan func(prefix string, fn func(key string, value []byte) error) error

// restoring is a set of objectives on its way into force.
type restoring struct {
	epoch   int64
	byID    map[uint64]*objective
	fresh   map[uint64]*objective // those of byID that have no counts yet
	targets map[collector.Target]*target
	dead    []string // stored keys that nothing needs any more
}

// read fills in the fresh objectives and, if first, the targets and the epoch. now decides what is
// too old to keep.
func (r *restoring) read(scan Scan, opts Options, now time.Time, first bool) error {
	active := map[string]bool{}
	if first {
		if err := r.readHead(scan, active); err != nil {
			return err
		}
	}
	loading, err := r.readObjectives(scan, opts, now, active)
	if err != nil {
		return err
	}
	if err := r.readBuckets(scan, loading); err != nil {
		return err
	}
	if err := r.readPins(scan, loading); err != nil {
		return err
	}
	if err := r.readHours(scan, loading); err != nil {
		return err
	}
	for _, o := range loading {
		if o != nil {
			o.ledger.rebucket(o.finest(), o.keep(opts))
			o.anchor(now.UnixMilli())
		}
	}
	if first {
		return r.readTargets(scan)
	}
	return nil
}

// readHead fills active with the objectives that were in force when the state was written; one that
// was not among them must not trust baselines from before.
func (r *restoring) readHead(scan Scan, active map[string]bool) error {
	err := scan(keyEngine, func(_ string, value []byte) error {
		var head storedEngine
		if err := json.Unmarshal(value, &head); err != nil {
			return fmt.Errorf("decoding engine state: %w", err)
		}
		if head.Version > stateVersion {
			return fmt.Errorf("%w: engine state %d, this one reads %d", ErrVersion, head.Version, stateVersion)
		}
		r.epoch = head.Epoch + 1
		for _, id := range head.Active {
			active[id] = true
		}
		return nil
	})
	for _, o := range r.fresh {
		o.epoch = r.epoch
	}
	return err
}

// readObjectives fills in everything but the buckets. The result maps stored objectives to the one
// being loaded, or to nil when they are to be deleted.
func (r *restoring) readObjectives(scan Scan, opts Options, now time.Time, active map[string]bool) (map[uint64]*objective, error) {
	loading := map[uint64]*objective{}
	oldest := now.AddDate(0, 0, -orphanDays).UnixMilli()
	err := scan(prefixMeta, func(key string, value []byte) error {
		var m storedObjective
		if err := json.Unmarshal(value, &m); err != nil {
			return fmt.Errorf("decoding objective %s: %w", key, err)
		}
		if m.Version > stateVersion {
			return fmt.Errorf("%w: objective %s %d, this one reads %d", ErrVersion, m.Name, m.Version, stateVersion)
		}
		id, err := strconv.ParseUint(strings.TrimPrefix(key, prefixMeta), 16, 64)
		if err != nil {
			return fmt.Errorf("decoding key %q: %w", key, err)
		}
		switch o := r.fresh[id]; {
		case o != nil:
			loading[id] = o
			o.load(&m, active[hex(id)])
		case r.group(id, &m, opts, now) != nil:
			loading[id] = r.byID[id]
			r.byID[id].load(&m, active[hex(id)])
		case r.byID[id] == nil && m.NowMs < oldest:
			loading[id] = nil
			r.dead = append(r.dead, key)
		}
		return nil
	})
	return loading, err
}

// group makes the group that a stored ledger belongs to, if its parent is among those to be filled in.
func (r *restoring) group(id uint64, m *storedObjective, opts Options, now time.Time) *objective {
	pid, err := strconv.ParseUint(m.Parent, 16, 64)
	parent := r.fresh[pid]
	if err != nil || parent == nil || parent.GroupBy == nil || len(m.Group) != len(parent.GroupBy.Labels) ||
		groupID(pid, parent.GroupBy.Labels, m.Group) != id || !parent.hasRoom() {
		return nil
	}
	child := parent.newGroup(m.Group, opts, now.UnixMilli())
	child.shownMs -= max(0, m.NowMs-cmp.Or(m.ShownMs, m.NowMs)) // while the agent was down nothing could be seen
	r.byID[id] = child
	return child
}

func (o *objective) load(m *storedObjective, continued bool) {
	if continued {
		o.epoch, o.watchedMs = m.Epoch, m.WatchedMs
	}
	o.totalsHigh, o.totalsDurable, o.runs = m.Totals, m.Totals, m.Runs
	lg := o.ledger
	lg.startMs, lg.firstMs, lg.nowMs, lg.cum = m.StartMs, m.FirstMs, m.NowMs, countsOf(m.Cum)
	if lg.firstMs == 0 { // as far as earlier versions knew
		lg.firstMs = lg.startMs
	}
	o.paceMs = m.PaceMs
	o.blindMs, o.met = m.BlindMs, m.BlindMs != 0
	for i := range lg.levels {
		if i < len(m.Levels) && m.Levels[i].sound() {
			l := &lg.levels[i]
			l.widthMs, l.first, l.open = m.Levels[i].WidthMs, m.Levels[i].First, m.Levels[i].Next
			l.held = merge([]bucketSpan{{l.first, l.open}})
		}
	}
	for _, k := range m.Marks {
		lg.marks = append(lg.marks, mark{k.At, countsOf(k.Cum)})
	}
	for i := range o.tiers {
		t := &o.tiers[i]
		t.restore(m.Firing[t.Name])
	}
	if o.sequential != nil {
		o.sequential.restore(m.Fast)
		o.fast.restore(m.Firing[FastTier])
	}
	if s := o.slicer; s != nil {
		if m.Slices != nil {
			s.open = m.Slices
		}
		s.closed = m.Closed
		if s.hours != nil {
			s.merge(m.Hours)
		}
	}
}

// readBuckets fills the levels. A chunk that is missing, after a repair, repeats the bucket before it:
// its events are then taken to have happened later, never twice. Where the oldest are missing, coarser
// levels take over.
//
// Levels are read side by side: they are most of a restart and share nothing.
func (r *restoring) readBuckets(scan Scan, loading map[uint64]*objective) error {
	var readers [levelCount]levelReader
	for i := range readers {
		readers[i].prefix = prefixChunks + strconv.Itoa(i) + "/"
	}
	for _, id := range slices.Sorted(maps.Keys(loading)) {
		for i := range readers {
			s := slot{id: id}
			if o := loading[id]; o != nil {
				s.level = &o.ledger.levels[i]
				s.from, s.end = chunks(s.level.first, s.level.open)
				s.level.sealed = unknownChunks(s.end - s.from)
			}
			readers[i].slots = append(readers[i].slots, s)
		}
	}
	var reading sync.WaitGroup
	for i := range readers {
		reading.Go(func() { readers[i].read(scan) })
	}
	reading.Wait()
	var failed error
	for _, l := range readers {
		r.dead = append(r.dead, l.dead...)
		failed = errors.Join(failed, l.err)
	}
	return failed
}

// levelReader reads the chunks of one level of all objectives.
type levelReader struct {
	prefix string
	slots  []slot // in order of id, which is that of the keys of one chunk
	next   int    // the slot that the next key is likely to belong to
	dead   []string
	err    error
}

// slot is where the chunks of one objective go.
type slot struct {
	id        uint64
	level     *level // nil: they are to be deleted
	from, end int64
}

func (r *levelReader) read(scan Scan) {
	r.err = scan(r.prefix, func(key string, value []byte) error {
		_, at, id, err := parseChunkKey(key)
		if err != nil {
			return err
		}
		i, found := r.next, r.next < len(r.slots) && r.slots[r.next].id == id
		if !found {
			i, found = slices.BinarySearchFunc(r.slots, id, func(s slot, id uint64) int { return cmp.Compare(s.id, id) })
		}
		if !found {
			return nil
		}
		r.next = i + 1
		if s := &r.slots[i]; at >= s.from && at < s.end {
			s.level.sealed[at-s.from], err = readChunk(value)
			return err
		}
		r.dead = append(r.dead, key)
		return nil
	})
	for _, s := range r.slots {
		if s.level != nil {
			s.level.complete()
		}
	}
}

// unknownChunks makes room for n chunks that are still to be read.
func unknownChunks(n int64) []chunk {
	out := make([]chunk, n)
	for i := range out {
		out[i].from = noChunk
	}
	return out
}

// complete fills in for the chunks that are still not known and opens the last one.
func (l *level) complete() {
	known := slices.IndexFunc(l.sealed, func(c chunk) bool { return c.from != noChunk })
	if known < 0 {
		l.restart(l.open)
		return
	}
	start := (chunkOf(l.first) + int64(known)) * chunkBuckets
	l.sealed = slices.Delete(l.sealed, 0, known)
	if l.first = max(l.first, start+int64(l.sealed[0].from)); l.first >= l.open {
		l.restart(l.open)
		return
	}
	for i := range l.sealed {
		if c := &l.sealed[i]; c.from == noChunk {
			c.base = l.sealed[i-1].at(chunkBuckets - 1)
			c.from, c.exact = 0, !c.base.whole()
		}
	}
	if last := len(l.sealed) - 1; l.open%chunkBuckets != 0 {
		start := max(l.first, chunkOf(l.open)*chunkBuckets)
		var all [chunkBuckets]counts
		l.sealed[last].decode(&all)
		l.tail = append(make([]counts, 0, chunkBuckets), all[start-chunkOf(l.open)*chunkBuckets:][:l.open-start]...)
		l.sealed = slices.Delete(l.sealed, last, last+1)
	}
}

func (r *restoring) readPins(scan Scan, loading map[uint64]*objective) error {
	return r.readBeside(scan, prefixPins, loading, func(o *objective, value []byte) error { return o.ledger.pins.decode(value) })
}

// readBeside gives fn what is stored of each objective being loaded under a prefix of its own.
func (r *restoring) readBeside(scan Scan, prefix string, loading map[uint64]*objective, fn func(*objective, []byte) error) error {
	return scan(prefix, func(key string, value []byte) error {
		id, err := strconv.ParseUint(strings.TrimPrefix(key, prefix), 16, 64)
		if err != nil {
			return fmt.Errorf("decoding key %q: %w", key, err)
		}
		o, stored := loading[id]
		if stored && o == nil {
			r.dead = append(r.dead, key)
		}
		if o == nil {
			return nil
		}
		return fn(o, value)
	})
}

func (r *restoring) readTargets(scan Scan) error {
	r.targets = map[collector.Target]*target{}
	return scan(prefixTargets, func(key string, value []byte) error {
		t := &target{id: collector.Target(strings.TrimPrefix(key, prefixTargets)), series: map[uint64]*series{}}
		if err := t.decode(value, r.byID); err != nil {
			return fmt.Errorf("decoding target %s: %w", t.id, err)
		}
		r.targets[t.id] = t
		return nil
	})
}

// restore takes up a firing that began at sinceMs before the restart; 0: none.
func (t *tier) restore(sinceMs int64) {
	if t.sinceMs, t.firing = sinceMs, sinceMs != 0; t.firing {
		t.why = "was firing before the agent was restarted"
	}
}

package slo

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector"
)

// Store receives what a checkpoint writes. All of it must become durable together or not at all:
// counter baselines and counts belong together, and half of them would count events twice.
type Store interface {
	Set(key string, value []byte)
	Delete(key string)
}

// Keys. Chunks of buckets are ordered by time before objective, so that a checkpoint writes neighbours.
const (
	keyEngine     = "slo/engine"
	prefixMeta    = "slo/o/" // + objective
	prefixChunks  = "slo/c/" // + level / chunk / objective
	prefixPins    = "slo/p/" // + objective
	prefixHours   = "slo/h/" // + objective
	prefixTargets = "slo/t/" // + target

	stateVersion = 1
	// orphanDays is how long the ledger of an objective that is no longer configured is kept.
	orphanDays = 30
)

// ErrVersion: the stored state was written by a newer version.
var ErrVersion = errors.New("state was written by a newer version of assayer")

type storedEngine struct {
	Version int      `json:"version"`
	Epoch   int64    `json:"epoch"`
	Active  []string `json:"active"` // objectives in force when it was written
}

type storedObjective struct {
	Version   int              `json:"version"`
	Name      string           `json:"name"`
	Epoch     int64            `json:"epoch"`
	WatchedMs int64            `json:"watched_ms"`
	StartMs   int64            `json:"start_ms"`
	NowMs     int64            `json:"now_ms"`
	Cum       []float64        `json:"cum"`
	Totals    Events           `json:"totals"`
	Levels    []storedLevel    `json:"levels"`
	Marks     []storedMark     `json:"marks,omitempty"`
	Firing    map[string]int64 `json:"firing,omitempty"` // tier → since
	Slices    map[int64]*slice `json:"slices,omitempty"`
	Closed    int64            `json:"closed,omitempty"`
	Hours     map[int64]*hour  `json:"hours,omitempty"`
	Fast      *fastState       `json:"fast,omitempty"`
	Failures  []int64          `json:"failures,omitempty"`
	Parent    string           `json:"parent,omitempty"` // of a group: the objective it is a part of
	Group     []string         `json:"group,omitempty"`  // values of that one's group labels, in their order
}

type storedLevel struct {
	WidthMs int64 `json:"width_ms"`
	First   int64 `json:"first"`
	Next    int64 `json:"next"`
}

type storedMark struct {
	At  int64     `json:"at"`
	Cum []float64 `json:"cum"`
}

// Checkpoint writes everything that changed since the last one. Call Settle with what came of it
// before the next.
func (e *Engine) Checkpoint(to Store) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range e.dead {
		to.Delete(key)
	}
	e.dying, e.dead, e.urgent = e.dead, nil, false
	head := storedEngine{Version: stateVersion, Epoch: e.epoch}
	e.storing = e.storing[:0]
	for _, o := range e.objectives {
		head.Active = append(head.Active, hex(o.id))
		if !o.ledger.changed {
			continue
		}
		e.storing = append(e.storing, o)
		if err := o.store(to); err != nil {
			return fmt.Errorf("encoding objective %s: %w", o.Name, err)
		}
	}
	for id, t := range e.targets {
		if t.changed {
			to.Set(targetKey(id), t.encode())
			t.changed, t.storing = false, true
		}
	}
	data, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encoding engine state: %w", err)
	}
	to.Set(keyEngine, data)
	return nil
}

// Settle says whether the last checkpoint is durable: nil, or why it is not. What is not durable will
// be part of the next one.
func (e *Engine) Settle(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.urgent = true
		e.dead = append(e.dead, e.dying...)
	}
	for _, o := range e.storing {
		if err == nil {
			o.totalsDurable = o.totalsStoring
			continue
		}
		if s := o.slicer; s != nil {
			s.hoursChanged = s.hoursChanged || s.hoursStoring
		}
		o.ledger.changed = true
		for i := range o.ledger.levels {
			o.ledger.levels[i].undo()
		}
		o.ledger.pins.changed = o.ledger.pins.changed || o.ledger.pins.storing
	}
	for _, t := range e.targets {
		t.changed = t.changed || (t.storing && err != nil)
		t.storing = false
	}
	e.storing, e.dying = e.storing[:0], nil
}

// Urgent reports whether a baseline was taken since the last checkpoint. A baseline that a crash
// loses cannot be had again, so it should be durable before anything counted from it is shown.
func (e *Engine) Urgent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.urgent
}

func (o *objective) store(to Store) error {
	o.raiseTotals()
	lg := o.ledger
	m := storedObjective{
		Version: stateVersion, Name: o.Name, Epoch: o.epoch, WatchedMs: o.watchedMs, StartMs: lg.startMs, NowMs: lg.nowMs,
		Cum: lg.cum.floats(), Totals: o.totalsHigh, Firing: map[string]int64{},
		Failures: o.failures, Group: o.values,
	}
	if o.parent != nil {
		m.Parent = hex(o.parent.id)
	}
	o.totalsStoring = o.totalsHigh
	for i := range lg.levels {
		l := &lg.levels[i]
		m.Levels = append(m.Levels, storedLevel{l.widthMs, l.first, l.next()})
		l.store(to, i, o.id)
		l.before = stored{l.storedFrom, l.storedTo, l.dirtyFrom}
		l.storedFrom, l.storedTo, l.dirtyFrom = l.first, l.next(), noneDirty
	}
	lg.pins.store(to, prefixPins+hex(o.id))
	for _, k := range lg.marks {
		m.Marks = append(m.Marks, storedMark{k.at, k.cum.floats()})
	}
	for _, t := range o.tiers {
		if t.firing {
			m.Firing[t.Name] = t.sinceMs
		}
	}
	if o.sequential != nil {
		m.Fast = &o.sequential.fastState
		if o.fast.firing {
			m.Firing[FastTier] = o.fast.sinceMs
		}
	}
	if s := o.slicer; s != nil {
		m.Slices, m.Closed = s.open, s.closed
		if err := s.storeHours(to, o.id, &m); err != nil {
			return err
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	to.Set(prefixMeta+hex(o.id), data)
	lg.changed = false
	return nil
}

// store writes the pins if they changed.
func (p *pins) store(to Store, key string) {
	p.storing = p.changed
	switch {
	case !p.changed:
	case len(p.at) == 0:
		to.Delete(key)
	default:
		to.Set(key, p.encode())
	}
	p.changed = false
}

// store writes the chunks that changed and deletes those whose buckets are all forgotten.
func (l *level) store(to Store, i int, id uint64) {
	from, end := chunks(l.first, l.next())
	oldFrom, oldEnd := chunks(l.storedFrom, l.storedTo)
	for c := oldFrom; c < min(oldEnd, from); c++ {
		to.Delete(chunkKey(i, c, id))
	}
	for c := max(oldFrom, end); c < oldEnd; c++ { // after a change of widths
		to.Delete(chunkKey(i, c, id))
	}
	if l.dirtyFrom != noneDirty {
		for c := max(from, chunkOf(l.dirtyFrom)); c < end; c++ {
			to.Set(chunkKey(i, c, id), l.encodeChunk(c))
		}
	}
}

// Scan calls fn for every stored key with the prefix, in order.
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
		groupID(pid, m.Group) != id || len(parent.groups.byKey) >= parent.GroupBy.Max {
		return nil
	}
	child := parent.newGroup(m.Group, opts, now.UnixMilli())
	child.shownMs = m.NowMs
	r.byID[id] = child
	return child
}

// keys are all that is stored of an objective.
func (o *objective) keys() []string {
	keys := []string{prefixMeta + hex(o.id), prefixHours + hex(o.id), prefixPins + hex(o.id)}
	for i := range o.ledger.levels {
		from, end := chunks(o.ledger.levels[i].storedFrom, o.ledger.levels[i].storedTo)
		for c := from; c < end; c++ {
			keys = append(keys, chunkKey(i, c, o.id))
		}
	}
	return keys
}

func (o *objective) load(m *storedObjective, continued bool) {
	if continued {
		o.epoch, o.watchedMs = m.Epoch, m.WatchedMs
	}
	o.totalsHigh, o.totalsDurable, o.failures = m.Totals, m.Totals, m.Failures
	lg := o.ledger
	lg.startMs, lg.nowMs, lg.cum = m.StartMs, m.NowMs, countsOf(m.Cum)
	for i := range lg.levels {
		if i < len(m.Levels) && m.Levels[i].WidthMs > 0 && m.Levels[i].Next-m.Levels[i].First <= 2*maxCoarseBuckets && m.Levels[i].Next >= m.Levels[i].First {
			l := &lg.levels[i]
			l.widthMs, l.first = m.Levels[i].WidthMs, m.Levels[i].First
			l.closed = make([]counts, m.Levels[i].Next-m.Levels[i].First)
			l.storedFrom, l.storedTo = l.first, l.next()
		}
	}
	for _, k := range m.Marks {
		lg.marks = append(lg.marks, mark{k.At, countsOf(k.Cum)})
	}
	for i := range o.tiers {
		t := &o.tiers[i]
		t.sinceMs, t.firing = m.Firing[t.Name], m.Firing[t.Name] != 0
	}
	if o.sequential != nil {
		o.sequential.restore(m.Fast)
		o.fast.sinceMs, o.fast.firing = m.Firing[FastTier], m.Firing[FastTier] != 0
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

// readBuckets fills the levels. A bucket that is missing, after a repair, repeats the one before it:
// its events are then taken to have happened later, never twice. Where the oldest are missing, coarser
// levels take over.
func (r *restoring) readBuckets(scan Scan, loading map[uint64]*objective) error {
	seen := map[*level][]bool{}
	for _, o := range loading {
		if o != nil {
			for i := range o.ledger.levels {
				seen[&o.ledger.levels[i]] = make([]bool, len(o.ledger.levels[i].closed))
			}
		}
	}
	err := scan(prefixChunks, func(key string, value []byte) error {
		i, chunk, id, err := parseChunkKey(key)
		if err != nil {
			return err
		}
		o, stored := loading[id]
		if !stored {
			return nil
		}
		if o == nil || i >= len(o.ledger.levels) {
			r.dead = append(r.dead, key)
			return nil
		}
		l := &o.ledger.levels[i]
		if from, end := chunks(l.first, l.next()); chunk < from || chunk >= end {
			r.dead = append(r.dead, key)
			return nil
		}
		return decodeChunk(chunk, value, func(index int64, c counts) {
			if index >= l.first && index < l.next() { // the others were forgotten after they were stored
				l.closed[index-l.first], seen[l][index-l.first] = c, true
			}
		})
	})
	for l, ok := range seen {
		known := max(0, slices.Index(append(slices.Clone(ok), true), true))
		for i := known + 1; i < len(ok); i++ {
			if !ok[i] {
				l.closed[i] = l.closed[i-1]
			}
		}
		l.forget(known)
	}
	return err
}

func (r *restoring) readPins(scan Scan, loading map[uint64]*objective) error {
	return scan(prefixPins, func(key string, value []byte) error {
		id, err := strconv.ParseUint(strings.TrimPrefix(key, prefixPins), 16, 64)
		if err != nil {
			return fmt.Errorf("decoding key %q: %w", key, err)
		}
		switch o, stored := loading[id]; {
		case !stored:
			return nil
		case o == nil:
			r.dead = append(r.dead, key)
			return nil
		default:
			return o.ledger.pins.decode(value)
		}
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

func hex(id uint64) string { return fmt.Sprintf("%016x", id) }

func targetKey(id collector.Target) string { return prefixTargets + string(id) }

func (c counts) floats() []float64 {
	return []float64{c.good, c.bad, c.excluded, float64(c.coveredMs), float64(c.expectedMs)}
}

func countsOf(f []float64) counts {
	f = append(slices.Clone(f), 0, 0, 0, 0, 0)
	return counts{f[0], f[1], f[2], int64(f[3]), int64(f[4])}
}

// encode writes a target as little-endian 64-bit words: version, last look, epoch, whether it had
// left, interval, hash of its process, number of objectives and their ids, then hash, value, time and
// start timestamp of each series. A series without a usable value has NaN.
func (t *target) encode() []byte {
	var left uint64
	if t.left || !t.expected {
		left = 1
	}
	words := []uint64{stateVersion, uint64(t.seenMs), uint64(t.epoch), left, uint64(t.interval.Milliseconds()), t.process, uint64(len(t.members))}
	for _, m := range t.members {
		words = append(words, m.obj.id)
	}
	for hash, s := range t.series {
		if s.part != nil && !slices.ContainsFunc(s.bindings, func(b binding) bool { return b.role != roleBucket && b.role != roleNative }) {
			continue // nothing is counted from it by itself
		}
		if s.derived != nil {
			words = append(words, goodOf(hash), math.Float64bits(s.derived.good), uint64(s.atMs), 0)
		}
		value := s.value
		if s.unset {
			value = math.NaN()
		}
		words = append(words, hash, math.Float64bits(value), uint64(s.atMs), uint64(s.fromMs))
	}
	out := make([]byte, 0, 8*len(words))
	for _, w := range words {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

const targetHeadWords, seriesWords = 7, 4

func (t *target) decode(b []byte, byID map[uint64]*objective) error {
	if len(b)%8 != 0 || len(b) < 8*targetHeadWords {
		return fmt.Errorf("got %d bytes", len(b))
	}
	words := make([]uint64, len(b)/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	if words[0] > stateVersion {
		return fmt.Errorf("%w: target %d, this one reads %d", ErrVersion, words[0], stateVersion)
	}
	members, rest := words[6], words[targetHeadWords:]
	if members > uint64(len(rest)) || (uint64(len(rest))-members)%seriesWords != 0 {
		return fmt.Errorf("got %d words for %d objectives", len(rest), members)
	}
	t.seenMs, t.epoch, t.left, t.interval = int64(words[1]), int64(words[2]), words[3] == 1, time.Duration(words[4])*time.Millisecond
	t.process = words[5]
	for _, id := range rest[:members] {
		if o := byID[id]; o != nil {
			t.members = append(t.members, &member{obj: o})
		}
	}
	for r := rest[members:]; len(r) > 0; r = r[seriesWords:] {
		sr := &series{value: math.Float64frombits(r[1]), atMs: int64(r[2]), fromMs: int64(r[3]), seenMs: t.seenMs}
		sr.unset = math.IsNaN(sr.value)
		t.series[r[0]] = sr
	}
	return nil
}

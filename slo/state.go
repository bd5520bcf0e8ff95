package slo

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
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

	stateVersion  = 2 // of the head and of objectives; 1 had another encoding of chunks
	targetVersion = 2
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
	FirstMs   int64            `json:"first_ms,omitempty"`
	PaceMs    int64            `json:"pace_ms,omitempty"`
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
	Runs      []run            `json:"runs,omitempty"`
	BlindMs   int64            `json:"blind_ms,omitempty"` // since when nothing can be said of it
	Parent    string           `json:"parent,omitempty"`   // of a group: the objective it is a part of
	ShownMs   int64            `json:"shown_ms,omitempty"` // of a group: the last look that showed a series of it
	Group     []string         `json:"group,omitempty"`    // values of that one's group labels, in their order
}

type storedLevel struct {
	WidthMs int64 `json:"width_ms"`
	First   int64 `json:"first"`
	Next    int64 `json:"next"`
}

// sound reports whether the level can be one that was written: what is read back must not make the
// engine reserve memory without bound.
func (s storedLevel) sound() bool {
	return s.WidthMs > 0 && -1 <= s.First && s.First <= s.Next && s.Next-s.First <= 2*maxCoarseBuckets
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
	if e.headStoring = data; !bytes.Equal(data, e.headDurable) {
		to.Set(keyEngine, data)
	}
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
	} else if e.headStoring != nil {
		e.headDurable = e.headStoring
	}
	e.headStoring = nil
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
		Version: stateVersion, Name: o.Name, Epoch: o.epoch, WatchedMs: o.watchedMs, StartMs: lg.startMs, FirstMs: lg.firstMs, PaceMs: o.paceMs, NowMs: lg.nowMs,
		Cum: lg.cum.floats(), Totals: o.totalsHigh, Firing: map[string]int64{},
		Runs: o.runs, Group: o.values,
	}
	if o.met {
		m.BlindMs = o.blindMs
	}
	if o.parent != nil {
		m.Parent, m.ShownMs = hex(o.parent.id), o.shownMs
	}
	o.totalsStoring = o.totalsHigh
	for i := range lg.levels {
		l := &lg.levels[i]
		m.Levels = append(m.Levels, storedLevel{l.widthMs, l.first, l.open})
		l.store(to, i, o.id)
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
	from, end := chunks(l.first, l.open)
	for _, h := range l.held {
		for c, last := chunks(h.from, h.to); c < last; c++ {
			if c < from || c >= end {
				to.Delete(chunkKey(i, c, id))
			}
		}
	}
	if l.dirtyFrom != noneDirty {
		for c := max(from, chunkOf(l.dirtyFrom)); c < end; c++ {
			to.Set(chunkKey(i, c, id), l.encodeChunk(c))
		}
	}
	l.before.held, l.before.dirtyFrom = l.held, l.dirtyFrom
	l.held, l.dirtyFrom = merge([]bucketSpan{{l.first, l.open}}), noneDirty
}

// keys are all that is stored of an objective.
func (o *objective) keys() []string {
	keys := []string{prefixMeta + hex(o.id), prefixHours + hex(o.id), prefixPins + hex(o.id)}
	for i := range o.ledger.levels {
		for _, h := range o.ledger.levels[i].held {
			for c, end := chunks(h.from, h.to); c < end; c++ {
				keys = append(keys, chunkKey(i, c, o.id))
			}
		}
	}
	return keys
}

func (l *level) encodeChunk(c int64) []byte {
	if i := c - chunkOf(l.first); i < int64(len(l.sealed)) {
		return l.sealed[i].encode()
	}
	start := l.open - int64(len(l.tail))
	k := encodeChunk(int(start-c*chunkBuckets), l.tail)
	return k.encode()
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
// left, interval, hash of its process, number of objectives, their ids each with a word of flags (1: the
// target has series that the objective cannot be judged without), then hash, value, time and start
// timestamp of each series. A series without a usable value has NaN. Version 1 had no flags.
func (t *target) encode() []byte {
	var left uint64
	if t.left || !t.expected {
		left = 1
	}
	words := []uint64{targetVersion, uint64(t.seenMs), uint64(t.epoch), left, uint64(t.interval.Milliseconds()), t.process, uint64(len(t.members))}
	for _, m := range t.members {
		words = append(words, m.obj.id, map[bool]uint64{true: memberDecisive}[m.decisive])
	}
	for hash, s := range t.series {
		if s.part != nil && !slices.ContainsFunc(s.bindings, func(b binding) bool { return b.role != roleBucket && b.role != roleNative }) {
			continue // nothing is counted from it by itself
		}
		if s.derived != nil {
			words = append(words, goodOf(hash), math.Float64bits(s.derived.good), uint64(s.atMs), uint64(s.derived.schema))
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

const (
	targetHeadWords, memberWords, seriesWords = 7, 2, 4

	memberDecisive = 1
)

func (t *target) decode(b []byte, byID map[uint64]*objective) error {
	if len(b)%8 != 0 || len(b) < 8*targetHeadWords {
		return fmt.Errorf("got %d bytes", len(b))
	}
	words := make([]uint64, len(b)/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	if words[0] > targetVersion {
		return fmt.Errorf("%w: target %d, this one reads %d", ErrVersion, words[0], targetVersion)
	}
	each, rest := uint64(memberWords), words[targetHeadWords:]
	if words[0] < 2 {
		each = 1
	}
	if words[6] > uint64(len(rest)) || words[6]*each > uint64(len(rest)) || (uint64(len(rest))-words[6]*each)%seriesWords != 0 {
		return fmt.Errorf("got %d words for %d objectives", len(rest), words[6])
	}
	members := words[6] * each
	t.seenMs, t.epoch, t.left, t.interval = int64(words[1]), int64(words[2]), words[3] == 1, time.Duration(words[4])*time.Millisecond
	t.process = words[5]
	for m := rest[:members]; len(m) > 0; m = m[each:] {
		if o := byID[m[0]]; o != nil {
			t.members = append(t.members, &member{obj: o, decisive: each > 1 && m[1]&memberDecisive != 0})
		}
	}
	for r := rest[members:]; len(r) > 0; r = r[seriesWords:] {
		sr := &series{value: math.Float64frombits(r[1]), atMs: int64(r[2]), fromMs: int64(r[3]), seenMs: t.seenMs}
		sr.unset = math.IsNaN(sr.value)
		t.series[r[0]] = sr
	}
	return nil
}

package slo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// heap returns how many bytes are in use once nothing is left to collect.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfAnObjective holds what docs/engine.md states: 48 KiB an objective with 30 days of history, of
// which every level is full of looks that come a few milliseconds early or late and bring an event or
// two each, so that few buckets are alike.
func TestMemoryOfAnObjective(t *testing.T) {
	const count, limit = 40, 48 << 10
	objectives, samples := fleet(count)
	before := heap()
	e := slo.New(slo.Options{})
	must(t, e.Apply(objectives, epoch, nil))
	fullDays(e, samples)
	e.Evaluate(at(30 * day))
	got := (heap() - before) / count
	runtime.KeepAlive(e)
	t.Logf("%d bytes an objective", got)
	if got > limit {
		t.Errorf("an objective takes %d bytes, want at most %d", got, limit)
	}
}

// TestRetentionOf400Days keeps a window of 400 days: its counts are those of every event in it, to the
// hour, after 450 days with gaps, and it takes no more than docs/engine.md states, 128 KiB.
func TestRetentionOf400Days(t *testing.T) {
	const count, limit = 5, 128 << 10
	objectives, samples := fleet(count)
	for i := range objectives {
		objectives[i].Window = rolling("400d", 400*day)
	}
	before := heap()
	e := slo.New(slo.Options{Retention: 400 * day})
	must(t, e.Apply(objectives, epoch, nil))
	rng := rand.New(rand.NewPCG(6, 6))
	perHour := map[int][2]float64{}
	const hours = 450 * 24
	for h := range hours + 1 {
		if h > 0 && h%500 != 0 { // else a look fails, and the next one finds the events of two hours: no gap yet
			for i := range samples {
				samples[i].Value += float64((h % 17) * (1 + 99*((i+1)%2)))
			}
		}
		if rng.IntN(30) > 0 {
			e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(h) * time.Hour), Interval: time.Hour, Samples: samples})
			perHour[h] = [2]float64{samples[0].Value, samples[1].Value}
		}
		if h == hours || h%2000 != 1999 {
			continue
		}
		want400(t, e.Evaluate(at(time.Duration(h) * time.Hour))[0], perHour, h)
	}
	statuses := e.Evaluate(at(hours * time.Hour))
	want400(t, statuses[0], perHour, hours)
	got := (heap() - before) / count
	runtime.KeepAlive(e)
	t.Logf("%d bytes an objective", got)
	if got > limit {
		t.Errorf("an objective takes %d bytes, want at most %d", got, limit)
	}
}

// want400 compares with what the counters said at the last look at or before each edge.
func want400(t *testing.T, s slo.Status, looks map[int][2]float64, h int) {
	t.Helper()
	value := func(h int) [2]float64 {
		for ; h > 0; h-- {
			if v, ok := looks[h]; ok {
				return v
			}
		}
		return [2]float64{}
	}
	now, then := value(h), value(max(0, h-400*24))
	bad := now[1] - then[1]
	all := now[0] - then[0] + bad
	if s.Events.Bad != bad || s.Events.Good+s.Events.Bad != all {
		t.Errorf("after %d hours: %+v, the counters say %v bad of %v", h, s.Events, bad, all)
	}
}

// TestNewerVersionsAreRefused: what a newer version wrote is never read as if it were understood.
func TestNewerVersionsAreRefused(t *testing.T) {
	newer := map[string]func(key string, v []byte) []byte{
		"slo/engine": func(_ string, v []byte) []byte {
			return []byte(strings.Replace(string(v), `"version":2`, `"version":3`, 1))
		},
		"slo/o/": func(_ string, v []byte) []byte {
			return []byte(strings.Replace(string(v), `"version":2`, `"version":3`, 1))
		},
		"slo/c/": func(_ string, v []byte) []byte { return append([]byte{v[0] + 1}, v[1:]...) },
		"slo/t/": func(_ string, v []byte) []byte { return append([]byte{v[0] + 1}, v[1:]...) },
	}
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	n := [2]float64{}
	f.run(0, time.Hour, &n, 10, 1)
	checkpoint(t, f.Engine, db)
	for prefix, change := range newer {
		var changed atomic.Int64
		scan := func(p string, fn func(string, []byte) error) error {
			return db.Scan(p, func(k string, v []byte) error {
				if strings.HasPrefix(k, prefix) {
					changed.Add(1)
					v = change(k, v)
				}
				return fn(k, v)
			})
		}
		e := slo.New(slo.Options{})
		if err := e.Apply(ratioSet(), at(time.Hour), scan); !errors.Is(err, slo.ErrVersion) || changed.Load() == 0 {
			t.Errorf("%s of a newer version: %v, want ErrVersion", prefix, err)
		}
	}
}

// TestFailedCheckpointAfterOtherWindows: buckets of another width are other keys. What a failed write
// leaves in doubt is deleted, and nothing else.
func TestFailedCheckpointAfterOtherWindows(t *testing.T) {
	db := storage.NewMemory()
	f := newFeeder(t, ratioSet()...)
	var first storage.Batch
	must(t, f.Checkpoint(&first))
	f.Settle(errors.New("disk full"))
	n := [2]float64{}
	f.run(0, 10*time.Hour, &n, 10, 1)
	checkpoint(t, f.Engine, db)
	want := f.status(10 * time.Hour)
	f.SetOptions(slo.Options{Tiers: []slo.TierRule{{Severity: "page", Long: 10 * time.Minute, Short: 30 * time.Second, BudgetRatio: 0.1}}})
	must(t, f.Apply(ratioSet(), at(10*time.Hour), nil))
	var b storage.Batch
	must(t, f.Checkpoint(&b))
	f.Settle(errors.New("disk full"))
	b = storage.Batch{}
	must(t, f.Checkpoint(&b))
	if b.Len() > 500 {
		t.Errorf("the next checkpoint makes %d writes", b.Len())
	}
	must(t, db.Apply(&b))
	f.Settle(nil)
	levels := map[string]bool{}
	must(t, db.Scan("slo/c/0/", func(k string, _ []byte) error { levels[k[:len("slo/c/0/0000000003")]] = true; return nil }))
	if len(levels) != 1 {
		t.Errorf("finest buckets begin at %s: those of the old width are left", fmt.Sprint(levels))
	}
	g := restart(t, db, at(10*time.Hour))
	if got := g.status(10 * time.Hour); got.Events != want.Events {
		t.Errorf("restored %+v, want %+v", got.Events, want.Events)
	}
}

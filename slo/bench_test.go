package slo_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// fleet is n objectives, each fed by a good and a bad series, and the cycle that feeds them all.
func fleet(n int) ([]spec.Objective, []collector.Sample) {
	objectives := make([]spec.Objective, n)
	var samples []collector.Sample
	for i := range objectives {
		id := strconv.Itoa(i)
		o := ratio(0.999)
		o.Name, o.Service = "pay-"+id, "pay-"+id
		o.Indicator = spec.Indicator{Ratio: &spec.Ratio{Bad: sel("__name__", "tx_"+id, "outcome", "bad"), Total: sel("__name__", "tx_"+id)}}
		objectives[i] = o
		for _, outcome := range []string{"good", "bad"} {
			samples = append(samples, collector.Sample{Series: collector.NewSeries(labels.FromStrings("__name__", "tx_"+id, "outcome", outcome))})
		}
	}
	return objectives, samples
}

// grow adds ten good events to each objective and a bad one every thousand steps: healthy, as nearly
// all objectives are nearly always.
func grow(samples []collector.Sample, step int) {
	for i := range samples {
		if i%2 == 0 {
			samples[i].Value = float64(10 * step)
		} else {
			samples[i].Value = float64(step / 1000)
		}
	}
}

// each runs once for b.Loop with a growing n and reports what one of count things costs: time and
// bytes allocated.
func each(b *testing.B, count int, thing string, once func(n int)) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for b.Loop() {
		once(n)
		n++
	}
	runtime.ReadMemStats(&after)
	all := float64(n * count)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/all, "ns/"+thing)
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/all, "B/"+thing)
}

// BenchmarkObserve books one cycle; ns/sample is the cost of one matched sample.
func BenchmarkObserve(b *testing.B) {
	objectives, samples := fleet(1000)
	e := slo.New(slo.Options{})
	must(b, e.Apply(objectives, epoch, nil))
	each(b, len(samples), "sample", func(n int) {
		grow(samples, n)
		e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(n) * interval), Interval: interval, Samples: samples})
	})
}

// BenchmarkEvaluate judges objectives with all eight windows, after an hour and after 30 days: the
// cost must not depend on history.
func BenchmarkEvaluate(b *testing.B) {
	for _, history := range []time.Duration{time.Hour, 30 * 24 * time.Hour} {
		b.Run("history="+history.String(), func(b *testing.B) {
			const count = 100
			objectives, samples := fleet(count)
			e := slo.New(slo.Options{})
			must(b, e.Apply(objectives, epoch, nil))
			step := interval
			if history > time.Hour {
				step = 10 * time.Minute
			}
			n := 0
			for d := time.Duration(0); d <= history; d += step {
				grow(samples, n)
				e.Observe(collector.Cycle{Target: "a", At: at(d), Interval: step, Samples: samples})
				n++
			}
			each(b, count, "objective", func(runs int) { e.Evaluate(at(history + time.Duration(runs)*time.Millisecond)) })
		})
	}
}

// BenchmarkCheckpoint encodes what changes in ten seconds for 1,000 objectives.
func BenchmarkCheckpoint(b *testing.B) {
	objectives, samples := fleet(1000)
	e := slo.New(slo.Options{})
	must(b, e.Apply(objectives, epoch, nil))
	db := storage.NewMemory()
	each(b, len(objectives), "objective", func(n int) {
		grow(samples, n)
		e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(n) * 10 * time.Second), Interval: 10 * time.Second, Samples: samples})
		var batch storage.Batch
		if err := e.Checkpoint(&batch); err != nil {
			b.Fatal(err)
		}
		must(b, db.Apply(&batch))
		e.Settle(nil)
	})
}

// BenchmarkMemory reports the heap that one objective's ledger takes when 30 days are full.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		const count = 100
		objectives, samples := fleet(count)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e := slo.New(slo.Options{})
		must(b, e.Apply(objectives, epoch, nil))
		for n := range 30*24*6 + 1 {
			grow(samples, n)
			e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(n) * 10 * time.Minute), Interval: 10 * time.Minute, Samples: samples})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "B/objective")
		runtime.KeepAlive(e)
	}
}

// fullDays fills a fleet's ledgers with 30 days of irregular traffic: every level is full of buckets of
// which few are alike.
func fullDays(e *slo.Engine, samples []collector.Sample) {
	rng := rand.New(rand.NewPCG(5, 5))
	d := time.Duration(0)
	for _, part := range []struct{ until, every time.Duration }{
		{30*day - 130*time.Hour, 30 * time.Minute}, {30*day - 13*time.Hour, 5 * time.Minute}, {30 * day, 15 * time.Second},
	} {
		for ; d < part.until; d += part.every {
			for i := range samples {
				if i%2 == 0 {
					samples[i].Value += float64(rng.IntN(3))
				}
			}
			e.Observe(collector.Cycle{Target: "a", At: at(d + time.Duration(rng.IntN(40))*time.Millisecond), Interval: part.every, Samples: samples})
		}
	}
}

// BenchmarkRestore opens a store of 10,000 objectives with 30 full days each and judges them all: what
// a restart takes before the agent is ready, but for its configuration.
func BenchmarkRestore(b *testing.B) {
	const count, distinct, perTarget = 10_000, 100, 100
	dir := b.TempDir()
	objectives, samples := fleet(count)
	fill(b, dir, objectives, samples, distinct, perTarget)
	before := cpuSeconds(b)
	for b.Loop() {
		db, err := storage.Open(dir)
		must(b, err)
		e := slo.New(slo.Options{})
		must(b, e.Apply(objectives, at(30*day), db.Scan))
		if s := e.Evaluate(at(30 * day)); s[0].Events.Good < 4000 {
			b.Fatalf("restored %+v", s[0].Events)
		}
		must(b, db.Close())
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/restart")
	b.ReportMetric((cpuSeconds(b)-before)/float64(b.N), "cpu-s/restart")
}

// cpuSeconds is what this process has used so far.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// fill writes what an agent with these objectives would have: it lets an engine with a few of them
// count, and gives all the ledgers of those.
func fill(b *testing.B, dir string, objectives []spec.Objective, samples []collector.Sample, distinct, perTarget int) {
	b.Helper()
	few := slo.New(slo.Options{})
	must(b, few.Apply(objectives[:distinct], epoch, nil))
	fullDays(few, samples[:2*distinct])
	all := slo.New(slo.Options{})
	must(b, all.Apply(objectives, epoch, nil))
	for i := 0; i < len(samples); i += 2 * perTarget {
		all.Observe(collector.Cycle{Target: collector.Target(strconv.Itoa(i)), At: at(30 * day), Interval: interval, Samples: samples[i:][:2*perTarget]})
	}
	from, to := storage.NewMemory(), storage.NewMemory()
	for e, db := range map[*slo.Engine]storage.DB{few: from, all: to} {
		var batch storage.Batch
		must(b, e.Checkpoint(&batch))
		must(b, db.Apply(&batch))
	}
	var models []string
	must(b, from.Scan("slo/o/", func(k string, _ []byte) error { models = append(models, k[len("slo/o/"):]); return nil }))
	like := map[string][]string{} // model → those that get its ledger
	n := 0
	must(b, to.Scan("slo/o/", func(k string, _ []byte) error {
		like[models[n%distinct]] = append(like[models[n%distinct]], k[len("slo/o/"):])
		n++
		return nil
	}))
	db, err := storage.Open(dir)
	must(b, err)
	write(b, db, to, "", func(k string, _ []byte) []string { return []string{k} })
	write(b, db, from, "slo/", func(k string, _ []byte) (out []string) {
		if strings.HasPrefix(k, "slo/o/") || strings.HasPrefix(k, "slo/c/") {
			at := len(k) - 16
			for _, id := range like[k[at:]] {
				out = append(out, k[:at]+id)
			}
		}
		return out
	})
	must(b, db.Close())
	info, err := os.Stat(filepath.Join(dir, "assayer.db"))
	must(b, err)
	b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
	b.Logf("%d MiB", info.Size()>>20)
}

func write(b *testing.B, db *storage.Bolt, from storage.DB, prefix string, keys func(string, []byte) []string) {
	b.Helper()
	var batch storage.Batch
	must(b, from.Scan(prefix, func(k string, v []byte) error {
		for _, key := range keys(k, v) {
			batch.Set(key, v)
		}
		if batch.Len() > 50_000 {
			must(b, db.Apply(&batch))
			batch = storage.Batch{}
		}
		return nil
	}))
	must(b, db.Apply(&batch))
}

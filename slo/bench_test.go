package slo_test

import (
	"runtime"
	"strconv"
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

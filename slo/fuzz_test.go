package slo_test

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
)

// FuzzStored reads back arbitrary bytes in place of one stored value: it is an error or it works, and
// the engine goes on counting either way.
func FuzzStored(f *testing.F) {
	db := storage.NewMemory()
	e := slo.New(slo.Options{})
	if err := e.Apply(ratioSet(), epoch, nil); err != nil {
		f.Fatal(err)
	}
	for i := range 100 {
		e.Observe(collector.Cycle{Target: "a", At: at(time.Duration(i) * interval), Interval: interval, Samples: []collector.Sample{{Series: goodSeries, Value: float64(i)}}})
	}
	var b storage.Batch
	if err := e.Checkpoint(&b); err != nil {
		f.Fatal(err)
	}
	if err := db.Apply(&b); err != nil {
		f.Fatal(err)
	}
	var keys []string
	if err := db.Scan("", func(k string, v []byte) error {
		f.Add(uint16(len(keys)), append([]byte{}, v...))
		keys = append(keys, k)
		return nil
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint16, value []byte) {
		replaced := keys[int(which)%len(keys)]
		scan := func(prefix string, fn func(string, []byte) error) error {
			return db.Scan(prefix, func(k string, v []byte) error {
				if k == replaced {
					v = value
				}
				return fn(k, v)
			})
		}
		e := slo.New(slo.Options{})
		now := at(time.Hour)
		if err := e.Apply(ratioSet(), now, scan); err != nil {
			must(t, e.Apply(ratioSet(), now, nil))
		}
		f := feeder{e, t}
		f.tx(time.Hour, 1000, 0)
		f.tx(time.Hour+interval, 1010, 1)
		f.status(time.Hour + interval)
	})
}

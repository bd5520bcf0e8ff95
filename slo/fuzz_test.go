package slo_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
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

// FuzzStoredOfVersion1 is FuzzStored for what version 1 wrote: heads, objectives with slices and
// expectations, targets and chunks.
func FuzzStoredOfVersion1(f *testing.F) {
	data, err := os.ReadFile("testdata/state-v1.json")
	must(f, err)
	var v1 fixture
	must(f, json.Unmarshal(data, &v1))
	keys := slices.Sorted(maps.Keys(v1.Stored))
	for i, k := range keys {
		if !strings.HasPrefix(k, "slo/c/") || i%40 == 0 {
			f.Add(uint16(i), v1.Stored[k])
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, value []byte) {
		replaced := keys[int(which)%len(keys)]
		e := slo.New(slo.Options{})
		err := e.Apply(migrated(), v1.Now, func(prefix string, fn func(string, []byte) error) error {
			for _, k := range keys {
				v := v1.Stored[k]
				if k == replaced {
					v = value
				}
				if strings.HasPrefix(k, prefix) {
					if err := fn(k, v); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			must(t, e.Apply(migrated(), v1.Now, nil))
		}
		for n := migrateLooks; n < migrateLooks+3; n++ {
			c, _ := migrateCycle(n)
			e.Observe(c)
			for _, s := range e.Evaluate(c.At) {
				if r := s.ErrorBudget.RemainingRatio; r != r {
					t.Errorf("%s: the budget left is no number", s.Name)
				}
			}
		}
		var b storage.Batch
		must(t, e.Checkpoint(&b))
		if b.Len() > 1000 {
			t.Errorf("the next checkpoint makes %d writes", b.Len())
		}
	})
}

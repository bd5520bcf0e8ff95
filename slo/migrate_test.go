package slo_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// fixture is a store as a released version wrote it, and what that version answered from it.
type fixture struct {
	Stored map[string][]byte `json:"stored"`
	Now    time.Time         `json:"now"` // when it was restored
	// What it answered right after restoring and ten minutes of looks later, and each objective's History.
	Restored []answer               `json:"restored"`
	Later    []answer               `json:"later"`
	History  map[string][]slo.Point `json:"history"`
}

// answer is what of a status comes from what was counted.
type answer struct {
	Name        string           `json:"name"`
	State       slo.State        `json:"state"`
	Events      slo.Events       `json:"events"`
	Remaining   float64          `json:"remaining"`
	BurnRates   slo.WindowValues `json:"burn_rates"`
	ErrorRatios slo.WindowValues `json:"error_ratios"`
	Coverage    float64          `json:"coverage"`
	Filled      float64          `json:"filled"`
}

func answersOf(statuses []slo.Status) []answer {
	out := make([]answer, len(statuses))
	for i, s := range statuses {
		out[i] = answer{s.Name, s.State, s.Events, s.ErrorBudget.RemainingRatio, s.BurnRates, s.ErrorRatios, s.Coverage, s.Filled}
	}
	return out
}

// migrated are the objectives of the fixtures: counters over a rolling window, slices over a calendar
// window, traffic against expectation.
func migrated() []spec.Objective {
	slices := ratio(0.99)
	slices.Name, slices.Method, slices.Slice, slices.SliceTarget = "slices", spec.Timeslices, time.Minute, 0.9
	slices.Window = spec.Window{Text: "1w", Length: 7 * day, Unit: spec.Week, Count: 1, Anchor: epoch}
	traffic := spec.Objective{Name: "traffic", Service: "pay", Target: 0.95, Method: spec.Timeslices, Slice: 5 * time.Minute, SliceTarget: 1,
		Window: rolling("7d", 7*day), Indicator: spec.Indicator{Traffic: &spec.Traffic{Total: *sel("__name__", "tx", "outcome", "good"), AtLeastOfExpected: 0.5}}}
	return []spec.Objective{ratio(0.999), slices, traffic}
}

const migrateStep = time.Minute

// migrateCycle is look n of the fixtures' traces: traffic by the hour, an outage every seventh hour,
// restarts, a night of two hours without looks, and amounts with fractions on the second day.
func migrateCycle(n int) (collector.Cycle, bool) {
	d := time.Duration(n) * migrateStep
	hour := n / 60
	good, bad := 0.0, 0.0
	for i := max(0, n-n%1000); i <= n; i++ { // the process restarts every 1,000 minutes
		good += float64(20 + 10*(i/60%24))
		if i/60%7 == 6 {
			bad += 3
		}
		if hour/24 == 1 {
			good += 0.25
		}
	}
	samples := []collector.Sample{{Series: goodSeries, Value: good}}
	if n > 60 {
		samples = append(samples, collector.Sample{Series: badSeries, Value: bad})
	}
	return collector.Cycle{Target: "a", At: at(d), Interval: migrateStep, Samples: samples}, hour != 30 && hour != 31
}

const migrateLooks = 3*24*60 + 200

func answers(t *testing.T, scan slo.Scan, now time.Time) (restored, later []answer, history map[string][]slo.Point) {
	t.Helper()
	e := slo.New(slo.Options{})
	must(t, e.Apply(migrated(), now, scan))
	restored, history = answersOf(e.Evaluate(now)), map[string][]slo.Point{}
	for _, o := range migrated() {
		for _, w := range []string{"5m", "1h", "1d"} {
			points, err := e.History(o.Name, w, epoch, now, 30)
			must(t, err)
			history[o.Name] = append(history[o.Name], points...)
		}
	}
	// Half a look later, since slices are judged later than they were in version 1.
	for n := migrateLooks; n < migrateLooks+10; n++ {
		c, _ := migrateCycle(n)
		e.Observe(c)
		later = answersOf(e.Evaluate(c.At.Add(migrateStep / 2)))
	}
	return restored, later, history
}

// TestStoreOfVersion1 restores what version 1 wrote and answers exactly as it did.
func TestStoreOfVersion1(t *testing.T) {
	data, err := os.ReadFile("testdata/state-v1.json")
	must(t, err)
	var f fixture
	must(t, json.Unmarshal(data, &f))
	db := storage.NewMemory()
	var b storage.Batch
	for k, v := range f.Stored {
		b.Set(k, v)
	}
	must(t, db.Apply(&b))
	restored, later, history := answers(t, db.Scan, f.Now)
	for name, pair := range map[string][2]any{"restored": {restored, f.Restored}, "later": {later, f.Later}, "history": {history, f.History}} {
		got, err := json.Marshal(pair[0])
		must(t, err)
		want, err := json.Marshal(pair[1])
		must(t, err)
		if string(got) != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

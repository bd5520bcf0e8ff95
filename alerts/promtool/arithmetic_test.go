package promtool

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/slo/spec"
)

func TestValues(t *testing.T) {
	m, s := missing(), stale()
	for want, samples := range map[string][]float64{
		"":                         nil,
		"5":                        {5},
		"0 10":                     {0, 10},
		"0+10x2":                   {0, 10, 20},
		"7x2":                      {7, 7, 7},
		"9-4x2":                    {9, 5, 1},
		"1x1 0+1x2":                {1, 1, 0, 1, 2},
		"_ 1 _x3":                  {m, 1, m, m, m},
		"0+1x2 stale _x2 0+2x2":    {0, 1, 2, s, m, m, 0, 2, 4},
		"1000000000000 0.5x1":      {1e12, 0.5, 0.5},
		"0 1 3+0.25x2":             {0, 1, 3, 3.25, 3.5},
		"0+3000000000x2 _ 1 stale": {0, 3e9, 6e9, m, 1, s},
	} {
		if got := values(samples); got != want {
			t.Errorf("%v: got %q, want %q", samples, got, want)
		}
	}
}

// FuzzValues holds that Prometheus reads back the samples that were written.
func FuzzValues(f *testing.F) {
	f.Add([]byte{0, 10, 20, 30, 255, 254, 254, 1, 1, 9, 8})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var samples []float64
		for _, b := range raw {
			switch v := float64(b); {
			case b == 255:
				samples = append(samples, missing())
			case b == 254:
				samples = append(samples, stale())
			default:
				samples = append(samples, v*v*1e6)
			}
		}
		_, got, err := parser.NewParser(parser.Options{}).ParseSeriesDesc("x " + values(samples))
		if err != nil || len(got) != len(samples) {
			t.Fatalf("%v: %q is read back as %d samples: %v", samples, values(samples), len(got), err)
		}
		for i, v := range samples {
			switch {
			case math.IsNaN(v) != got[i].Omitted, isNumber(v) && got[i].Value != v, math.IsInf(v, -1) && !math.IsNaN(got[i].Value):
				t.Errorf("sample %d of %q is %v, want %v", i, values(samples), got[i], v)
			}
		}
	})
}

// spans makes steps from lengths and their events.
func spans(of ...[3]float64) []counts {
	steps := []counts{{}} // the first evaluation has seen nothing before
	for _, s := range of {
		for range int(s[0]) {
			steps = append(steps, counts{bad: s[1], total: s[2]})
		}
	}
	return steps
}

func TestTimelineOfOneLeg(t *testing.T) {
	const never = -1
	// The workbook's fastest leg of an objective of 99.9 % at an evaluation every 30 s: 120 and 10 steps, 1.44 %.
	page := leg{long: 120, short: 10, threshold: 0.0144, healthy: 0.001, limit: math.Log(1e-4)}
	tests := map[string]struct {
		leg          leg
		steps        []counts
		fires, after int // first step that fires, first one after it that does not
	}{
		// An hour without failures, then 10 %: after k steps k × 0.1 ÷ 120 of the hour's events are bad, which is 1.44 %
		// at k = 17.28. Then good again: after k steps (10 − k) × 0.1 ÷ 10 of five minutes are bad, under 1.44 % at k = 9.
		"outage": {page, spans([3]float64{120, 0, 1000}, [3]float64{40, 100, 1000}, [3]float64{60, 0, 1000}), 120 + 18, 160 + 9},
		// The same, with no history: 10 % at once. Step 1 has 100 bad of 1,000, where one is due.
		"outage from the start": {page, spans([3]float64{40, 100, 1000}, [3]float64{60, 0, 1000}), 1, 40 + 9},
		"kept":                  {leg{120, 10, 0.0144, 0.001, math.Log(1e-4), 6}, spans([3]float64{40, 100, 1000}, [3]float64{60, 0, 1000}), 1, 40 + 9 + 6},
		"just below":            {page, spans([3]float64{400, 14, 1000}), never, 0},
		"just above":            {page, spans([3]float64{400, 15, 1000}), 1, 0},
		"nothing":               {page, spans([3]float64{400, 0, 0}), never, 0},
		// One failure of three requests: 33 %, but with 0.003 due one happens by chance in 0.3 % of all hours.
		"low traffic": {page, spans([3]float64{1, 1, 3}, [3]float64{100, 0, 0}), never, 0},
		// Three of three: λ³e^-λ/6 is 4.5e-9. The window of five minutes, 10 steps, forgets it after step 10.
		"few, but all": {page, spans([3]float64{1, 3, 3}, [3]float64{100, 0, 0}), 1, 11},
	}
	for name, tt := range tests {
		got, err := tt.leg.timeline(tt.steps)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, fires := range got {
			want := tt.fires != never && i >= tt.fires && (tt.after == 0 || i < tt.after)
			if fires != want {
				t.Errorf("%s: at step %d the leg fires: %v", name, i, fires)
				break
			}
		}
	}
}

func TestDecisionsByAHairAreRefused(t *testing.T) {
	page := leg{long: 120, short: 10, threshold: 0.0144, healthy: 0.001, limit: math.Log(1e-4)}
	for name, steps := range map[string][]counts{
		"ratio on the threshold":          spans([3]float64{1, 144, 10000}),
		"one event of which 1e-4 are due": spans([3]float64{1, 1, 0.1}),
	} {
		if _, err := page.timeline(steps); !errors.Is(err, errTooClose) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStepsOfAWindow(t *testing.T) {
	for _, tt := range []struct {
		w, step time.Duration
		want    int
	}{{time.Hour, 30 * time.Second, 120}, {5 * time.Minute, 5 * time.Minute, 1}, {10 * time.Second, 30 * time.Second, 1}, {time.Minute + time.Second, time.Minute, 2}} {
		if got := stepsOf(tt.w, tt.step); got != tt.want {
			t.Errorf("%s in steps of %s: %d, want %d", tt.w, tt.step, got, tt.want)
		}
	}
}

func selector(t *testing.T, text string) *spec.Selector {
	t.Helper()
	ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return &spec.Selector{Text: text, Matchers: ms}
}

func TestLabelsForSelectors(t *testing.T) {
	for _, tt := range []struct {
		match, avoid []string
		want         string
	}{
		{[]string{`x{a="1"}`, `x`}, nil, `x{a="1"}`},
		{[]string{`x`}, []string{`x{a="1"}`}, `x`},
		{[]string{`x`}, []string{`x{a!="1"}`}, `x{a="1"}`},
		{[]string{`x{outcome!="business"}`}, []string{`x{outcome="technical"}`}, `x{outcome="ok"}`},
		{[]string{`x{code=~"5.."}`}, nil, `x{code="500"}`},
		{[]string{`x{h=~"/api/v1/query(_range)?"}`}, []string{`x{code=~"5..",h=~"/api/v1/query(_range)?"}`}, `x{h="/api/v1/query"}`},
		{[]string{`x{d!~"postgres|template0|"}`}, nil, `x{d="ok"}`},
		{[]string{`x{code=~"[0-9]{3}"}`}, []string{`x{code=~"5.."}`}, `x{code="000"}`},
		{[]string{`x{a="1"}`}, []string{`y`}, `x{a="1"}`},
		{[]string{`x`}, []string{`x`}, ``},
		{[]string{`x{a="1"}`, `x{a="2"}`}, nil, ``},
		{[]string{`x`, `y`}, nil, ``},
		{[]string{`x{a=~"b|c"}`}, []string{`x{a="b"}`, `x{z="1"}`}, `x{a="c"}`},
	} {
		var match, avoid []*spec.Selector
		for _, s := range tt.match {
			match = append(match, selector(t, s))
		}
		for _, s := range tt.avoid {
			avoid = append(avoid, selector(t, s))
		}
		got, ok := labelsFor(match, avoid)
		if !ok {
			got = labels.EmptyLabels()
		}
		if want := tt.want; ok != (want != "") || ok && seriesText(got) != want {
			t.Errorf("%v without %v: got %s, want %s", tt.match, tt.avoid, seriesText(got), want)
		}
	}
}

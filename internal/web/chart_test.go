package web

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// checkSVG reads every drawing of a page as XML, and every path as numbers.
func checkSVG(t *testing.T, page string) int {
	t.Helper()
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	for _, d := range drawings {
		dec := xml.NewDecoder(strings.NewReader(d))
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("drawing is not well-formed: %v\n%s", err, d)
			}
			if e, ok := token.(xml.StartElement); ok {
				for _, a := range e.Attr {
					if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
						t.Errorf("%s of %s is %q", a.Name.Local, e.Name.Local, a.Value)
					}
				}
			}
		}
	}
	return len(drawings)
}

func TestDrawingsAreWellFormed(t *testing.T) {
	for name, page := range everyPage(t) {
		if checkSVG(t, page) == 0 {
			t.Errorf("%s has no drawing", name)
		}
	}
}

// points gives one point a minute with the burn rates given; negative: not observed.
func points(from time.Time, rates ...float64) []slo.Point {
	var out []slo.Point
	for i, r := range rates {
		p := slo.Point{At: from.Add(time.Duration(i) * time.Minute), BurnRate: r, RemainingRatio: 1 - r/10, Coverage: 1}
		if r < 0 {
			p.BurnRate, p.Coverage = 0, 0
		}
		out = append(out, p)
	}
	return out
}

func TestChartLeavesGaps(t *testing.T) {
	from := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	f := frame{w: 100, h: 50, from: from, to: from.Add(5 * time.Minute)}
	value := func(p slo.Point) float64 { return p.BurnRate }
	c := f.plot(points(from, 0, 5, -1, -1, 10, 10), scale{low: 0, high: 10}, value)
	// A minute is 20 wide; 0 lies at the bottom, 50, and 10 at the top, 0.
	if want := "M0 50L20 25M80 0L100 0"; c.Line != want {
		t.Errorf("line %q, want %q", c.Line, want)
	}
	if want := "M0 50L0 50L20 25L20 50ZM80 50L80 0L100 0L100 50Z"; c.Area != want {
		t.Errorf("area %q, want %q", c.Area, want)
	}
	if len(c.Gaps) != 1 || c.Gaps[0] != (gap{20, 60}) {
		t.Errorf("gaps %v, want one from 20, 60 wide", c.Gaps)
	}
	if c.Dot == nil || *c.Dot != (dot{100, 0}) {
		t.Errorf("dot %v", c.Dot)
	}
	if c := f.plot(points(from, -1, -1), scale{low: 0, high: 1}, value); c.Empty == "" || c.Line != "" || c.Dot != nil || len(c.Gaps) != 1 {
		t.Errorf("nothing observed: %+v", c)
	}
	if c := f.plot(nil, scale{low: 0, high: 1}, value); c.Empty == "" {
		t.Errorf("no points: %+v", c)
	}
}

func TestChartScales(t *testing.T) {
	from := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	f := wideFrame()
	f.from, f.to = from, from.Add(time.Minute)
	st := slo.Status{Name: "x", Tiers: []slo.TierStatus{{Name: "page-1h", LongWindow: "1h", ShortWindow: "5m", Factor: 14.4}, {Name: "ticket-3d", LongWindow: "3d", ShortWindow: "6h", Factor: 1}}}
	calm := burnChart(f, points(from, 0.1, 0.2), st, "1h", nil)
	if top := calm.YTicks[4].Text; top != "1×" {
		t.Errorf("a calm chart reaches to %s; a factor of 14.4 would press it flat", top)
	}
	hot := burnChart(f, points(from, 0.1, 5), st, "1h", []mark{{At: from, Kind: "change", Text: "deploy"}})
	if top := hot.YTicks[4].Text; top != "16×" || len(hot.Limits) != 2 {
		t.Errorf("a hot chart reaches to %s with %v; want 16 and both factors", top, hot.Limits)
	}
	if hot.Marks[0].X != f.left {
		t.Errorf("a mark at the start is at %v, want %v", hot.Marks[0].X, f.left)
	}
	spent := budgetChart(f, points(from, 0, 30), "x", nil)
	if low := spent.YTicks[0].Text; low != "−200\u00a0%" || len(spent.Limits) != 1 {
		t.Errorf("an overspent budget reaches down to %s with %v", low, spent.Limits)
	}
}

func TestNiceCeil(t *testing.T) {
	for v, want := range map[float64]float64{1: 1, 1.01: 1.2, 0.07: 0.08, 14.4: 16, 17: 20, 81: 100, 2000: 2000, 0.9: 1} {
		if got := niceCeil(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("niceCeil(%v) = %v, want %v", v, got, want)
		}
	}
}

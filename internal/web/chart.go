package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/slo"
)

// chart is one drawing, in the units of its own view box. The template "chart" turns it into SVG.
type chart struct {
	Class                    string
	W, H                     float64
	Left, Top, Right, Bottom float64 // edges of the plot
	Label                    string  // what a person who does not see it is told
	Empty                    string  // why there is nothing to see
	Line, Area               string  // path data
	YTicks, XTicks           []tick
	Limits                   []tick
	Marks                    []mark
	Gaps                     []gap // where nothing was observed
	Dot                      *dot  // the newest value
	scaled
}

// scaled lets the page's script read values off a chart; without a unit it does not.
type scaled struct {
	From, To  int64   // Unix milliseconds at the left and the right edge
	Low, High float64 // value at the lower and the upper edge, in Unit
	Unit      string
}

type tick struct {
	At   float64 // x or y
	Text string
	Kind string // of a limit: page or ticket; of a time: first or last
}

type mark struct {
	At         time.Time
	Kind, Text string // change or action
	X          float64
}

type gap struct{ X, Width float64 }

type dot struct{ X, Y float64 }

// What the template needs besides the edges.
func (c chart) Height() float64 { return round(c.Bottom - c.Top) }
func (c chart) LabelX() float64 { return c.Left - 6 }
func (c chart) LabelY() float64 { return c.H - 3 }
func (c chart) Inside() float64 { return c.Left + 6 }
func (c chart) Middle() float64 { return round((c.Left + c.Right) / 2) }
func (c chart) Center() float64 { return round((c.Top + c.Bottom) / 2) }
func (c chart) DotSize() float64 {
	if c.Class == "spark" {
		return 2.5
	}
	return 4
}

// frame is where a chart is drawn and which time it covers.
type frame struct {
	class                    string
	w, h                     float64
	left, right, top, bottom float64 // margins
	xTicks                   int
	from, to                 time.Time
}

func sparkFrame() frame {
	return frame{class: "spark", w: 220, h: 64, left: 30, right: 6, top: 6, bottom: 16, xTicks: 2}
}

func wideFrame() frame {
	return frame{class: "wide", w: 1000, h: 250, left: 52, right: 16, top: 14, bottom: 26, xTicks: 7}
}

func narrowFrame() frame {
	return frame{class: "narrow", w: 350, h: 220, left: 46, right: 10, top: 14, bottom: 26, xTicks: 4}
}

// scale maps a value to y.
type scale struct{ low, high, top, bottom float64 }

func (s scale) y(v float64) float64 {
	return round(s.bottom - (min(max(v, s.low), s.high)-s.low)/(s.high-s.low)*(s.bottom-s.top))
}

func round(v float64) float64 { return math.Round(v*10) / 10 }

func (f frame) x(t time.Time) float64 {
	share := float64(t.Sub(f.from)) / float64(f.to.Sub(f.from))
	return round(f.left + share*(f.w-f.left-f.right))
}

func (f frame) chart() chart {
	return chart{Class: f.class, W: f.w, H: f.h, Left: f.left, Top: f.top, Right: f.w - f.right, Bottom: f.h - f.bottom}
}

// sparks keeps the small charts until the next evaluation, so that many open pages cost the engine
// no more than one.
type sparks struct {
	mu    sync.Mutex
	drawn map[string]drawn // by objective
}

type drawn struct {
	chart  chart
	at, on time.Time // of the result drawn, and of the drawing
}

const (
	maxSparks = 10_000
	sparkAge  = 10 * time.Second
)

func (s *Server) spark(st slo.Status, now time.Time) chart {
	s.sparks.mu.Lock()
	defer s.sparks.mu.Unlock()
	if d, ok := s.sparks.drawn[st.Name]; ok && d.at.Equal(st.At) && now.Sub(d.on) < sparkAge {
		return d.chart
	}
	if len(s.sparks.drawn) >= maxSparks || s.sparks.drawn == nil {
		s.sparks.drawn = map[string]drawn{}
	}
	c := s.drawSpark(st, now)
	s.sparks.drawn[st.Name] = drawn{c, st.At, now}
	return c
}

// recent is the stretch of time that small charts show: one in which the objective's fastest tier
// could come and go a few times, and not much longer than the objective has been watched.
func recent(st slo.Status) time.Duration {
	want := time.Hour
	if len(st.Tiers) > 0 {
		if long, err := model.ParseDuration(st.Tiers[0].LongWindow); err == nil {
			want = 12 * time.Duration(long)
		}
	}
	if st.Filled < 1 {
		want = min(want, st.Watched)
	}
	for _, d := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour} {
		if want <= d {
			return d
		}
	}
	return 24 * time.Hour
}

// drawSpark draws the burn rate over the shortest window for the recent past.
func (s *Server) drawSpark(st slo.Status, now time.Time) chart {
	f := sparkFrame()
	back := recent(st)
	f.from, f.to = now.Add(-back), now
	if len(st.BurnRates) == 0 {
		c := f.chart()
		c.Empty = "no burn rate yet"
		return c
	}
	window := st.BurnRates[0].Window
	points, err := s.deps.Objectives.History(st.Name, window, f.from, f.to, sparkPoints)
	if err != nil {
		s.deps.Log.Error("reading history", "slo", st.Name, "err", err)
	}
	high := niceCeil(max(1, highest(points)))
	c := f.plot(points, scale{low: 0, high: high}, func(p slo.Point) float64 { return p.BurnRate })
	c.YTicks = []tick{{At: c.Top, Text: burnText(high) + "×"}, {At: c.Bottom, Text: "0"}}
	c.XTicks = []tick{{At: c.Left, Text: ago(back), Kind: "first"}, {At: c.Right, Text: "now", Kind: "last"}}
	c.Label = fmt.Sprintf("Burn rate of %s over %s during the last %s, up to %s", st.Name, window, span(back), burnText(highest(points)))
	return c
}

// burnChart draws the burn rate with the factors of the tiers that watch this window.
func burnChart(f frame, points []slo.Point, st slo.Status, window string, marks []mark) chart {
	top := max(1, highest(points)*1.1)
	for _, t := range st.Tiers {
		// A factor far above the line would press the line flat; it is listed in the table anyway.
		if (t.LongWindow == window || t.ShortWindow == window) && t.Factor <= top*4 {
			top = max(top, t.Factor*1.1)
		}
	}
	sc := scale{low: 0, high: niceCeil(top)}
	c := f.plot(points, sc, func(p slo.Point) float64 { return p.BurnRate })
	sc.top, sc.bottom = c.Top, c.Bottom
	for i := range 5 {
		v := sc.high * float64(i) / 4
		c.YTicks = append(c.YTicks, tick{At: sc.y(v), Text: burnText(v) + "×"})
	}
	for _, t := range st.Tiers {
		if t.Factor <= sc.high {
			c.Limits = append(c.Limits, tick{At: sc.y(t.Factor), Text: t.Name + " " + burnText(t.Factor) + "×", Kind: string(t.Severity)})
		}
	}
	c.Limits = apart(c.Limits, 13)
	f.axis(&c, marks)
	c.scaled = scaled{f.from.UnixMilli(), f.to.UnixMilli(), sc.low, sc.high, "×"}
	c.Label = fmt.Sprintf("Burn rate of %s over %s from %s to %s, up to %s", st.Name, window, stamp(f.from), stamp(f.to), burnText(highest(points)))
	return c
}

// budgetChart draws how much of the budget was left at each moment.
func budgetChart(f frame, points []slo.Point, name string, marks []mark) chart {
	low := 0.0
	for _, p := range points {
		if p.Coverage > 0 {
			low = min(low, p.RemainingRatio)
		}
	}
	if low < 0 {
		low = -niceCeil(-low)
	}
	sc := scale{low: low, high: 1}
	c := f.plot(points, sc, func(p slo.Point) float64 { return p.RemainingRatio })
	sc.top, sc.bottom = c.Top, c.Bottom
	steps := []float64{0, 0.25, 0.5, 0.75, 1}
	if low < 0 {
		steps = []float64{low, low / 2, 0, 1}
	}
	for _, v := range steps {
		c.YTicks = append(c.YTicks, tick{At: sc.y(v), Text: share(v)})
	}
	c.YTicks = apart(c.YTicks, 12)
	if low < 0 {
		c.Limits = []tick{{At: sc.y(0), Text: "spent", Kind: "page"}}
	}
	f.axis(&c, marks)
	c.scaled = scaled{f.from.UnixMilli(), f.to.UnixMilli(), sc.low * 100, sc.high * 100, space + "%"}
	c.Label = fmt.Sprintf("Error budget left of %s from %s to %s", name, stamp(f.from), stamp(f.to))
	return c
}

// apart drops labels that would lie on one another, keeping the first of each heap.
func apart(ticks []tick, distance float64) []tick {
	var out []tick
	for _, t := range ticks {
		if !slices.ContainsFunc(out, func(o tick) bool { return math.Abs(o.At-t.At) < distance }) {
			out = append(out, t)
		}
	}
	return out
}

func highest(points []slo.Point) float64 {
	high := 0.0
	for _, p := range points {
		if p.Coverage > 0 {
			high = max(high, p.BurnRate)
		}
	}
	return high
}

// plot draws the line through the observed points and leaves a gap where nothing was observed: a
// line at 0 would say that all was well.
func (f frame) plot(points []slo.Point, sc scale, value func(slo.Point) float64) chart {
	c := f.chart()
	sc.top, sc.bottom = c.Top, c.Bottom
	var line, area strings.Builder
	base := num(sc.y(max(0, sc.low)))
	last, lastX, gapFrom := (*dot)(nil), 0.0, c.Left
	closeArea := func() {
		if last != nil {
			fmt.Fprintf(&area, "L%s %sZ", num(lastX), base)
		}
	}
	for _, p := range points {
		x, y := f.x(p.At), sc.y(value(p))
		if p.Coverage <= 0 || math.IsNaN(y) {
			if last != nil {
				closeArea()
				last, gapFrom = nil, lastX
			}
			continue
		}
		if last == nil {
			c.addGap(gapFrom, x)
			fmt.Fprintf(&line, "M%s %s", num(x), num(y))
			fmt.Fprintf(&area, "M%s %sL%s %s", num(x), base, num(x), num(y))
		} else {
			fmt.Fprintf(&line, "L%s %s", num(x), num(y))
			fmt.Fprintf(&area, "L%s %s", num(x), num(y))
		}
		last, lastX = &dot{x, y}, x
	}
	closeArea()
	if last == nil {
		c.addGap(gapFrom, c.Right)
	}
	c.Line, c.Area, c.Dot = line.String(), area.String(), last
	if c.Line == "" {
		c.Empty = "nothing observed in this time"
	}
	return c
}

// addGap marks a stretch without observations, unless it is no wider than a step of the line.
func (c *chart) addGap(from, to float64) {
	if to-from > (c.Right-c.Left)/40 {
		c.Gaps = append(c.Gaps, gap{from, round(to - from)})
	}
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// axis labels the time and sets the marks.
func (f frame) axis(c *chart, marks []mark) {
	layout := "15:04"
	if f.to.Sub(f.from) > 26*time.Hour {
		layout = "Jan 2"
	}
	for i := range f.xTicks {
		t := f.from.Add(f.to.Sub(f.from) * time.Duration(i) / time.Duration(f.xTicks-1))
		x := tick{At: f.x(t), Text: t.UTC().Format(layout)}
		switch i {
		case 0:
			x.Kind = "first"
		case f.xTicks - 1:
			x.Kind = "last"
		}
		c.XTicks = append(c.XTicks, x)
	}
	for _, m := range marks {
		m.X = f.x(m.At)
		c.Marks = append(c.Marks, m)
	}
}

// niceCeil is the next of 1, 1.2, 1.6, 2, 3, 4, 5, 6, 8 times a power of ten: round numbers at the
// quarters of an axis.
func niceCeil(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 3, 4, 5, 6, 8} {
		if v <= step*power*(1+1e-9) {
			return step * power
		}
	}
	return 10 * power
}

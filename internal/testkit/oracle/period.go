package oracle

import "time"

// Levels are the ledger's resolutions as docs/engine.md states them, in milliseconds.
type Levels struct {
	Widths [4]int64
	Keep   int64 // how far back the last reaches
}

// NewLevels gives the levels for an objective whose shortest window is so long and whose ledger reaches
// back so far.
func NewLevels(shortest, retention time.Duration) Levels {
	l := Levels{Keep: retention.Milliseconds()}
	finest := int64(50)
	for _, ms := range []int64{100, 200, 500, 1000, 2000, 5000, 10_000} {
		if 60*ms <= shortest.Milliseconds() {
			finest = ms
		}
	}
	l.Widths = [4]int64{finest, 12 * finest, 120 * finest, 720 * finest}
	for n := int64(1); l.Keep > 20_000*l.Widths[3]; n++ {
		l.Widths[3] = 720 * finest * n
	}
	return l
}

// width is that of the finest level that still holds a moment so long ago: each reaches back 800 buckets.
func (l Levels) width(agoMs int64) int64 {
	for _, w := range l.Widths[:len(l.Widths)-1] {
		if agoMs+w <= 800*w {
			return w
		}
	}
	return l.Widths[len(l.Widths)-1]
}

// round moves an edge back to the bucket edge at or before it.
func (l Levels) round(edge, now int64) int64 {
	w := l.width(now - edge)
	down := edge / w * w
	if down > edge {
		down -= w
	}
	return down
}

// Calendar is a window of whole periods in a zone. Every period begins at the wall-clock time of First.
type Calendar struct {
	Unit  string // day, week, month, quarter, year
	Count int
	First time.Time // the start of some period, on a day that every month has
}

// date is a civil date.
type date struct{ y, m, d int }

// Start finds the period that holds now by walking from the first, one period after the other.
func (c Calendar) Start(now time.Time) time.Time {
	y, m, d := c.First.Date()
	at := date{y, int(m), d}
	for at.after(now, c.First) {
		at = c.step(at, -1)
	}
	for next := c.step(at, 1); !next.after(now, c.First); next = c.step(at, 1) {
		at = next
	}
	return instant(at, c.First)
}

// after reports whether a period that begins on that date begins after now. Days away, zones do not matter.
func (d date) after(now, like time.Time) bool {
	midnight := time.Date(d.y, time.Month(d.m), d.d, 0, 0, 0, 0, time.UTC)
	if away := midnight.Sub(now); away > 72*time.Hour || away < -72*time.Hour {
		return away > 0
	}
	return instant(d, like).After(now)
}

// step goes one period on, or back, counting days and months by hand.
func (c Calendar) step(at date, sign int) date {
	days := map[string]int{"day": 1, "week": 7}[c.Unit] * c.Count
	for ; days > 0 && sign > 0; days-- {
		if at.d++; at.d > daysIn(at.y, at.m) {
			at = date{at.y, at.m + 1, 1}.carried()
		}
	}
	for ; days > 0; days-- {
		if at.d--; at.d < 1 {
			at = date{at.y, at.m - 1, 1}.carried()
			at.d = daysIn(at.y, at.m)
		}
	}
	months := map[string]int{"month": 1, "quarter": 3, "year": 12}[c.Unit] * c.Count
	for ; months > 0; months-- {
		at = date{at.y, at.m + sign, at.d}.carried()
	}
	return at
}

// carried brings a month that is one too far into its year.
func (d date) carried() date {
	switch d.m {
	case 0:
		return date{d.y - 1, 12, d.d}
	case 13:
		return date{d.y + 1, 1, d.d}
	}
	return d
}

func daysIn(y, m int) int {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// instant is the first moment at which clocks in the zone of like show that day and the time of day of
// like. A time that the clocks skip is read as if they had not been changed yet.
func instant(day date, like time.Time) time.Time {
	h, minute, s := like.Clock()
	wall := time.Date(day.y, time.Month(day.m), day.d, h, minute, s, 0, time.UTC)
	before := wall.Add(-15 * time.Hour)
	for ago := 15 * time.Hour; ago >= -15*time.Hour; ago -= 15 * time.Minute { // zones are whole quarters of an hour from UTC
		t := wall.Add(-ago).In(like.Location())
		if ty, tm, td := t.Date(); ty == day.y && int(tm) == day.m && td == day.d && t.Hour() == h && t.Minute() == minute && t.Second() == s {
			return t
		}
	}
	_, offset := before.In(like.Location()).Zone()
	return wall.Add(-time.Duration(offset) * time.Second).In(like.Location())
}

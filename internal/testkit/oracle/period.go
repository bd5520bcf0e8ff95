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

// Width is that of the finest level that still holds a moment so long ago, and whether the next finer one
// surely does not: between 800 and 900 buckets it may.
func (l Levels) Width(agoMs int64) (width int64, sure bool) {
	for i, w := range l.Widths {
		if i == len(l.Widths)-1 || agoMs+w <= 800*w {
			return w, i == 0 || agoMs > 902*l.Widths[i-1]
		}
	}
	return 0, false
}

// round moves an edge back to the bucket edge at or before it.
func (l Levels) round(edge, now int64) int64 {
	w, _ := l.Width(now - edge)
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

// Start finds the period that holds now by walking from the first, one period after the other.
func (c Calendar) Start(now time.Time) time.Time {
	n := 0
	for c.nth(n).After(now) {
		n--
	}
	for !c.nth(n + 1).After(now) {
		n++
	}
	return c.nth(n)
}

// nth counts days and months by hand.
func (c Calendar) nth(n int) time.Time {
	y, month, d := c.First.Date()
	m := int(month)
	switch k := n * c.Count; c.Unit {
	case "day", "week":
		if c.Unit == "week" {
			k *= 7
		}
		for ; k > 0; k-- {
			if d++; d > daysIn(y, m) {
				y, m, d = followingMonth(y, m)
			}
		}
		for ; k < 0; k++ {
			if d--; d < 1 {
				y, m = precedingMonth(y, m)
				d = daysIn(y, m)
			}
		}
	case "month", "quarter":
		if c.Unit == "quarter" {
			k *= 3
		}
		for ; k > 0; k-- {
			y, m, _ = followingMonth(y, m)
		}
		for ; k < 0; k++ {
			y, m = precedingMonth(y, m)
		}
	case "year":
		y += k
	}
	return instant(y, m, d, c.First)
}

func followingMonth(y, m int) (year, month, day int) {
	if m == 12 {
		return y + 1, 1, 1
	}
	return y, m + 1, 1
}

func precedingMonth(y, m int) (year, month int) {
	if m == 1 {
		return y - 1, 12
	}
	return y, m - 1
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
func instant(y, m, d int, like time.Time) time.Time {
	h, minute, s := like.Clock()
	wall := time.Date(y, time.Month(m), d, h, minute, s, 0, time.UTC)
	before := wall.Add(-15 * time.Hour)
	for ago := 15 * time.Hour; ago >= -15*time.Hour; ago -= 15 * time.Minute { // zones are whole quarters of an hour from UTC
		t := wall.Add(-ago).In(like.Location())
		if ty, tm, td := t.Date(); ty == y && int(tm) == m && td == d && t.Hour() == h && t.Minute() == minute && t.Second() == s {
			return t
		}
	}
	_, offset := before.In(like.Location()).Zone()
	return wall.Add(-time.Duration(offset) * time.Second).In(like.Location())
}

package detection

import "time"

// The windows that the six approaches look back over.
const (
	minute1 = iota
	minutes5
	minutes10
	minutes30
	hour1
	hours2
	hours6
	day1
	hours36
	days3
	windowCount
)

func windowLengths() [windowCount]int64 {
	out := [windowCount]int64{}
	for i, d := range [windowCount]time.Duration{
		time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour,
		24 * time.Hour, 36 * time.Hour, 72 * time.Hour,
	} {
		out[i] = d.Milliseconds()
	}
	return out
}

// approaches is how many the workbook has, and its last one once more with the guard that people add
// for low traffic: no page on fewer than minErrors in the long window.
const approaches, minErrors = 6 + 1, 5

// verdict is what a rule says at one moment.
type verdict struct{ page, ticket bool }

// workbook evaluates the six approaches on exact counts: better than PromQL could, which knows them
// only from its samples. Nothing in it is the engine's.
type workbook struct {
	allowed float64 // ratio of bad events
	lengths [windowCount]int64
	entries []entry // when events were seen, with the sums up to and including them
	tails   [windowCount]int
	sinceMs int64 // approach 3: when the ratio rose; 0: it has not
	badMs   int64 // of the last bad event; 0: none yet
}

type entry struct {
	at         int64
	bad, total float64
}

// newWorkbook makes the six approaches for an objective that allows a ratio of bad events.
func newWorkbook(allowed float64) *workbook {
	return &workbook{allowed: allowed, lengths: windowLengths(), entries: []entry{{}}}
}

// observe takes events seen at a moment in, which must not go back.
func (w *workbook) observe(at int64, bad, total float64) {
	if total == 0 && bad == 0 {
		return
	}
	if bad > 0 {
		w.badMs = at
	}
	last := w.entries[len(w.entries)-1]
	w.entries = append(w.entries, entry{at, last.bad + bad, last.total + total})
	if tail := w.tails[days3]; tail > 1<<14 && tail > len(w.entries)/2 {
		w.entries = append(w.entries[:0], w.entries[tail:]...)
		for i := range w.tails {
			w.tails[i] -= tail
		}
	}
}

// count is the number of events, and of bad ones, in (now − window, now].
func (w *workbook) count(window int, now int64) (bad, total float64) {
	edge, tail := now-w.lengths[window], w.tails[window]
	for tail+1 < len(w.entries) && w.entries[tail+1].at <= edge {
		tail++
	}
	w.tails[window] = tail
	before, last := w.entries[tail], w.entries[len(w.entries)-1]
	return last.bad - before.bad, last.total - before.total
}

// judge says what each approach says now; see ruleNames. The factors and windows are those of the workbook's rules.
func (w *workbook) judge(now int64) (out [approaches]verdict) {
	if w.badMs == 0 || w.badMs <= now-w.lengths[days3] { // nothing bad in any window
		w.sinceMs = 0
		return out
	}
	var r, bad [windowCount]float64 // burn rates, 0 without events, and bad events
	for i := range r {
		b, total := w.count(i, now)
		if bad[i] = b; total > 0 {
			r[i] = b / total / w.allowed
		}
	}
	if r[minute1] > 1 && w.sinceMs == 0 {
		w.sinceMs = now
	} else if r[minute1] <= 1 {
		w.sinceMs = 0
	}
	out[0].page = r[minutes10] >= 1
	out[1].page = r[hours36] > 1
	out[2].page = w.sinceMs > 0 && now-w.sinceMs >= time.Hour.Milliseconds()
	out[3].page = r[hour1] > 36
	out[4] = verdict{page: r[hour1] > 14.4 || r[hours6] > 6, ticket: r[days3] > 1}
	fast, slow := r[hour1] > 14.4 && r[minutes5] > 14.4, r[hours6] > 6 && r[minutes30] > 6
	daily, even := r[day1] > 3 && r[hours2] > 3, r[days3] > 1 && r[hours6] > 1
	out[5] = verdict{page: fast || slow, ticket: daily || even}
	out[6] = verdict{
		page:   fast && bad[hour1] >= minErrors || slow && bad[hours6] >= minErrors,
		ticket: daily && bad[day1] >= minErrors || even && bad[days3] >= minErrors,
	}
	return out
}

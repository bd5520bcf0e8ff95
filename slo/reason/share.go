package reason

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A customer's decline burns no budget. So a fault that shows as declines, such as a balance service that answers
// "insufficient funds" to everybody, would be seen by nobody. Shares notices that their share has jumped.

// What has to be for a share to have jumped, and to have fallen again.
const (
	slotMs     = 15_000
	slots      = 40  // ten minutes, the window
	minCount   = 20  // declines of the class
	minTimes   = 3.0 // as many as in the baseline, or so many times fewer of all else
	clearTimes = 1.5 // likewise, over the whole window
	maxTail    = 1e-10
	halfLifeMs = 24 * 3_600_000 // of the baseline: a level that stays is normal after about a day and a half
	learnMs    = 3_600_000      // a group's first hour only teaches
	minLearned = 200            // finished movements in the baseline
	expireMs   = 48 * 3_600_000 // of a group without events
)

// MaxGroups bounds the groups that are watched.
const MaxGroups = 2000

// spans are the ends of the window that are looked at, in slots: 15 s, 1, 2, 5 and 10 minutes.
func spans() [5]int { return [5]int{1, 4, 8, 20, slots} }

// watched are the classes whose share is followed: they burn no budget, and may hide a fault.
func watched() [4]Class { return [4]Class{Business, Fraud, Compliance, Ambiguous} }

// Shares watches, in each group, the share of each class of declines among what finished. A group is what fails
// together, such as a counterparty on a rail. Each group is compared with itself: the last ten minutes, and the
// last 15 s, 1, 2 and 5 minutes of them, with what came before, which fades by half a day.
//
// A share has jumped when there are 20 declines; when it is three times the baseline's, or all else a third of what
// it was, for a share that was high before; and when chance would bring as many with a probability below 1e-10 if
// the share were what it was. That is the conditional test of two Poisson rates (Przyborowski and Wilenski,
// Biometrika 31, 1940), which allows for a short baseline, and errs to the safe side for shares that are not small.
// With five looks every 15 s, a group and class raises falsely at most once in 950 years by that bound, and 1,000
// groups with four classes together at most once in 87 days, as long as movements are independent. The threefold
// guards against what is not: shares drift over a day, and customers try again.
//
// It clears when it is less than 1.5 times the baseline's over the whole window, and all else more than that part
// of what it was, or when nothing finished in it.
//
//	sct-inst/DEUTDEFF: business 26 of 240 finished in 2m (10.8 %), against 2.0 % of 51234 before: 5.4 times the share,
//	which chance brings less than once in 1e+10 looks
//
// A group takes 1 KiB. Shares is not safe for concurrent use, has no clock and keeps nothing over a restart, after
// which it learns for an hour.
type Shares struct {
	groups  map[string]*group
	slot    int64 // the one that is filling, counted from 1970
	dropped int64
}

// group is the state of one group.
type group struct {
	first   int64        // slot of the first event
	last    int64        // of the last
	slot    int64        // the one that is filling
	ring    [slots]tally // those before it, by slot modulo their number
	filling tally
	base    baseline
	raised  [4]raised
}

// tally counts what finished in a slot.
type tally struct {
	total   uint32
	classes [4]uint32
}

// baseline is the sum of all slots that left the window, each faded by its age.
type baseline struct {
	total   float64
	classes [4]float64
}

// raised is a jump that has not cleared; zero: none.
type raised struct {
	sinceMs int64
	Evidence
}

// Evidence is what showed a jump, when it was raised.
type Evidence struct {
	SpanSeconds int     `json:"span_seconds"`
	Count       int     `json:"count"`          // of the class in the span
	Finished    int     `json:"finished"`       // all movements in the span
	Baseline    float64 `json:"baseline_ratio"` // share before
	Learned     float64 `json:"learned"`        // movements that the baseline rests on, faded
}

// Anomaly is a share that has jumped and not come back.
type Anomaly struct {
	Group string    `json:"group"` // rail/counterparty
	Class Class     `json:"class"`
	Since time.Time `json:"since"`
	Share float64   `json:"share_ratio"` // over the last ten minutes
	Evidence
	Why string `json:"why"` // in one sentence, with the numbers
}

// sentence says what a jump was raised for.
func (a *Anomaly) sentence() string {
	span := fmt.Sprintf("%ds", a.SpanSeconds)
	if a.SpanSeconds >= 60 {
		span = fmt.Sprintf("%dm", a.SpanSeconds/60)
	}
	share, times := float64(a.Count)/float64(a.Finished), ""
	if a.Baseline > 0 {
		times = fmt.Sprintf("%.1f times the share, ", share/a.Baseline)
	}
	return fmt.Sprintf("%s: %s %d of %d finished in %s (%.1f %%), against %.1f %% of %.0f before: %swhich chance brings less than once in %.0e looks",
		a.Group, a.Class, a.Count, a.Finished, span, 100*share, 100*a.Baseline, a.Learned, times, 1/maxTail)
}

// NewShares watches nothing yet.
func NewShares() *Shares { return &Shares{groups: map[string]*group{}} }

// Observe counts n movements that have finished with an outcome of that class; Info and InDoubt are not outcomes
// and are left out. atMs is when they were learned of, by the caller's clock: one that lies before an earlier one
// counts as that. When there are MaxGroups, movements of others are dropped.
func (s *Shares) Observe(atMs int64, name string, class Class, n uint32) {
	if class == Info || class == InDoubt {
		return
	}
	s.slot = max(s.slot, atMs/slotMs)
	g := s.groups[name]
	if g == nil {
		if len(s.groups) >= MaxGroups {
			s.dropped += int64(n)
			return
		}
		g = &group{first: s.slot, slot: s.slot}
		s.groups[strings.Clone(name)] = g
	}
	g.advance(s.slot)
	g.last = s.slot
	g.filling.total += n
	for i, c := range watched() {
		if c == class {
			g.filling.classes[i] += n
		}
	}
}

// Anomalies judges every group once a slot and returns the jumps that hold, by group and class. It also forgets
// groups that had no event for two days. Calling it more often changes nothing; less often finds things later.
func (s *Shares) Anomalies(nowMs int64) []Anomaly {
	s.slot = max(s.slot, nowMs/slotMs)
	var out []Anomaly
	for name, g := range s.groups {
		if (s.slot-g.last)*slotMs > expireMs {
			delete(s.groups, name)
			continue
		}
		g.advance(s.slot)
		for i, r := range g.raised {
			if r.sinceMs != 0 {
				whole := g.sum(slots)
				a := Anomaly{Group: name, Class: watched()[i], Since: time.UnixMilli(r.sinceMs).UTC(), Evidence: r.Evidence}
				a.Share = float64(whole.classes[i]) / float64(max(whole.total, 1))
				a.Why = a.sentence()
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Class, b.Class))
	})
	return out
}

// Groups is how many groups are watched.
func (s *Shares) Groups() int { return len(s.groups) }

// Dropped is how many movements were not counted because there were too many groups.
func (s *Shares) Dropped() int64 { return s.dropped }

// advance makes slot the one that is filling and judges the group at the end of each that has passed.
func (g *group) advance(slot int64) {
	for g.slot < slot {
		if g.slot < slot-slots && g.sum(slots).total == 0 && g.filling.total == 0 {
			// Nothing is left that could move, so the rest of a long silence is one step.
			g.base.fade(slot - g.slot)
			g.slot = slot
			g.judge()
			return
		}
		place := &g.ring[g.slot%slots]
		g.base.fade(1)
		g.base.add(*place)
		*place, g.filling = g.filling, tally{}
		g.slot++
		g.judge()
	}
}

// sum adds up the last n slots before the one that is filling.
func (g *group) sum(n int) tally {
	var t tally
	for i := range int64(n) {
		one := &g.ring[(g.slot-1-i+slots)%slots]
		t.total += one.total
		for c := range t.classes {
			t.classes[c] += one.classes[c]
		}
	}
	return t
}

// fade makes the baseline older by so many slots.
func (b *baseline) fade(n int64) {
	f := math.Exp2(-float64(n) * slotMs / halfLifeMs)
	b.total *= f
	for c := range b.classes {
		b.classes[c] *= f
	}
}

func (b *baseline) add(t tally) {
	b.total += float64(t.total)
	for c := range b.classes {
		b.classes[c] += float64(t.classes[c])
	}
}

// exceeded reports whether the share of a class in t is at least so many times that of the baseline, or what is
// not of the class at most that part of what it was. Half an event keeps a class never seen from having no share.
func (b *baseline) exceeded(t tally, class int, times float64) bool {
	share := (b.classes[class] + 0.5) / (b.total + 1)
	count, total := float64(t.classes[class]), float64(t.total)
	return count >= times*share*total || (total-count)*times <= (1-share)*total
}

// judge raises and clears.
func (g *group) judge() {
	if (g.slot-g.first)*slotMs < learnMs || g.base.total < minLearned {
		return
	}
	var sums [5]tally // of the spans
	for i, n := range spans() {
		sums[i] = g.sum(n)
	}
	whole := sums[len(sums)-1]
	for c := range g.raised {
		r := &g.raised[c]
		if r.sinceMs != 0 {
			if whole.total == 0 || !g.base.exceeded(whole, c, clearTimes) {
				*r = raised{}
			}
			continue
		}
		for i, t := range sums {
			if g.jumped(t, c) {
				*r = raised{g.slot * slotMs, Evidence{
					SpanSeconds: spans()[i] * slotMs / 1000, Count: int(t.classes[c]), Finished: int(t.total),
					Baseline: g.base.classes[c] / g.base.total, Learned: g.base.total,
				}}
				break
			}
		}
	}
}

// jumped reports whether the share of a class in t is far more than that of the baseline.
func (g *group) jumped(t tally, class int) bool {
	return t.classes[class] >= minCount && g.base.exceeded(t, class, minTimes) &&
		tailBelow(maxTail, float64(t.classes[class]), float64(t.total), g.base.classes[class], g.base.total)
}

// tailBelow reports whether the probability of at least count events among total is below bound, when before
// came before among beforeTotal and the rate is the same: P(X >= count) of the negative binomial with before + 1
// successes, which is the binomial tail of the conditional test. count has to be above what is expected.
func tailBelow(bound, count, total, before, beforeTotal float64) bool {
	r, q := before+1, total/(total+beforeTotal)
	a, _ := math.Lgamma(count + r)
	b, _ := math.Lgamma(count + 1)
	c, _ := math.Lgamma(r)
	term := math.Exp(a - b - c + count*math.Log(q) + r*math.Log1p(-q))
	for sum := 0.0; ; count++ {
		// Terms fall at least as fast as a geometric series with this ratio, which bounds the rest.
		fall := (count + r) / (count + 1) * q
		if fall >= 1 {
			return false
		}
		if term/(1-fall) < bound-sum {
			return true
		}
		if sum += term; sum >= bound {
			return false
		}
		term *= fall
	}
}

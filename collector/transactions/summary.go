package transactions

import (
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/assayer-io/assayer/slo/money"
	"github.com/assayer-io/assayer/slo/reason"
)

// Pile is so many movements, and what they come to.
type Pile struct {
	Count  int64               `json:"count"`
	Values map[string]*big.Int `json:"values,omitempty"` // by currency: minor units
}

func (p *Pile) take(q *pile, currency string) {
	p.Count += q.count
	if currency == "" {
		return
	}
	if p.Values == nil {
		p.Values = map[string]*big.Int{}
	}
	if p.Values[currency] == nil {
		p.Values[currency] = new(big.Int)
	}
	p.Values[currency].Add(p.Values[currency], q.sum.int())
}

// Amounts writes what a pile of the rail comes to, by currency, where that is not nothing: 12,345.67 EUR.
func (s *Summary) Amounts(p Pile) []string {
	var out []string
	for _, currency := range slices.Sorted(maps.Keys(p.Values)) {
		if p.Values[currency].Sign() == 0 {
			continue
		}
		value, _ := new(big.Float).SetInt(p.Values[currency]).Float64()
		if digits, ours := s.Digits[currency]; ours {
			out = append(out, money.TextOf(value, digits, currency))
		} else {
			out = append(out, money.Text(value, currency))
		}
	}
	return out
}

// AgePile is what is open of one age.
type AgePile struct {
	Age string `json:"age"`
	Pile
}

// Summary is how one rail stands.
type Summary struct {
	Rail          string           `json:"rail"`
	Title         string           `json:"title"`
	Open          Pile             `json:"open"`
	Overdue       Pile             `json:"overdue"`
	InDoubt       Pile             `json:"in_doubt"`
	OldestSeconds float64          `json:"oldest_open_age_seconds"`
	Ages          []AgePile        `json:"open_by_age"`
	NextCutOff    *time.Time       `json:"next_cutoff,omitempty"`
	CutOff        string           `json:"cutoff,omitempty"` // its name
	Due           Pile             `json:"due_by_next_cutoff"`
	PerSecond     float64          `json:"settled_per_second"`              // over the last ten minutes
	DrainSeconds  *float64         `json:"drain_seconds,omitempty"`         // nil: nothing has settled lately
	DrainRatio    float64          `json:"drain_ratio"`                     // of the time that is left; 0 with nothing due
	Breaks        *Pile            `json:"reconciliation_breaks,omitempty"` // nil: the rail is not reconciled
	Cycles        []Cycle          `json:"cycles,omitempty"`                // the latest last
	Anomalies     []reason.Anomaly `json:"business_share_anomalies,omitempty"`
	Digits        map[string]int   `json:"digits,omitempty"` // after the point, of assets that are not in ISO 4217
}

// Summaries tells how each rail stands that anything was ever told of, by name.
func (t *Tracker) Summaries() []Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.summaries(t.now())
}

// Unmapped are the reason codes of the last day that no pack knows, the most frequent first.
func (t *Tracker) Unmapped() []UnmappedCode {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unmapped.list(t.now().UnixMilli())
}

func (t *Tracker) summaries(now time.Time) []Summary {
	rules := t.rules.Load()
	byRail := map[string]*Summary{}
	for _, l := range t.dict.lanes {
		if byRail[l.Rail] == nil {
			byRail[l.Rail] = t.newSummary(rules.rails[l.Rail], l.Rail, now)
		}
		if digits, ours := rules.Assets[l.Currency]; ours {
			byRail[l.Rail].digits(l.Currency, digits)
		}
	}
	for number, open := range t.book.lanes {
		l := t.dict.lanes[number]
		s := byRail[l.Rail]
		s.Open.take(&open.open, l.Currency)
		s.Overdue.take(&open.overdue, l.Currency)
		s.InDoubt.take(&open.inDoubt, l.Currency)
		if s.Breaks != nil {
			s.Breaks.take(&open.breaks, l.Currency)
		}
		bands, oldest := open.ages(now)
		s.OldestSeconds = max(s.OldestSeconds, oldest.Seconds())
		for i := range bands {
			s.Ages[i].take(&bands[i], l.Currency)
		}
		if s.NextCutOff != nil {
			due := open.dueBy(dayNumber(rules.rails[l.Rail].day(s.NextCutOff.UnixMilli())))
			s.Due.take(&due, l.Currency)
		}
	}
	var all []Summary
	for _, rail := range slices.Sorted(maps.Keys(byRail)) {
		s := byRail[rail]
		s.drain(now)
		all = append(all, *s)
	}
	return all
}

func (t *Tracker) newSummary(rs *railState, name string, now time.Time) *Summary {
	s := &Summary{Rail: name, PerSecond: t.book.done[name].perSecond(now.UnixMilli())}
	for _, b := range ageBands() {
		s.Ages = append(s.Ages, AgePile{Age: b.name})
	}
	for _, day := range t.cycles.days(name, nil) {
		s.Cycles = append(s.Cycles, t.cycles.of[name+"/"+day])
	}
	for _, a := range t.shares.Anomalies(now.UnixMilli()) {
		if railOfGroup(a.Group) == name {
			s.Anomalies = append(s.Anomalies, a)
		}
	}
	if rs == nil {
		return s
	}
	s.Title = rs.Title
	if rs.within > 0 {
		s.Breaks = &Pile{}
	}
	if at, cutOff, ok := rs.NextCutOff(now, rs.calendar); ok {
		s.NextCutOff, s.CutOff = &at, cutOff
	}
	return s
}

func (s *Summary) digits(asset string, n int) {
	if s.Digits == nil {
		s.Digits = map[string]int{}
	}
	s.Digits[asset] = n
}

// drain says how long what is due takes at the pace of the last ten minutes, and how much of the time left that is.
func (s *Summary) drain(now time.Time) {
	if s.NextCutOff == nil || s.Due.Count == 0 {
		return
	}
	s.DrainRatio = maxDrainRatio
	if s.PerSecond == 0 {
		return
	}
	seconds := float64(s.Due.Count) / s.PerSecond
	s.DrainSeconds = &seconds
	if left := s.NextCutOff.Sub(now).Seconds(); left > 0 {
		s.DrainRatio = min(maxDrainRatio, seconds/left)
	}
}

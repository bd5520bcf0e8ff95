package web

import (
	"cmp"
	"slices"
	"time"
)

// Settlement is how movements of money stand that the agent follows to their end.
type Settlement struct {
	Rails    []Rail
	Unmapped []UnmappedCode // reason codes of the last day that no pack knows
}

// Rail is how the movements on one rail stand.
type Rail struct {
	Name  string // sct-inst
	Title string // SEPA Instant Credit Transfer; "": a rail that is no longer configured

	Open, Overdue, InDoubt Pile
	Oldest                 time.Duration // since the oldest open one came in
	Breaks                 *Pile         // only one side has told of them; nil: the rail is not reconciled

	NextCutOff time.Time // zero: the rail has none
	CutOff     string    // its name
	Due        Pile      // open, and to be gone by then
	// Drain is how long Due takes at the present pace; negative: nothing settles.
	Drain time.Duration

	Anomalies []string // one sentence each: a share of declines that has jumped
}

// Pile is so many movements and what they come to, an amount for each currency ("12,345.67 EUR").
type Pile struct {
	Count  int64
	Values []string
}

// UnmappedCode is a reason code that is counted as technical because nobody has said what it means.
type UnmappedCode struct {
	Code  string // iso20022/status/ZZ99
	Count int
}

// maxRails and maxUnmapped bound what the page lists.
const (
	maxRails    = 50
	maxUnmapped = 20
)

// settlementView is the section about movements.
type settlementView struct {
	Late         string // how much is overdue, and where; "": nothing
	List         []railRow
	More         int // rails that are not listed
	Unmapped     []UnmappedCode
	MoreUnmapped int
}

type railRow struct {
	Rail
	Drains string // how long what is due takes, against the time that is left; "" with nothing due
	Short  bool   // it takes longer than that
}

// settlementView is nil when the agent follows no movements.
func (s *Server) settlementView(now time.Time) *settlementView {
	if s.deps.Settlement == nil {
		return nil
	}
	all := s.deps.Settlement()
	rails := slices.Clone(all.Rails)
	slices.SortFunc(rails, func(a, b Rail) int {
		return cmp.Or(cmp.Compare(b.Overdue.Count, a.Overdue.Count), cmp.Compare(a.Name, b.Name))
	})
	v := &settlementView{Unmapped: all.Unmapped[:min(len(all.Unmapped), maxUnmapped)]}
	v.MoreUnmapped = len(all.Unmapped) - len(v.Unmapped)
	v.More = max(0, len(rails)-maxRails)
	v.Late = late(rails)
	for _, r := range rails[:len(rails)-v.More] {
		row := railRow{Rail: r}
		row.Drains, row.Short = r.drains(now)
		v.List = append(v.List, row)
	}
	return v
}

// late says how much is overdue on rails, of which the worst comes first.
func late(rails []Rail) string {
	total, on := int64(0), 0
	for _, r := range rails {
		total += r.Overdue.Count
		on += int(min(r.Overdue.Count, 1))
	}
	switch {
	case total == 0:
		return ""
	case on == 1:
		return plural(int(total), "movement of money is", "movements of money are") + " overdue on " + rails[0].Name
	}
	return plural(int(total), "movement of money is", "movements of money are") + " overdue on " + plural(on, "rail", "rails")
}

// drains sets the time that what is due takes against the time that is left.
func (r *Rail) drains(now time.Time) (text string, short bool) {
	left := r.NextCutOff.Sub(now)
	switch {
	case r.NextCutOff.IsZero() || r.Due.Count == 0:
		return "", false
	case r.Drain < 0:
		return "nothing settles at present", true
	case r.Drain > left:
		return "takes " + span(r.Drain) + ", more than is left", true
	}
	return "takes " + span(r.Drain), false
}

// until is how long it is to a moment; the page counts it down.
func until(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return "in" + space + span(d)
}

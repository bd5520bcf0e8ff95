package replay

import (
	"time"
)

// Difference is what one objective did by two definitions of it. A side is nil where it is not defined.
type Difference struct {
	Name   string `json:"name"`
	First  *Side  `json:"first"`
	Second *Side  `json:"second"`
}

// Side is what one definition came to.
type Side struct {
	Events    float64 `json:"events"` // good and bad in the window, at the end
	Bad       float64 `json:"bad"`
	Remaining float64 `json:"remaining_ratio"`
	// FirstFiring is when any tier fired first, FirstDetectionSeconds how long that took; nil: none fired.
	FirstFiring           *time.Time `json:"first_firing"`
	FirstDetectionSeconds *float64   `json:"first_detection_seconds"`
	Only                  []Firing   `json:"only"` // those that no firing of the same tier on the other side overlaps
}

// Compare sets the objectives of two results side by side, by name and in order of it.
func Compare(first, second Result) []Difference {
	var out []Difference
	a, b := first.Objectives, second.Objectives
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			out = append(out, Difference{Name: a[0].Name, First: side(a[0], nil)})
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			out = append(out, Difference{Name: b[0].Name, Second: side(b[0], nil)})
			b = b[1:]
		default:
			out = append(out, Difference{Name: a[0].Name, First: side(a[0], b[0].Firings), Second: side(b[0], a[0].Firings)})
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// side sums up one objective, whose other definition fired as given.
func side(o Objective, other []Firing) *Side {
	s := &Side{Events: o.Events.Good + o.Events.Bad, Bad: o.Events.Bad, Remaining: o.ErrorBudget.RemainingRatio, Only: []Firing{}}
	for i := range o.Firings {
		f := &o.Firings[i]
		if s.FirstFiring == nil || f.From.Before(*s.FirstFiring) {
			s.FirstFiring, s.FirstDetectionSeconds = &f.From, &f.DetectionSeconds
		}
		if !overlapped(f, other) {
			s.Only = append(s.Only, *f)
		}
	}
	return s
}

func overlapped(f *Firing, other []Firing) bool {
	for i := range other {
		o := &other[i]
		if o.Tier == f.Tier && (o.To == nil || o.To.After(f.From)) && (f.To == nil || f.To.After(o.From)) {
			return true
		}
	}
	return false
}

package traces

import "math/rand/v2"

// Seeds is a half-open range of seeds with a name.
type Seeds struct {
	Name     string
	From, To uint64
}

// Tuning seeds are for choosing limits and parameters by.
func Tuning() Seeds { return Seeds{"tuning", 1, 1_000_000} }

// Test seeds are for stating results; nothing may be chosen by looking at them.
func Test() Seeds { return Seeds{"test", 1_000_000, 2_000_000} }

// Seed is the i-th seed of the range; it wraps around at its end.
func (s Seeds) Seed(i int) uint64 { return s.From + uint64(i)%(s.To-s.From) }

// stream gives independent random numbers for one purpose of one seed.
func stream(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }

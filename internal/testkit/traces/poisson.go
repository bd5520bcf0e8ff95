package traces

import (
	"math"
	"math/rand/v2"
)

// poisson draws Poisson numbers. It remembers the exponential of the last mean, since most looks of
// a healthy service expect the same.
type poisson struct {
	mean, exp float64
}

// largeMean is where walking up the distribution becomes slower than rejection.
const largeMean = 30

func (p *poisson) draw(rng *rand.Rand, mean float64) float64 {
	switch {
	case mean <= 0:
		return 0
	case mean >= largeMean:
		return rejection(rng, mean)
	case mean != p.mean:
		p.mean, p.exp = mean, math.Exp(-mean)
	}
	left, term, k := rng.Float64(), p.exp, 0.0
	for left >= term && term > 0 {
		left -= term
		k++
		term *= mean / k
	}
	return k
}

// rejection is the transformed rejection PTRS of W. Hörmann, "The transformed rejection method for
// generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993), for means from 10.
func rejection(rng *rand.Rand, mean float64) float64 {
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverse := 1.1239 + 1.1328/(b-3.4)
	squeeze := 0.9277 - 3.6224/(b-2)
	for {
		u, v := rng.Float64()-0.5, rng.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= squeeze {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v*inverse/(a/(us*us)+b)) <= k*math.Log(mean)-mean-lg {
			return k
		}
	}
}

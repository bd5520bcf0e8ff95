package histogram

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

var inf = math.Inf(1)

// kinds of random histograms.
const (
	integer = iota
	fractional
	custom
	customFractional
	allKinds
)

// random makes a valid histogram: some or no negative buckets, a zero bucket of some or no width.
func random(rng *rand.Rand, kind int) *histogram.FloatHistogram {
	whole := kind == integer || kind == custom
	count := func() float64 {
		c := math.Floor(rng.Float64() * math.Pow(10, rng.Float64()*8))
		if !whole {
			c += rng.Float64()
		}
		return c
	}
	h := &histogram.FloatHistogram{Sum: rng.NormFloat64()}
	side := func(gap, most int) (spans []histogram.Span, counts []float64) {
		for i := range rng.IntN(4) {
			s := histogram.Span{Offset: int32(rng.IntN(gap)), Length: uint32(1 + rng.IntN(5))}
			if i == 0 && kind < custom {
				s.Offset -= int32(gap)
			}
			for range s.Length {
				counts = append(counts, count())
			}
			if most -= int(s.Offset) + int(s.Length); kind >= custom && most < 0 {
				return spans, counts[:len(counts)-int(s.Length)]
			}
			spans = append(spans, s)
		}
		return spans, counts
	}
	if kind >= custom {
		h.Schema = histogram.CustomBucketsSchema
		bound := -5 * rng.Float64() * float64(rng.IntN(2))
		for range 1 + rng.IntN(12) {
			bound += 0.01 + rng.ExpFloat64()
			h.CustomValues = append(h.CustomValues, bound)
		}
		h.PositiveSpans, h.PositiveBuckets = side(3, len(h.CustomValues)+1)
	} else {
		h.Schema = int32(rng.IntN(13)) - 4
		h.PositiveSpans, h.PositiveBuckets = side(6, 0)
		if rng.IntN(2) == 0 {
			h.NegativeSpans, h.NegativeBuckets = side(6, 0)
		}
		if rng.IntN(2) == 0 {
			h.ZeroThreshold, h.ZeroCount = math.Ldexp(1, -100-rng.IntN(900)), count()
		}
	}
	h.Count = h.ZeroCount
	for _, c := range slices.Concat(h.PositiveBuckets, h.NegativeBuckets) {
		h.Count += c
	}
	if rng.IntN(5) == 0 {
		h.Sum, h.Count = math.NaN(), h.Count+count() // observations that are not numbers
	}
	return h
}

// limits are the bounds of h and limits inside its buckets and beyond, in order.
func limits(rng *rand.Rand, h *histogram.FloatHistogram) []float64 {
	out := []float64{-inf, inf, -1e9, 1e9, rng.NormFloat64(), 0}
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		for _, v := range []float64{b.Lower, b.Upper, b.Lower + rng.Float64()*(b.Upper-b.Lower)} {
			if !math.IsNaN(v) {
				out = append(out, v)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestBelowIsThatOfPromQL(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	compared := [allKinds]int{}
	for i := range 8000 {
		kind := i % allKinds
		h := random(rng, kind)
		if err := h.Validate(); err != nil {
			t.Fatalf("%s: %v", h, err)
		}
		before := 0.0
		for _, limit := range limits(rng, h) {
			got := Below(h, limit)
			if got < before || got > h.Count {
				t.Fatalf("%s: %g below %g, %g below a lower limit", h, got, limit, before)
			}
			before = got
			if limit == 0 && h.ZeroThreshold == 0 {
				continue // a zero bucket without width: what is exactly 0 is not above 0
			}
			fraction, _ := promql.HistogramFraction(-inf, limit, h, "", posrange.PositionRange{})
			want := fraction * h.Count
			if h.Count == 0 {
				want = 0 // and not NaN
			}
			close := 1e-9 * (1 + h.Count)
			if kind == integer || kind == custom {
				if got != math.Trunc(got) || got > want+close || got < want-1-close {
					t.Fatalf("%s: %g below %g, want %g rounded down", h, got, limit, want)
				}
			} else if math.Abs(got-want) > close {
				t.Fatalf("%s: %v below %g, want %v", h, got, limit, want)
			}
			compared[kind]++
		}
	}
	if slices.Min(compared[:]) < 10_000 {
		t.Errorf("compared %v", compared)
	}
}

// observed is what client_golang makes of observations, read from its protobuf form.
func observed(t *testing.T, m prometheus.Metric) *histogram.FloatHistogram {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	spans := func(in []*dto.BucketSpan) (out []histogram.Span) {
		for _, s := range in {
			out = append(out, histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()})
		}
		return out
	}
	h := d.GetHistogram()
	whole := &histogram.Histogram{
		Schema: h.GetSchema(), ZeroThreshold: h.GetZeroThreshold(), ZeroCount: h.GetZeroCount(), Count: h.GetSampleCount(), Sum: h.GetSampleSum(),
		PositiveSpans: spans(h.PositiveSpan), PositiveBuckets: h.PositiveDelta, NegativeSpans: spans(h.NegativeSpan), NegativeBuckets: h.NegativeDelta,
	}
	if err := whole.Validate(); err != nil {
		t.Fatal(err)
	}
	return whole.ToFloat(nil)
}

// TestIncreaseIsThatOfTheObservations has real exporters widen buckets and zero bucket as they fill,
// and counts the observations by hand.
func TestIncreaseIsThatOfTheObservations(t *testing.T) {
	coarser, wider := 0, 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		m := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "h", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 12,
			NativeHistogramZeroThreshold: 1e-9, NativeHistogramMaxZeroThreshold: 0.1,
		})
		prev := observed(t, m)
		for range 30 {
			var fresh []float64
			for range rng.IntN(20) {
				v := math.Exp(rng.NormFloat64() * 4)
				fresh = append(fresh, v)
				m.Observe(v)
			}
			now := observed(t, m)
			since := Since(prev, now)
			if since == nil || !SameLayout(since, now) || since.Count != prev.Count || since.Validate() != nil {
				t.Fatalf("seed %d: from %s to %s: %s", seed, prev, now, since)
			}
			if now.Schema < prev.Schema {
				coarser++
			}
			if now.ZeroThreshold > prev.ZeroThreshold {
				wider++
			}
			for it := now.AllBucketIterator(); it.Next(); {
				limit, want := it.At().Upper, 0.0
				for _, v := range fresh {
					if v <= limit {
						want++
					}
				}
				if got := Below(now, limit) - Below(since, limit); got != want {
					t.Fatalf("seed %d: %g more below %g, want %g", seed, got, limit, want)
				}
			}
			for _, limit := range limits(rng, now) {
				if got := Below(now, limit) - Below(since, limit); got < 0 || got > float64(len(fresh)) {
					t.Fatalf("seed %d: %g more below %g of %d observations", seed, got, limit, len(fresh))
				}
			}
			prev = now
		}
	}
	if coarser == 0 || wider == 0 {
		t.Errorf("%d times coarser, %d times wider", coarser, wider)
	}
}

func TestSinceRefusesWhatCannotBe(t *testing.T) {
	h := func(schema int32, zero float64, bounds ...float64) *histogram.FloatHistogram {
		return &histogram.FloatHistogram{
			Schema: schema, ZeroThreshold: zero, CustomValues: bounds, Count: 3, Sum: 3,
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{1, 2},
		}
	}
	cust := histogram.CustomBucketsSchema
	for name, tt := range map[string]struct {
		prev, now *histogram.FloatHistogram
		ok        bool
	}{
		"same":                        {h(2, 0.1), h(2, 0.1), true},
		"coarser":                     {h(2, 0.1), h(1, 0.1), true},
		"finer":                       {h(1, 0.1), h(2, 0.1), false},
		"wider zero":                  {h(0, 0.1), h(0, 0.5), true},
		"narrower zero":               {h(0, 0.5), h(0, 0.1), false},
		"zero ends in a bucket":       {h(0, 0.1), h(0, 0.7), false},
		"same bounds":                 {h(cust, 0, 1, 2), h(cust, 0, 1, 2), true},
		"other bounds":                {h(cust, 0, 1, 2), h(cust, 0, 1, 3), false},
		"custom after exponential":    {h(0, 0.1), h(cust, 0, 1, 2), false},
		"exponential after custom":    {h(cust, 0, 1, 2), h(0, 0.1), false},
		"exponential, coarser, wider": {h(3, 0.1), h(1, 0.25), true},
	} {
		before := tt.prev.Copy()
		got := Since(tt.prev, tt.now)
		if (got != nil) != tt.ok || got != nil && !SameLayout(got, tt.now) {
			t.Errorf("%s: %v", name, got)
		}
		if !tt.prev.Equals(before) {
			t.Errorf("%s: changed its argument", name)
		}
	}
}

func TestBelowAtTheEdges(t *testing.T) {
	zeros := &histogram.FloatHistogram{Count: 7, ZeroCount: 7}
	nan := &histogram.FloatHistogram{Count: 7, ZeroCount: 5, Sum: math.NaN()}
	huge := &histogram.FloatHistogram{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{-math.MaxFloat64, math.MaxFloat64}, Count: 9,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 3}}, PositiveBuckets: []float64{2, 3, 4}}
	for _, tt := range []struct {
		h           *histogram.FloatHistogram
		limit, want float64
	}{
		{&histogram.FloatHistogram{}, 1, 0},
		{zeros, math.NaN(), 0}, {zeros, -1, 0}, {zeros, 0, 7}, {zeros, 1, 7}, {zeros, inf, 7},
		{nan, inf, 5}, {nan, 1, 5},
		{huge, math.MaxFloat64, 5}, {huge, inf, 9}, {huge, -inf, 0},
	} {
		if got := Below(tt.h, tt.limit); got != tt.want {
			t.Errorf("%s below %g: %g, want %g", tt.h, tt.limit, got, tt.want)
		}
	}
}

func TestClassic(t *testing.T) {
	usual := []Bucket{{1, 6}, {2, 8}, {inf, 10}}
	for _, tt := range []struct {
		buckets             []Bucket
		limit, below, total float64
		ok                  bool
	}{
		{usual, 1, 6, 10, true}, {usual, 2, 8, 10, true}, {usual, inf, 10, 10, true},
		{usual, 1.49, 6, 10, true}, {usual, 1.5, 7, 10, true}, {usual, 1.99, 7, 10, true},
		{usual, 0.5, 3, 10, true}, {usual, 0.4999, 2, 10, true}, {usual, 0, 0, 10, true}, {usual, -1, 0, 10, true},
		{usual, 5, 8, 10, true}, {usual, math.NaN(), 0, 0, false},
		{[]Bucket{{inf, 10}, {2, 8}, {1, 6}}, 1.5, 7, 10, true},                 // in any order
		{[]Bucket{{1, 6}, {2, 5}, {3, 8}, {inf, 7}}, 2.5, 7, 8, true},           // not monotone
		{[]Bucket{{1, 6}, {2, 8}}, 1, 0, 0, false},                              // no bucket +Inf
		{nil, 1, 0, 0, false},                                                   //
		{[]Bucket{{inf, 10}}, 1, 0, 10, false},                                  // nothing but +Inf
		{[]Bucket{{inf, 10}}, inf, 10, 10, true},                                //
		{[]Bucket{{-1, 4}, {1, 6}, {inf, 10}}, -2, 0, 10, false},                // no lower edge
		{[]Bucket{{-1, 4}, {1, 6}, {inf, 10}}, 0, 5, 10, true},                  //
		{[]Bucket{{0, 4}, {1, 6}, {inf, 10}}, -0.5, 0, 10, false},               //
		{[]Bucket{{math.NaN(), 4}, {1, 6}, {inf, 10}}, 1, 0, 0, false},          //
		{[]Bucket{{1, 0.5}, {2, 1.5}, {inf, 1.5}}, 1.25, 0.75, 1.5, true},       // not whole, so not rounded
		{[]Bucket{{0.1, 0}, {0.3, 3}, {inf, 3}}, 0.1 + 0.2/3, 1, 3, true},       // 0.9999999999999996 in floating point
		{[]Bucket{{-1e308, 0}, {1.7e308, 10}, {inf, 10}}, 1.6e308, 0, 10, true}, // too far apart to tell
	} {
		given := slices.Clone(tt.buckets)
		below, total, ok := Classic(tt.buckets, tt.limit)
		if below != tt.below || total != tt.total || ok != tt.ok {
			t.Errorf("%v below %g: %g of %g, %v; want %g of %g, %v", tt.buckets, tt.limit, below, total, ok, tt.below, tt.total, tt.ok)
		}
		if fmt.Sprint(given) != fmt.Sprint(tt.buckets) {
			t.Errorf("%v changed to %v", given, tt.buckets)
		}
	}
}

func TestClassicIsThatOfPromQL(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	for range 5000 {
		var ours []Bucket
		var theirs promql.Buckets
		bound, count := -2*rng.Float64()*float64(rng.IntN(2)), 0.0
		for range 1 + rng.IntN(10) {
			bound += 0.001 + rng.ExpFloat64()
			count += float64(rng.IntN(1000))
			ours, theirs = append(ours, Bucket{bound, count}), append(theirs, promql.Bucket{UpperBound: bound, Count: count})
		}
		count += 1 + float64(rng.IntN(100))
		ours, theirs = append(ours, Bucket{inf, count}), append(theirs, promql.Bucket{UpperBound: inf, Count: count})
		rng.Shuffle(len(ours), func(i, j int) { ours[i], ours[j] = ours[j], ours[i] })
		before := 0.0
		for i := range 40 {
			limit := theirs[0].UpperBound + (bound+1-theirs[0].UpperBound)*float64(i)/39
			if theirs[0].UpperBound > 0 {
				limit = (bound + 1) * float64(i) / 39
			}
			want := promql.BucketFraction(-inf, limit, slices.Clone(theirs)) * count
			below, total, ok := Classic(ours, limit)
			if !ok || total != count || below != math.Trunc(below) || below > want+1e-6 || below < want-1-1e-6 || below < before {
				t.Fatalf("%v below %g: %g of %g, %v; PromQL has %g", theirs, limit, below, total, ok, want)
			}
			before = below
		}
	}
}

// TestCountsThatGrowNeverTakeBack: what is good and what is bad never fall while a histogram fills.
func TestCountsThatGrowNeverTakeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	for range 300 {
		h := random(rng, []int{integer, custom}[rng.IntN(2)])
		if math.IsNaN(h.Sum) {
			continue
		}
		buckets := []Bucket{{0.5, 0}, {1, 0}, {4, 0}, {inf, 0}}
		limit := math.Exp(rng.NormFloat64())
		for range 50 {
			native := Below(h, limit)
			classic, total, _ := Classic(buckets, limit)
			for i := range h.PositiveBuckets {
				more := float64(rng.IntN(4))
				h.PositiveBuckets[i] += more
				h.Count += more
			}
			n := 0.0
			for i := range buckets {
				n += float64(rng.IntN(4))
				buckets[i].CumulativeCount += n
			}
			more := Below(h, limit)
			classicMore, totalMore, _ := Classic(buckets, limit)
			if more < native || classicMore < classic || totalMore-classicMore < total-classic {
				t.Fatalf("%s or %v below %g: from %g to %g, from %g to %g", h, buckets, limit, native, more, classic, classicMore)
			}
		}
	}
}

// FuzzBelow: whatever a valid histogram holds, the answer is between 0 and its count, and not less for
// a higher limit.
func FuzzBelow(f *testing.F) {
	f.Add(int32(0), 0.001, 1.0, int32(-3), uint8(5), int32(2), 3.0, 0.1, 10.0, true)
	f.Add(int32(-53), 0.0, 0.0, int32(0), uint8(2), int32(1), 1.5, -5.0, 0.5, false)
	f.Add(int32(8), 1e-300, 4.0, int32(math.MaxInt32-3), uint8(9), int32(math.MinInt32), 1e300, -inf, inf, true)
	f.Add(int32(-4), 0.0, 4.0, int32(-300), uint8(9), int32(300), 1.0, 5e-324, math.MaxFloat64, true)
	f.Fuzz(func(t *testing.T, schema int32, zero, zeros float64, offset int32, n uint8, negative int32, each, low, high float64, both bool) {
		h := &histogram.FloatHistogram{Schema: schema, ZeroThreshold: zero, ZeroCount: zeros, Count: zeros, Sum: each}
		side := func(at int32) ([]histogram.Span, []float64) {
			return []histogram.Span{{Offset: at, Length: uint32(n % 32)}}, slices.Repeat([]float64{each}, int(n%32))
		}
		h.PositiveSpans, h.PositiveBuckets = side(offset)
		if schema == histogram.CustomBucketsSchema {
			h.CustomValues = []float64{low, (low + high) / 2, high}
		} else if both {
			h.NegativeSpans, h.NegativeBuckets = side(negative)
		}
		h.Count += each * float64(len(h.PositiveBuckets)+len(h.NegativeBuckets))
		if h.Validate() != nil || math.IsNaN(h.Count) || math.IsInf(h.Count, 0) || !(zero >= 0) || !(low <= high) {
			return
		}
		below, more := Below(h, low), Below(h, high)
		if !(below >= 0 && below <= more && more <= h.Count) {
			t.Errorf("%s: %g below %g, %g below %g, %g in all", h, below, low, more, high, h.Count)
		}
	})
}

// FuzzClassic: as FuzzBelow, of classic buckets in any order and of any shape.
func FuzzClassic(f *testing.F) {
	f.Add(1.0, 6.0, 2.0, 8.0, 10.0, 0.5, 1.5)
	f.Add(-1.0, 6.0, 0.0, 5.0, 1.0, -5.0, inf)
	f.Add(-math.MaxFloat64, 0.5, math.MaxFloat64, 3.0, 4.0, 0.0, 1e300)
	f.Fuzz(func(t *testing.T, bound1, count1, bound2, count2, all, low, high float64) {
		for _, c := range []float64{count1, count2, all} {
			if !(c >= 0) || math.IsInf(c, 0) {
				return
			}
		}
		buckets := []Bucket{{bound1, count1}, {bound2, count2}, {inf, all}}
		below, total, ok := Classic(buckets, low)
		more, again, okMore := Classic(buckets, high)
		if !ok || !okMore || low > high {
			return
		}
		if !(below >= 0 && below <= more && more <= total && total == again && total >= all) {
			t.Errorf("%v: %g below %g, %g below %g, %g in all", buckets, below, low, more, high, total)
		}
	})
}

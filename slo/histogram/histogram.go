// Package histogram answers one question of histograms of every kind: how many observations kept
// below a limit. At a bucket's bound the answer is exact; inside a bucket it is interpolated, the way
// PromQL's histogram_fraction interpolates, and then rounded down to whole events.
//
//	# a histogram of 10 observations: 6 up to 1 s, 8 up to 2 s, 2 longer
//	Classic(buckets, 1)    6 of 10
//	Classic(buckets, 1.5)  7 of 10: half of the 2 between 1 s and 2 s
//	Classic(buckets, 5)    8 of 10: of those beyond 2 s nothing more is known
//
// An increase of the answer is what was good between two looks. For that both looks must have the
// same buckets: [Since] brings the earlier one to those of the later.
package histogram

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// Below returns how many observations of h are at most limit: from 0 to h.Count, and never less for a
// higher limit. Inside an exponential bucket observations are taken to be spread evenly on a
// logarithmic scale, inside a custom bucket or the zero bucket on a linear one. A bucket around zero
// reaches down to 0 only, unless there are negative buckets. Of the last custom bucket, which has no
// upper end, nothing is below a finite limit; of the first, where it lies below zero and has no lower
// end, all is.
//
// Observations that are not numbers count in h.Count and are below nothing. h must be valid (see its
// Validate).
func Below(h *histogram.FloatHistogram, limit float64) float64 {
	if math.IsNaN(limit) || !(h.Count > 0) {
		return 0
	}
	var rank float64 // observations in the buckets before
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		linear := h.UsesCustomBuckets()
		if b.Lower <= 0 && b.Upper >= 0 {
			linear = true
			switch {
			case len(h.NegativeBuckets) == 0 && len(h.PositiveBuckets) > 0:
				b.Lower = 0
			case len(h.PositiveBuckets) == 0 && len(h.NegativeBuckets) > 0:
				b.Upper = 0
			}
		}
		if b.Upper > limit {
			if b.Lower < limit {
				rank = Whole(rank+b.Count*share(b, limit, linear), rank, rank+b.Count)
			}
			return min(rank, h.Count)
		}
		rank += b.Count
	}
	if math.IsNaN(h.Sum) { // what is not a number is in no bucket
		return min(rank, h.Count)
	}
	return h.Count
}

// share is the part of b that lies below limit, which is inside it.
func share(b histogram.Bucket[float64], limit float64, linear bool) float64 {
	switch {
	case math.IsInf(b.Lower, -1):
		return 1
	case math.IsInf(b.Upper, 1):
		return 0
	case linear:
		return between(b.Lower, b.Upper, limit)
	case limit > 0:
		return between(math.Log2(b.Lower), math.Log2(b.Upper), math.Log2(limit))
	}
	return 1 - between(math.Log2(-b.Upper), math.Log2(-b.Lower), math.Log2(-limit))
}

// between is where v lies from lower (0) to upper (1); 0 where they are too far apart to tell.
func between(lower, upper, v float64) float64 {
	if f := (v - lower) / (upper - lower); f >= 0 && f <= 1 {
		return f
	}
	return 0
}

// Whole rounds a count interpolated between two others down to a whole number, if those are whole.
// Counting stays in whole events then: an increase of whole counts is exact in floating point, the
// same however a series is split into looks, and never takes a part of a failure for a success.
// Whatever is below the next whole number by less than a billionth is taken for it, since
// interpolation is not exact in floating point. The result is between before and after.
func Whole(count, before, after float64) float64 {
	if before == math.Trunc(before) && after == math.Trunc(after) {
		count = math.Floor(count + 1e-9)
	}
	return min(max(count, before), after)
}

// Bucket is one bucket of a classic histogram.
type Bucket struct {
	UpperBound      float64 // le
	CumulativeCount float64 // of observations that are at most UpperBound
}

// Classic returns how many observations of a classic histogram are at most limit, and how many there
// are in all, which is the bucket +Inf's count. The answer is exact at a bound and linear between two,
// or between zero and the lowest. Above the highest finite bound nothing is known of those beyond it,
// and only those up to it count.
//
// Buckets are in any order and not changed; their counts are finite. Where a bucket has less than a lower one, as exporters
// have it that count while they are read, it has as many. ok is false when nothing can be said:
// without the bucket +Inf, or with a bound or a limit that is no number; or, with below 0, where limit is under the lowest bound and that is not
// positive, or infinite.
func Classic(buckets []Bucket, limit float64) (below, total float64, ok bool) {
	byBound := func(a, b Bucket) int { return cmp.Compare(a.UpperBound, b.UpperBound) }
	if !slices.IsSortedFunc(buckets, byBound) {
		buckets = slices.Clone(buckets)
		slices.SortFunc(buckets, byBound)
	}
	if len(buckets) == 0 || !math.IsInf(buckets[len(buckets)-1].UpperBound, 1) || math.IsNaN(limit) {
		return 0, 0, false
	}
	lowest := buckets[0].UpperBound
	if math.IsNaN(lowest) {
		return 0, 0, false
	}
	ok = limit >= lowest || lowest > 0 && !math.IsInf(lowest, 1)
	var found bool
	var bound float64 // the lower end of the bucket at hand
	if lowest <= 0 {
		bound = math.Inf(-1)
	}
	for _, b := range buckets {
		count := max(total, b.CumulativeCount)
		if !found && b.UpperBound > limit {
			found = true
			if below = total; bound < limit && !math.IsInf(bound, -1) && !math.IsInf(b.UpperBound, 1) {
				below = Whole(total+(count-total)*between(bound, b.UpperBound, limit), total, count)
			}
		}
		bound, total = b.UpperBound, count
	}
	if !found {
		below = total
	}
	return below, total, ok
}

// SameLayout reports whether a and b have the same buckets: schema, zero threshold and custom bounds.
func SameLayout(a, b *histogram.FloatHistogram) bool {
	return a.Schema == b.Schema && a.ZeroThreshold == b.ZeroThreshold && slices.Equal(a.CustomValues, b.CustomValues)
}

// Since returns prev with the buckets of now, so that Below(now, limit) - Below(Since(prev, now), limit)
// is the increase between them, unless a reset lies between (see now.DetectReset). Exporters make
// buckets coarser and the zero bucket wider as they fill, without a reset. nil: prev cannot be brought
// to now's buckets, since those are finer, or of another kind, or would cut a bucket of prev in two;
// that happens by a reset only. Neither argument is changed; the result may be prev itself.
func Since(prev, now *histogram.FloatHistogram) *histogram.FloatHistogram {
	switch {
	case SameLayout(prev, now):
		return prev
	case prev.UsesCustomBuckets() || now.UsesCustomBuckets() || now.Schema > prev.Schema || now.ZeroThreshold < prev.ZeroThreshold:
		return nil
	}
	if now.ZeroThreshold > prev.ZeroThreshold {
		// Adding to an empty histogram with the wider zero bucket moves into it what belongs there.
		wide := &histogram.FloatHistogram{Schema: prev.Schema, ZeroThreshold: now.ZeroThreshold, CounterResetHint: prev.CounterResetHint}
		if _, _, _, err := wide.Add(prev); err != nil || wide.ZeroThreshold != now.ZeroThreshold {
			return nil
		}
		prev = wide
	}
	return prev.CopyToSchema(now.Schema)
}

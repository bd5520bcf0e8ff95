package prometheus

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/assayer-io/assayer/collector"
)

// maxBuckets is how many buckets a native histogram can have; one with more is unusable. Exporters
// keep a few hundred.
const maxBuckets = 10_000

// native is one native histogram as exposed: either of integer or of float counts.
type native struct {
	raw     []byte // its series
	ts      *int64
	integer *histogram.Histogram
	float   *histogram.FloatHistogram
}

// maxParsed is how many buckets one histogram can have for the parser to be let near it: the time it
// takes to leave out empty buckets grows with their square.
const maxParsed = 4 * maxBuckets

var errBuckets = fmt.Errorf("target exposes a native histogram of more than %d buckets", maxParsed)

// Numbers of fields in the messages MetricFamily, Metric and Histogram.
const (
	fieldMetric    protowire.Number = 4
	fieldHistogram protowire.Number = 7

	fieldNegativeDelta protowire.Number = 10
	fieldNegativeCount protowire.Number = 11
	fieldPositiveDelta protowire.Number = 13
	fieldPositiveCount protowire.Number = 14
)

// checkBuckets refuses a family one of whose histograms has more than maxParsed buckets. What is
// malformed is left for the parser to find.
func checkBuckets(family []byte) (err error) {
	eachField(family, fieldMetric, func(metric []byte) {
		n := 0 // of one metric, in however many pieces it comes
		eachField(metric, fieldHistogram, func(h []byte) {
			for len(h) > 0 {
				field, kind, used := protowire.ConsumeTag(h)
				size := protowire.ConsumeFieldValue(field, kind, h[max(used, 0):])
				if used < 0 || size < 0 {
					return
				}
				switch value := h[used : used+size]; {
				case field != fieldNegativeDelta && field != fieldNegativeCount && field != fieldPositiveDelta && field != fieldPositiveCount:
				case kind != protowire.BytesType: // one by one
					n++
				case field == fieldNegativeCount || field == fieldPositiveCount:
					n += len(value) / 8
				default:
					for _, b := range value {
						n += int(1 - b>>7) // the last byte of each number has the high bit clear
					}
				}
				h = h[used+size:]
			}
		})
		if n > maxParsed {
			err = errBuckets
		}
	})
	return err
}

// eachField calls do for every field of that number that is a message in b, until b ends or is malformed.
func eachField(b []byte, number protowire.Number, do func([]byte)) {
	for len(b) > 0 {
		field, kind, used := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(field, kind, b[max(used, 0):])
		if used < 0 || size < 0 {
			return
		}
		if field == number && kind == protowire.BytesType {
			if message, ok := protowire.ConsumeBytes(b[used:]); ok >= 0 {
				do(message)
			}
		}
		b = b[used+size:]
	}
}

// usable gives n with float counts, or nil when nothing can be counted with it: a staleness marker,
// counts that are not finite or negative, buckets that do not fit their spans, an unknown schema, or
// more than maxBuckets. Custom buckets are unusable where the exposition does not carry their bounds.
func (n *native) usable() *histogram.FloatHistogram {
	h := n.float
	if n.integer != nil {
		if len(n.integer.PositiveBuckets)+len(n.integer.NegativeBuckets) > maxBuckets || n.integer.Validate() != nil {
			return nil
		}
		h = n.integer.ToFloat(nil)
	}
	if len(h.PositiveBuckets)+len(h.NegativeBuckets) > maxBuckets || value.IsStaleNaN(h.Sum) || h.Validate() != nil {
		return nil
	}
	all := h.Count + h.ZeroCount
	for _, counts := range [2][]float64{h.PositiveBuckets, h.NegativeBuckets} {
		for _, c := range counts {
			all += c
		}
	}
	if math.IsNaN(all) || math.IsInf(all, 0) {
		return nil
	}
	return h
}

// addNative takes one native histogram of the series e.
func (a *answer) addNative(e *entry, n native, fromMs int64) error {
	s := collector.Sample{Value: math.NaN(), FromMs: fromMs}
	if e.state != nil {
		if s.Histogram = n.usable(); s.Histogram != nil {
			s.Value = s.Histogram.Count
			// What stands in memory: eight bytes a bucket or span.
			h := s.Histogram
			a.memory.held += 8 * (len(h.PositiveBuckets) + len(h.NegativeBuckets) + len(h.PositiveSpans) + len(h.NegativeSpans) + len(h.CustomValues))
			if a.memory.held > maxHeld {
				return errHeld
			}
		}
	}
	return a.add(e, s, n.ts)
}

package prometheus

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/assayer-io/assayer/collector"
)

// wantNative wants every series of the given names, native histograms too.
func wantNative(names ...string) collector.Interest {
	in := wantNames(names...)
	in.Histograms = true
	return in
}

// natives are the histograms of a cycle by their series.
func natives(c collector.Cycle) map[string]collector.Sample {
	out := map[string]collector.Sample{}
	for i, s := range c.Samples {
		if s.Histogram != nil {
			key, _, _ := strings.Cut(lines(collector.Cycle{Samples: c.Samples[i : i+1]})[0], " ")
			out[key] = s
		}
	}
	return out
}

func TestNativeHistogramsOfARealExporter(t *testing.T) {
	began := time.Now()
	reg := prometheus.NewRegistry()
	opts := func(name string, classic ...float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Buckets: classic, NativeHistogramBucketFactor: 2, NativeHistogramZeroThreshold: 0.25}
	}
	both := prometheus.NewHistogramVec(opts("both_seconds", 0.5, 2), []string{"rail"})
	native := prometheus.NewHistogram(opts("native_seconds"))
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic_seconds", Buckets: []float64{0.5, 2}})
	for _, v := range []float64{-3, 0.1, 0.1, 1.5, 1.7, 3, 100} {
		both.WithLabelValues("card").Observe(v)
		both.WithLabelValues("sepa").Observe(v * 2)
		native.Observe(v)
		classic.Observe(v)
	}
	reg.MustRegister(both, native, classic)
	handler := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	media := ""
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		media = w.Header().Get("Content-Type")
	})
	names := []string{"both_seconds", "both_seconds_bucket", "both_seconds_count", "native_seconds", "native_seconds_count", "classic_seconds", "classic_seconds_bucket"}
	c := once(t, server, wantNative(names...))
	if !strings.HasPrefix(media, mediaProto) {
		t.Errorf("server was asked for %s", media)
	}
	expect(t, c,
		`both_seconds{rail="card"} 7`, `both_seconds_count{rail="card"} 7`,
		`both_seconds_bucket{le="0.5", rail="card"} 3`, `both_seconds_bucket{le="2.0", rail="card"} 5`, `both_seconds_bucket{le="+Inf", rail="card"} 7`,
		`both_seconds{rail="sepa"} 7`, `both_seconds_count{rail="sepa"} 7`,
		`both_seconds_bucket{le="0.5", rail="sepa"} 3`, `both_seconds_bucket{le="2.0", rail="sepa"} 3`, `both_seconds_bucket{le="+Inf", rail="sepa"} 7`,
		`native_seconds 7`,
		`classic_seconds_bucket{le="0.5"} 3`, `classic_seconds_bucket{le="2.0"} 5`, `classic_seconds_bucket{le="+Inf"} 7`)
	got := natives(c)
	// By a factor of 2 the bounds are powers of two: 1 of (2,4] below zero, 2 around zero, 2 in (1,2],
	// 1 in (2,4] and 1 in (64,128].
	want := "{count:7, sum:103.4, [-4,-2):1, [-0.25,0.25]:2, (1,2]:2, (2,4]:1, (64,128]:1}"
	if len(got) != 3 || got["native_seconds"].Histogram.String() != want || got[`both_seconds{rail="card"}`].Histogram.String() != want {
		t.Errorf("got %v", got)
	}
	if s := got[`both_seconds{rail="sepa"}`]; s.Histogram.String() != "{count:7, sum:206.8, [-8,-4):1, [-0.25,0.25]:2, (2,4]:2, (4,8]:1, (128,256]:1}" {
		t.Errorf("got %v", s.Histogram)
	}
	for key, s := range got {
		if s.FromMs < began.UnixMilli() || s.FromMs > time.Now().UnixMilli() {
			t.Errorf("%s starts at %d, not in this test", key, s.FromMs)
		}
		if err := s.Histogram.Validate(); err != nil || s.Histogram.CounterResetHint != histogram.UnknownCounterReset {
			t.Errorf("%s: %v, hint %d", key, err, s.Histogram.CounterResetHint)
		}
	}

	once(t, server, wantNames(names...))
	if !strings.HasPrefix(media, mediaOpenMetrics) {
		t.Errorf("without an objective for them the server was asked for %s", media)
	}
	in := wantNative()
	in.AllNames = true
	if got := natives(once(t, server, in)); len(got) != 3 {
		t.Errorf("of all names %v", got)
	}
}

func TestWrittenProtocolsCount(t *testing.T) {
	for _, tt := range []struct{ written, first string }{
		{"", mediaProto},
		{"scrape_protocols: [PrometheusText0.0.4]", mediaText},
		{"scrape_protocols: [PrometheusText0.0.4, PrometheusProto]", mediaText},
	} {
		accept := ""
		server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
			accept = r.Header.Get("Accept")
			answerWanted(w, r)
		})
		expect(t, once(t, server, wantNative("wanted"), tt.written), "wanted 1") // whatever was asked for, any answer is read
		if !strings.HasPrefix(accept, tt.first) {
			t.Errorf("%s: asked for %s", tt.written, accept)
		}
	}
}

// protoBody encodes families the way exporters do.
func protoBody(t testing.TB, families ...*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// family makes a family of native histograms, told apart by the label i.
func family(name string, kind dto.MetricType, hs ...*dto.Histogram) *dto.MetricFamily {
	f := &dto.MetricFamily{Name: &name, Type: &kind}
	for i, h := range hs {
		f.Metric = append(f.Metric, &dto.Metric{Label: []*dto.LabelPair{{Name: new("i"), Value: new(fmt.Sprint(i))}}, Histogram: h})
	}
	return f
}

func span(offset int32, length uint32) []*dto.BucketSpan {
	return []*dto.BucketSpan{{Offset: &offset, Length: &length}}
}

// floats is a histogram of float counts in buckets of schema 0 from (1,2] on.
func floats(count, sum float64, buckets ...float64) *dto.Histogram {
	return &dto.Histogram{SampleCountFloat: &count, SampleSum: &sum, Schema: new(int32(0)), PositiveSpan: span(1, uint32(len(buckets))), PositiveCount: buckets}
}

// deltas is a histogram of integer counts, each the difference to the one before.
func deltas(schema int32, count uint64, buckets ...int64) *dto.Histogram {
	return &dto.Histogram{SampleCount: &count, SampleSum: new(1.0), Schema: &schema, PositiveSpan: span(1, uint32(len(buckets))), PositiveDelta: buckets}
}

const typeProto = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

func TestNativeHistogramsOfEveryKind(t *testing.T) {
	body := protoBody(t,
		family("float", dto.MetricType_HISTOGRAM, floats(4.5, 9, 1, 3.5)),
		family("gauge", dto.MetricType_GAUGE_HISTOGRAM, deltas(0, 5, 2, 1), floats(1.5, 2, 1.5)),
		family("empty", dto.MetricType_HISTOGRAM, &dto.Histogram{SampleCount: new(uint64(0)), SampleSum: new(0.0), Schema: new(int32(3)), ZeroThreshold: new(0.001)}),
		family("nan", dto.MetricType_HISTOGRAM, &dto.Histogram{SampleCount: new(uint64(4)), SampleSum: new(math.NaN()), Schema: new(int32(0)), PositiveSpan: span(1, 1), PositiveDelta: []int64{3}}),
		family("most", dto.MetricType_HISTOGRAM, deltas(8, 10_000, slices.Concat([]int64{1}, make([]int64, maxBuckets-1))...)),
	)
	c := once(t, serve(t, typeProto, body), wantNative("float", "gauge", "empty", "nan", "most"))
	if c.Err != nil || len(c.Unusable) > 0 {
		t.Fatal(c.Err, c.Unusable)
	}
	got := natives(c)
	for key, want := range map[string]string{
		`float{i="0"}`: "{count:4.5, sum:9, (1,2]:1, (2,4]:3.5}",
		`gauge{i="0"}`: "{count:5, sum:1, (1,2]:2, (2,4]:3}",
		`gauge{i="1"}`: "{count:1.5, sum:2, (1,2]:1.5}",
		`empty{i="0"}`: "{count:0, sum:0}",
		`nan{i="0"}`:   "{count:4, sum:NaN, (1,2]:3}", // one observation was not a number
	} {
		s := got[key]
		if s.Histogram == nil || s.Histogram.String() != want || s.Value != s.Histogram.Count {
			t.Errorf("%s is %v with %g, want %s", key, s.Histogram, s.Value, want)
			continue
		}
		if isGauge := s.Histogram.CounterResetHint == histogram.GaugeType; isGauge != strings.HasPrefix(key, "gauge") {
			t.Errorf("%s: hint %d", key, s.Histogram.CounterResetHint)
		}
	}
	if h := got[`most{i="0"}`].Histogram; h == nil || len(h.PositiveBuckets) != maxBuckets {
		t.Errorf("%d buckets are allowed", maxBuckets)
	}
}

func TestUnusableNativeHistograms(t *testing.T) {
	tooMany := make([]int64, maxBuckets+1)
	tooMany[0] = 1
	for name, h := range map[string]*dto.Histogram{
		"stale":             floats(1, math.Float64frombits(value.StaleNaN), 1),
		"not a number":      floats(1, 1, math.NaN()),
		"infinite":          floats(math.Inf(1), 1, 1),
		"negative":          floats(1, 1, 2, -1),
		"negative delta":    deltas(0, 1, 1, -2),
		"count does not":    deltas(0, 7, 1, 1),
		"unknown schema":    deltas(9, 1, 1),
		"custom boundless":  deltas(histogram.CustomBucketsSchema, 1, 1),
		"too many":          deltas(0, maxBuckets+1, tooMany...),
		"too many in float": floats(maxBuckets+1, 1, slices.Repeat([]float64{1}, maxBuckets+1)...),
	} {
		body := protoBody(t, family("h", dto.MetricType_HISTOGRAM, h, floats(2, 2, 2)))
		c := once(t, serve(t, typeProto, body), wantNative("h"))
		expect(t, c, `h{i="1"} 2`)
		if len(c.Unusable) != 1 || c.Unusable[0].Labels.Get("i") != "0" || c.Stats.Dropped.NotFinite != 1 {
			t.Errorf("%s: unusable %v, counted %+v", name, c.Unusable, c.Stats.Dropped)
		}
	}
}

func TestMalformedNativeHistograms(t *testing.T) {
	long, short := deltas(0, 3, 1, 0), deltas(0, 3, 1, 0, 0)
	long.PositiveSpan, short.PositiveSpan = span(1, 5), span(1, 1)
	for _, h := range []*dto.Histogram{long, short} {
		body := protoBody(t, family("h", dto.MetricType_HISTOGRAM, h))
		expectFailure(t, once(t, serve(t, typeProto, body), wantNative("h")), "spans require")
		// Who wants no native histograms is not hurt by them.
		expect(t, once(t, serve(t, typeProto, body), wantNames("h_count")), `h_count{i="0"} 3`)
		// After the first in a family, the parser does not look.
		body = protoBody(t, family("h", dto.MetricType_HISTOGRAM, deltas(0, 1, 1), h, deltas(0, 2, 2)))
		c := once(t, serve(t, typeProto, body), wantNative("h"))
		if h == long {
			expect(t, c, `h{i="0"} 1`, `h{i="2"} 2`)
		}
		for _, s := range c.Samples {
			if err := s.Histogram.Validate(); err != nil {
				t.Errorf("%s: %v", s.Series.Labels, err)
			}
		}
	}
}

// TestHugeHistogramsAreNotParsed: alternating empty buckets would keep the parser busy for minutes.
func TestHugeHistogramsAreNotParsed(t *testing.T) {
	var whole []int64
	var parts []float64
	for i := range maxParsed + 1 {
		whole, parts = append(whole, int64(1-i%2*2)), append(parts, float64(i%2))
	}
	for _, h := range []*dto.Histogram{deltas(0, 1, whole...), floats(1, 1, parts...)} {
		body := protoBody(t, family("h", dto.MetricType_HISTOGRAM, deltas(0, 1, 1), h))
		expectFailure(t, once(t, serve(t, typeProto, body), wantNative("h")), "more than 40000 buckets")
	}
	// As other encoders have it: all counts in one field.
	packed := protowire.AppendTag(nil, fieldPositiveDelta, protowire.BytesType)
	packed = protowire.AppendBytes(packed, slices.Repeat([]byte{0x80, 1}, maxParsed+1))
	for _, number := range []protowire.Number{fieldHistogram, fieldMetric} {
		packed = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), packed)
	}
	packed = protowire.AppendBytes(nil, append([]byte("\x0a\x01h\x18\x04"), packed...))
	expectFailure(t, once(t, serve(t, typeProto, string(packed)), wantNative("h")), "more than 40000 buckets")

	h := deltas(0, 1, whole[:maxParsed]...)
	c := once(t, serve(t, typeProto, protoBody(t, family("h", dto.MetricType_HISTOGRAM, h, deltas(0, 2, 2)))), wantNative("h"))
	expect(t, c, `h{i="1"} 2`)
}

func TestNativeHistogramsAreBoundedInAll(t *testing.T) {
	one := deltas(0, maxBuckets, slices.Concat([]int64{1}, make([]int64, maxBuckets-1))...)
	body := protoBody(t, family("h", dto.MetricType_HISTOGRAM, slices.Repeat([]*dto.Histogram{one}, maxHeld/8/maxBuckets+1)...)) // a byte a bucket here, eight in memory
	expectFailure(t, once(t, serve(t, typeProto, body), wantNative("h")), "more than 67108864 bytes")
}

package prometheus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/collector"
)

const fuzzNow = 1_800_000_000_000

// ours reads body selectively, through a reader that gives it out in pieces.
func ours(t testing.TB, p *pool, body []byte, f format, in collector.Interest) ([]collector.Sample, error) {
	m := newMemory(p, labels.EmptyLabels())
	m.begin(newInterest(in))
	a := &answer{memory: m, atMs: fuzzNow, honor: true, link: f == formatOpenMetrics}
	sc := p.scratches.get()
	defer p.scratches.put(sc)
	var r io.Reader = bytes.NewReader(body)
	if sc.text.chunk = 0; len(body)%2 == 0 {
		r = iotest.OneByteReader(r)
		sc.text.chunk = 1
	}
	if err := sc.parse(a, r, f); err != nil {
		return nil, err
	}
	a.finish()
	return a.samples, nil
}

// plain is one sample as the full parser gives it.
type plain struct {
	labels labels.Labels
	value  float64
	ts     *int64
	from   int64
	metric string // the counter, histogram or summary it belongs to
}

// parseAll reads all of body with Prometheus' parser, and the start timestamps that OpenMetrics
// has as samples. It reports split when the parser took a line break for part of a quoted name or
// label value.
func parseAll(body []byte, f format) (out []plain, starts map[string]int64, split bool, err error) {
	body = slices.Clone(body)
	var p textparse.Parser
	switch f {
	case formatText:
		p = textparse.NewPromParser(body, labels.NewSymbolTable(), false)
	case formatOpenMetrics:
		p = textparse.NewOpenMetricsParser(body, labels.NewSymbolTable())
	default:
		p = textparse.NewProtobufParser(body, true, true, false, false, labels.NewSymbolTable())
	}
	starts = map[string]int64{}
	var mtype model.MetricType
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, starts, split, nil
		}
		if err != nil {
			return nil, nil, split, err
		}
		var text []byte
		var s plain
		switch entry {
		case textparse.EntryType:
			text, mtype = p.Type()
		case textparse.EntryHelp:
			text, _ = p.Help()
		case textparse.EntryUnit:
			text, _ = p.Unit()
		case textparse.EntrySeries:
			text, s.ts, s.value = p.Series()
		}
		split = split || f != formatProto && bytes.IndexByte(text, '\n') >= 0
		if entry != textparse.EntrySeries {
			continue
		}
		if s.ts != nil {
			ts := *s.ts
			s.ts = &ts
		}
		p.Labels(&s.labels)
		s.labels = labels.NewBuilder(s.labels).Labels() // an empty label is none
		if !s.labels.Has("__name__") {
			return nil, nil, split, errors.New("no name") // which scraping refuses, though not the parser
		}
		var created bool
		s.metric, created = metricOf(s.labels, mtype)
		if v := s.value; f == formatOpenMetrics && created && v > 0 && v*1000 <= fuzzNow+maxAheadMs && starts[s.metric] == 0 {
			starts[s.metric] = int64(v * 1000)
		}
		if f == formatProto {
			s.from = p.StartTimestamp()
		}
		out = append(out, s)
	}
}

// whole selects from all that the full parser gives, in the plainest way.
func whole(body []byte, f format, in collector.Interest) (out []string, split bool, err error) {
	all, starts, split, err := parseAll(body, f)
	seen := map[string]bool{}
	for _, s := range all {
		if _, ok := in.Names[s.labels.Get("__name__")]; !ok || seen[s.labels.String()] {
			continue
		}
		seen[s.labels.String()] = true
		at := int64(0)
		if s.ts != nil {
			at = *s.ts
		}
		if math.IsNaN(s.value) || math.IsInf(s.value, 0) || s.ts != nil && (at > fuzzNow+maxAheadMs || at < fuzzNow-maxBehindMs) {
			continue
		}
		if f == formatOpenMetrics {
			s.from = starts[s.metric]
		}
		out = append(out, fmt.Sprintf("%s %v @%d from %d", s.labels, s.value, at, s.from))
	}
	return out, split, err
}

// metricOf names the metric a series of a counter, histogram or summary belongs to.
func metricOf(ls labels.Labels, t model.MetricType) (metric string, created bool) {
	name, lb := ls.Get("__name__"), labels.NewBuilder(ls).Del("__name__")
	var suffixes string
	switch t {
	case model.MetricTypeCounter:
		suffixes = "_total"
	case model.MetricTypeHistogram:
		suffixes = "_bucket _count _sum"
		lb.Del("le")
	case model.MetricTypeSummary:
		suffixes = "_count _sum"
		lb.Del("quantile")
	default:
		return "none", false
	}
	if base, ok := strings.CutSuffix(name, "_created"); ok {
		return base + lb.Labels().String(), true
	}
	for s := range strings.FieldsSeq(suffixes) {
		if base, ok := strings.CutSuffix(name, s); ok {
			return base + lb.Labels().String(), false
		}
	}
	return name + lb.Labels().String(), false
}

// FuzzSelective holds reading selectively against reading everything. For a body of whole lines
// without NUL bytes, in which Prometheus' parser finds no line break inside a quoted name or label
// value:
//
//   - if Prometheus' parser accepts the body, so does selective reading, and it yields the same
//     samples of the wanted names in the same order, with the same timestamps and start timestamps;
//   - so when selective reading fails, Prometheus' parser fails too.
//
// The other way round does not hold and is not meant to: a mistake in a line nobody wants fails
// only the full parse. Of the bodies left out, those that are cut off inside a line, have NUL
// bytes where it matters or line breaks inside quotes are refused or read line by line.
func FuzzSelective(f *testing.F) {
	for _, seed := range []string{
		"# TYPE a counter\na_total{x=\"1\"} 1\na_created{x=\"1\"} 2\na_total{x=\"1\"} 3\nb 1\n# EOF\n",
		"# HELP h x\n# TYPE h histogram\n# UNIT h \nh_bucket{le=\"1\"} 1 # {t=\"a\"} 1 2\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum NaN\nh_created 5\n# EOF\n",
		"# TYPE s summary\ns{quantile=\"0.50\"} 1\n# TYPE z gauge\nz 1\ns{quantile=\"1\"} 1\ns_created 1e3\n# EOF",
		"\n \t\n#c\n  a 1\na\t2 1800000000000\n{\"a\",b=\"c\"} 3\n{\"b.c\"} 4\na{b=\"}\"} 5\nab 6\n# HELP a \\\\ \\n\n",
		"a{b=\"\\\"\\\\\\n\",} 1 1799999999999\na{b=\"c\"} +Inf\n# TYPE a weird\n",
		"\x0a\x0a\x01a\x18\x00\x22\x03\x1a\x01\x00",
		protoBody(f, family("h", dto.MetricType_GAUGE_HISTOGRAM, deltas(2, 3, 1, 0, -1, 2), floats(4, 3, 1, 0, 3))),
	} {
		for kind := range 3 {
			f.Add([]byte(seed), uint8(kind))
		}
	}
	p := testPool(f, "scrape_configs: [{job_name: x}]")
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		form := format(kind%3) + formatText
		in := wantNames("a", "a_total", "h_bucket", "h_sum", "s", "b.c", "z_created", "h")
		in.Histograms = true
		got, err := ours(t, p, body, form, in)
		if form == formatProto {
			for _, s := range got { // beside that it ends; TestSelectsAsTheWhole compares
				if h := s.Histogram; h != nil && (h.Validate() != nil || h.Count != s.Value || !(h.Count >= 0)) {
					t.Errorf("%s of %g is handed on: %v", h, s.Value, h.Validate())
				}
			}
			return
		}
		if bytes.IndexByte(body, 0) >= 0 || form == formatText && len(body) > 0 && body[len(body)-1] != '\n' {
			return
		}
		want, split, wantErr := whole(body, form, in)
		if wantErr != nil || split {
			return
		}
		if err != nil {
			t.Fatalf("Prometheus reads %v, selective reading fails: %v", want, err)
		}
		if have := texts(got); !slices.Equal(have, want) {
			t.Errorf("selectively %v\nall of it   %v", have, want)
		}
	})
}

func TestSelectsAsTheWhole(t *testing.T) {
	reg := prometheus.NewRegistry()
	var all []string
	for i := range 40 {
		name := fmt.Sprintf("m%d", i)
		switch i % 4 {
		case 0:
			v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_total", Help: "Some \\ help\nof two lines."}, []string{"l"})
			v.WithLabelValues("a").Add(float64(i))
			v.WithLabelValues("b\n\"\\").Inc()
			reg.MustRegister(v)
			all = append(all, name+"_total")
		case 1:
			v := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
			v.Set(float64(-i))
			reg.MustRegister(v)
			all = append(all, name)
		case 2:
			v := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Buckets: []float64{1, 2.5, 10}, NativeHistogramBucketFactor: float64(i % 3)})
			v.Observe(float64(i))
			reg.MustRegister(v)
			all = append(all, name+"_bucket", name+"_sum", name+"_count")
		case 3:
			v := prometheus.NewSummary(prometheus.SummaryOpts{Name: name, Objectives: map[float64]float64{0.5: 0.1, 0.99: 0.01}})
			v.Observe(float64(i))
			reg.MustRegister(v)
			all = append(all, name, name+"_sum", name+"_count")
		}
	}
	handler := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true})
	p := testPool(t, "scrape_configs: [{job_name: x}]")
	for _, protocol := range []ScrapeProtocol{PrometheusText004, OpenMetrics100, PrometheusProto} {
		accept, form, _ := protocol.details()
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		for k := range all { // a different third each time
			in := wantNames(all[k], all[(k*7+1)%len(all)], all[(k*11+5)%len(all)])
			want, split, wantErr := whole(rec.Body.Bytes(), form, in)
			got, err := ours(t, p, rec.Body.Bytes(), form, in)
			if have := texts(got); err != nil || wantErr != nil || split || len(want) == 0 || !slices.Equal(have, want) {
				t.Fatalf("%s of %v\nselectively %v, %v\nall of it   %v, %v, %v", protocol, in.Names, have, err, want, split, wantErr)
			}
		}
	}
}

func texts(samples []collector.Sample) (out []string) {
	for _, s := range samples {
		out = append(out, fmt.Sprintf("%s %v @%d from %d", s.Series.Labels, s.Value, s.AtMs, s.FromMs))
	}
	return out
}

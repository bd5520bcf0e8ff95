package prometheus

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
)

// bank is a real client_golang registry: what it exposes is written down in wantBank.
func bank(t *testing.T, opts promhttp.HandlerOpts) http.Handler {
	t.Helper()
	reg := prometheus.NewRegistry()
	auth := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "card_auth_total", Help: "Authorisations.\nBy outcome."}, []string{"outcome"})
	auth.WithLabelValues("approved").Add(1027)
	auth.WithLabelValues(`tech"nical` + "\n\\").Add(3)
	inflight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "card_inflight", Help: "Now."})
	inflight.Set(0.25)
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "card_auth_seconds", Help: "Both kinds at once.", Buckets: []float64{0.5, 2}, NativeHistogramBucketFactor: 1.1,
	})
	for _, v := range []float64{0.1, 1, 1, 9} {
		seconds.Observe(v)
	}
	batch := prometheus.NewSummary(prometheus.SummaryOpts{Name: "batch_seconds", Help: "S.", Objectives: map[float64]float64{0.5: 0.05}})
	batch.Observe(4)
	noise := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "noise_total", Help: "N."}, []string{"i"})
	for i := range 50 {
		noise.WithLabelValues(fmt.Sprint(i)).Inc()
	}
	reg.MustRegister(auth, inflight, seconds, batch, noise)
	return promhttp.HandlerFor(reg, opts)
}

// wantBank is what bank exposes of the names asked for, with le and quantile as OpenMetrics and
// protobuf spell them.
func wantBank() []string {
	return []string{
		`card_auth_total{outcome="approved"} 1027`,
		`card_auth_total{outcome="tech\"nical\n\\"} 3`,
		`card_inflight 0.25`,
		`card_auth_seconds_bucket{le="0.5"} 1`, `card_auth_seconds_bucket{le="2.0"} 3`, `card_auth_seconds_bucket{le="+Inf"} 4`,
		`card_auth_seconds_count 4`,
		`batch_seconds{quantile="0.5"} 4`, `batch_seconds_sum 4`,
	}
}

var bankNames = []string{"card_auth_total", "card_inflight", "card_auth_seconds_bucket", "card_auth_seconds_count", "batch_seconds", "batch_seconds_sum"}

func TestEveryFormatGivesTheSameSamples(t *testing.T) {
	began := time.Now()
	handler := bank(t, promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true})
	var got string
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		got = w.Header().Get("Content-Type") + w.Header().Get("Content-Encoding")
	})
	for _, tt := range []struct {
		protocol string
		media    string
		starts   bool
	}{
		{"PrometheusText0.0.4", "text/plain", false},
		{"PrometheusText1.0.0", "text/plain", false},
		{"OpenMetricsText1.0.0", "application/openmetrics-text", true},
		{"OpenMetricsText0.0.1", "application/openmetrics-text", true},
		{"PrometheusProto", "application/vnd.google.protobuf", true},
	} {
		for _, gzip := range []bool{true, false} {
			t.Run(fmt.Sprint(tt.protocol, " gzip ", gzip), func(t *testing.T) {
				c := once(t, server, wantNames(bankNames...), "scrape_protocols: ["+tt.protocol+"]", fmt.Sprint("enable_compression: ", gzip))
				if !strings.HasPrefix(got, tt.media) || strings.HasSuffix(got, "gzip") != gzip {
					t.Errorf("server answered %s", got)
				}
				expect(t, c, wantBank()...)
				for _, s := range c.Samples {
					name := s.Series.Labels.Get("__name__")
					if started := s.FromMs != 0; started != (tt.starts && name != "card_inflight") {
						t.Errorf("%s has start timestamp %d", name, s.FromMs)
					}
					if s.FromMs != 0 && (s.FromMs < began.Add(-time.Second).UnixMilli() || s.FromMs > time.Now().UnixMilli()) {
						t.Errorf("%s starts at %d, not in this test", name, s.FromMs)
					}
					if ls := s.Series.Labels; ls.Get("job") != "test" || "http://"+ls.Get("instance") != server.URL {
						t.Errorf("%s lacks the target's labels", ls)
					}
				}
			})
		}
	}
}

func TestOpenMetricsStartsMayFollowOrPrecede(t *testing.T) {
	body := `# TYPE a counter
a_created{x="1"} 100.5
a_total{x="1"} 1
a_total{x="2"} 2
a_created{x="2"} 200
a_total{x="3"} 3
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_count 2
h_sum 3
h_created 300
# TYPE g gauge
g_created 5
g 1
# EOF
`
	c := once(t, serve(t, typeOM, body), wantNames("a_total", "h_bucket", "h_count", "g", "g_created"))
	expect(t, c, `a_total{x="1"} 1`, `a_total{x="2"} 2`, `a_total{x="3"} 3`, `h_bucket{le="1.0"} 1`, `h_bucket{le="+Inf"} 2`, `h_count 2`, `g 1`, `g_created 5`)
	want := map[string]int64{`a_total{x="1"}`: 100500, `a_total{x="2"}`: 200000, `a_total{x="3"}`: 0, "h": 300000, "g": 0}
	for i, s := range c.Samples {
		key, _, _ := strings.Cut(lines(collector.Cycle{Samples: c.Samples[i : i+1]})[0], " ")
		if !strings.HasPrefix(key, "a") {
			key = key[:1]
		}
		if s.FromMs != want[key] {
			t.Errorf("%s starts at %d, want %d", key, s.FromMs, want[key])
		}
	}
}

func TestClassicBucketsBesideNative(t *testing.T) {
	c := once(t, serveFunc(t, bank(t, promhttp.HandlerOpts{}).ServeHTTP), wantNames("card_auth_seconds_bucket", "card_auth_seconds"), "scrape_protocols: [PrometheusProto]")
	expect(t, c, `card_auth_seconds_bucket{le="0.5"} 1`, `card_auth_seconds_bucket{le="2.0"} 3`, `card_auth_seconds_bucket{le="+Inf"} 4`)
}

func TestAllNamesReadsEverything(t *testing.T) {
	server := serveFunc(t, bank(t, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP)
	for _, protocol := range []string{"PrometheusText0.0.4", "OpenMetricsText1.0.0", "PrometheusProto"} {
		in := wantNames()
		in.AllNames = true
		c := once(t, server, in, "scrape_protocols: ["+protocol+"]")
		if want := len(wantBank()) + 1 /* seconds_sum */ + 1 /* batch_count */ + 50; c.Err != nil || len(c.Samples) != want || c.Stats.Seen != want {
			t.Errorf("%s: %d samples, %d seen, error %v; want %d", protocol, len(c.Samples), c.Stats.Seen, c.Err, want)
		}
	}
}

func TestMatchDecidesAmongWantedNames(t *testing.T) {
	in := wantNames("card_auth_total")
	in.Match = func(ls labels.Labels) bool { return ls.Get("outcome") == "approved" && ls.Get("job") == "test" }
	c := once(t, serveFunc(t, bank(t, promhttp.HandlerOpts{}).ServeHTTP), in)
	expect(t, c, `card_auth_total{outcome="approved"} 1027`)
	in.Match = nil
	expect(t, once(t, serveFunc(t, bank(t, promhttp.HandlerOpts{}).ServeHTTP), in))
}

func TestTextCornersAreReadAsPrometheusReadsThem(t *testing.T) {
	body := "\n  \t\n# a comment\n#TYPE no metadata\n# HELP unwanted \\ nothing\n" +
		"wanted 1\n  wanted{a=\"b\"} 2\nwanted{a=\"c\" , } 3 \nwanted\t4\n" + // blanks in front become part of the name; the fourth repeats the first
		"{\"wanted\",a=\"d\"} 5\n{\"with.dots\"} 6\nwanted_more 7\nwante 8\nwanted{a=\"}# \\n\"} 9\n" +
		"# TYPE wanted_seconds histogram\nwanted_seconds_bucket{le=\"1\"} 1\n" +
		"# TYPE other gauge\nother 1\nwanted_late_bucket{le=\"1\"} 2\n"
	c := once(t, serve(t, typeText, body), wantNames("wanted", "with.dots", "wanted_seconds_bucket", "wanted_late_bucket"))
	expect(t, c, "wanted 1", `wanted{a="c"} 3`, `wanted{a="d"} 5`, "with.dots 6", `wanted{a="}# \n"} 9`,
		`wanted_seconds_bucket{le="1.0"} 1`, `wanted_late_bucket{le="1"} 2`)
	if c.Stats.Seen != 12 || c.Stats.Dropped.Duplicate != 1 {
		t.Errorf("seen %d, duplicates %d; want 12 and 1", c.Stats.Seen, c.Stats.Dropped.Duplicate)
	}
}

func TestChunksGiveWhatOneWouldGive(t *testing.T) {
	var body strings.Builder
	body.WriteString("# TYPE wanted_seconds histogram\n")
	const n = 20_000 // about 900 KB of wanted lines, so several chunks and many reads
	for i := range n {
		fmt.Fprintf(&body, "wanted_seconds_bucket{le=\"1\",i=\"%d\"} %d\n", i, i)
	}
	for _, tt := range []struct{ media, end string }{{typeText, ""}, {typeOM, "# EOF\n"}} {
		c := once(t, serve(t, tt.media, body.String()+tt.end), wantNames("wanted_seconds_bucket"))
		if c.Err != nil || len(c.Samples) != n {
			t.Fatalf("%d samples, error %v", len(c.Samples), c.Err)
		}
		for i, s := range c.Samples {
			if s.Value != float64(i) || s.Series.Labels.Get("le") != "1.0" || s.Series.Labels.Get("i") != fmt.Sprint(i) {
				t.Fatalf("sample %d is %s %g; le must be read by a TYPE line chunks ago", i, s.Series.Labels, s.Value)
			}
		}
	}
}

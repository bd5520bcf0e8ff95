package discover_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/discover"
	"github.com/assayer-io/assayer/slo/spec"
)

// lines are what a proposal consists of, so that no value can add a line of its own.
var lines = regexp.MustCompile(`^(?: *#.*|---|apiVersion: assayer.dev/v1|kind: GoldenSignals|metadata:|  name: [a-z0-9-]+|spec:|  service: '.*'|  rail: [a-z0-9-]+|` +
	`  (?:errors|latency|traffic|saturation):|    (?:good|bad|total|excluded|histogram|gauge): '.*'|    (?:objective|below|above|atLeast|of): [a-z0-9.%/+-]+)$`)

// FuzzPropose reads any exposition and proposes for it. Whatever comes out loads as objectives, and no part of
// the exposition becomes anything but a value.
func FuzzPropose(f *testing.F) {
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), uint8(0))
	}
	f.Add("{\"a.b_requests_total\",code=\"200\"} 1\n", uint8(0))
	f.Add("a_total{result=\"error\\n# x\",y=\"'\"} 1\na_total{result=\"error\"} 1e308\n", uint8(1))
	f.Add("a_seconds_bucket{le=\"-1\"} 9\na_seconds_bucket{le=\"NaN\"} 3\na_seconds_bucket{le=\"+Inf\"} -5\na_seconds_sum 1\na_seconds_count 1\n", uint8(1))
	f.Add("# TYPE a counter\na_total{code=\"500\"} -9\n# EOF\n", uint8(2))
	f.Add("a_queue_length 1e300\na_usage_ratio -0\n", uint8(0))
	table := systems(f)
	var body atomic.Value
	var kind atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind.Load().(string))
		_, _ = io.WriteString(w, body.Load().(string))
	}))
	f.Cleanup(s.Close)
	kinds := []string{textFormat, textFormat, "application/openmetrics-text; version=1.0.0", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"}
	f.Fuzz(func(t *testing.T, exposition string, how uint8) {
		body.Store(exposition)
		kind.Store(kinds[int(how)%len(kinds)])
		cfg, err := discover.TargetConfig(s.URL, []string{"", "shop"}[how/4%2], time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		o := options()
		o.Scoped, o.Unnamed = how/4%2 == 1, how/4%2 == 0
		if how%2 == 1 {
			o.Watch = time.Second
		}
		services, failures, err := discover.Read(t.Context(), cfg, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range failures {
			if strings.ContainsAny(f.Err.Error(), "\n\x1b") {
				t.Errorf("message %q", f.Err)
			}
		}
		docs, left := discover.Propose(services, table)
		file := discover.Render([]string{"a head"}, docs, left)
		for line := range strings.SplitSeq(strings.TrimSuffix(file, "\n"), "\n") {
			if !lines.MatchString(line) {
				t.Errorf("line %q of\n%s", line, file)
			}
		}
		set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(file)}}, spec.Options{Strict: true})
		if problems.Errors() > 0 {
			t.Errorf("%v\n%s", problems, file)
		}
		discover.Cover(services, table, set.Objectives)
	})
}

package promapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay/promapi"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/slo/spec"
)

// server answers like a Prometheus that has a sample of x_total and of up each 15 s.
type server struct {
	*httptest.Server
	asked []string      // of queries: how long a stretch
	most  time.Duration // longer stretches are too much
	fails []int         // statuses of the next answers; 0: a good one
	body  string        // instead of an answer
	pause []time.Duration
}

const begin = 1795003200

func newServer(t *testing.T) *server {
	s := &server{most: 24 * time.Hour}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	answer := func(code int, v any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	if len(s.fails) > 0 {
		code := s.fails[0]
		s.fails = s.fails[1:]
		if code != 0 {
			answer(code, map[string]any{"status": "error", "error": "no"})
			return
		}
	}
	if s.body != "" {
		_, _ = io.WriteString(w, s.body)
		return
	}
	if user, pass, _ := r.BasicAuth(); user != "me" || pass != "secret" {
		answer(http.StatusUnauthorized, map[string]any{"status": "error", "error": "who are you?"})
		return
	}
	if r.URL.Path == "/prefix/api/v1/series" {
		answer(200, map[string]any{"status": "success", "data": []map[string]string{{"__name__": "x_total", "job": "a.b", "instance": "i"}}})
		return
	}
	m := regexp.MustCompile(`^\{(.*)\}\[(\d+)ms\]$`).FindStringSubmatch(r.FormValue("query"))
	ms, _ := strconv.ParseInt(m[2], 10, 64)
	end, _ := strconv.ParseFloat(r.FormValue("time"), 64)
	length := time.Duration(ms) * time.Millisecond
	s.asked = append(s.asked, length.String())
	if length > s.most {
		answer(http.StatusUnprocessableEntity, map[string]any{"status": "error", "error": "query processing would load too many samples into memory in query execution"})
		return
	}
	metric := map[string]string{"__name__": "x_total", "job": "a.b", "instance": "i"}
	if strings.Contains(m[1], `"up"`) {
		if m[1] != `__name__="up",job=~"a\\.b"` {
			answer(400, map[string]any{"status": "error", "error": m[1]})
			return
		}
		metric["__name__"] = "up"
	}
	values := [][2]any{}
	for at := int64(begin); at <= int64(end*1000)/1000; at += 15 {
		if at*1000 >= int64(end*1000)-ms { // the edge included, as in old versions
			values = append(values, [2]any{at, "1"})
		}
	}
	answer(200, map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": []any{map[string]any{"metric": metric, "values": values}}}})
}

func (s *server) options(length time.Duration) promapi.Options {
	return promapi.Options{
		URL: s.URL + "/prefix/", Queries: []string{`{__name__="x_total"}`}, Start: time.Unix(begin, 0), End: time.Unix(begin, 0).Add(length),
		HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "me", Password: "secret"}},
		Wanted: recording.Wanted{Interest: collector.Interest{Match: func(ls labels.Labels) bool {
			return ls.Get(labels.MetricName) == "x_total"
		}}},
		Pause: func(_ context.Context, d time.Duration) error {
			s.pause = append(s.pause, d)
			return nil
		},
	}
}

func looks(t *testing.T, spool *recording.Spool, w recording.Wanted) int {
	t.Helper()
	r, err := recording.NewReader(t.Context(), []recording.Part{spool}, w, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 0; ; n++ {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if want := int64(begin + 15*n); err != nil || c.At.Unix() != want || len(c.Samples) != 1 || c.Err != nil {
			t.Fatalf("look %d: %+v (%v), want one sample at %d", n, c, err, want)
		}
	}
}

func TestFetch(t *testing.T) {
	s := newServer(t)
	o := s.options(150 * time.Minute)
	spool, warnings, err := promapi.Load(t.Context(), o)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	if n := looks(t, spool, o.Wanted); n != 601 {
		t.Errorf("got %d looks, want 601: each quarter of a minute, both ends included", n)
	}
	if want := []string{"1h0m0s", "1h0m0s", "1h0m0s", "1h0m0s", "30m0.001s", "30m0.001s"}; !slices.Equal(s.asked, want) {
		t.Errorf("asked for %v, want %v", s.asked, want)
	}
}

func TestWhatIsTooMuchIsAskedForInParts(t *testing.T) {
	s := newServer(t)
	s.most = 20 * time.Minute
	o := s.options(time.Hour)
	spool, _, err := promapi.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if n := looks(t, spool, o.Wanted); n != 241 {
		t.Errorf("got %d looks, want 241", n)
	}
	if want := []string{"1h0m0s", "30m0s", "15m0s"}; !slices.Equal(s.asked[:3], want) {
		t.Errorf("asked for %v first, want %v", s.asked[:3], want)
	}
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		change func(*server, *promapi.Options)
		says   string // "": it works
		pauses int
	}{
		"busy for a while": {func(s *server, _ *promapi.Options) { s.fails = []int{503, 0, 429, 500} }, "", 3},
		"busy for good":    {func(s *server, _ *promapi.Options) { s.fails = slices.Repeat([]int{503}, 9) }, "it answers 503 Service Unavailable: no", 4},
		"refused":          {func(_ *server, o *promapi.Options) { o.HTTP.BasicAuth = nil }, "it answers 401 Unauthorized: who are you?", 0},
		"always too much":  {func(s *server, _ *promapi.Options) { s.most = time.Second }, "too many samples", 0},
		"a page":           {func(s *server, _ *promapi.Options) { s.body = "<html>" }, "it answers 200 OK, but not what a Prometheus would", 0},
		"other data":       {func(s *server, _ *promapi.Options) { s.body = `{"status":"success","data":{}}` }, "reading the answer", 4},
		"no series":        {func(s *server, _ *promapi.Options) { s.body = `{"status":"success","data":[]}` }, recording.ErrNothing.Error(), 0},
		"no address":       {func(_ *server, o *promapi.Options) { o.URL = "localhost:9090" }, `--from-prometheus: got "localhost:9090", allowed: a URL`, 0},
		"nobody there":     {func(s *server, _ *promapi.Options) { s.Close() }, "connection refused", 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			o := s.options(30 * time.Minute)
			tt.change(s, &o)
			spool, _, err := promapi.Load(t.Context(), o)
			if err == nil {
				err = spool.Close()
			}
			switch {
			case tt.says == "" && err != nil, tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want %q", err, tt.says)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error tells the password: %v", err)
			}
			if len(s.pause) != tt.pauses {
				t.Errorf("paused %v, want %d times", s.pause, tt.pauses)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	const document = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card}
spec:
  errors:  {bad: 'x_total{code=~"5.."}', total: 'x_total', objective: 99%}
  latency: {histogram: 'x_seconds{path="/a\"b"}', below: 2s, objective: 99%}
`
	set, problems := spec.Load([]spec.File{{Name: "f", Data: []byte(document)}}, spec.Options{ScrapeInterval: time.Second})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(promapi.Queries([][]spec.Objective{set.Objectives, set.Objectives}))
	for _, want := range []string{`{__name__="x_total"}`, `code=~"5.."`, `x_seconds`, `path="/a\"b"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s does not have %s", got, want)
		}
	}
	if strings.Contains(got, "le=") || strings.Count(got, `{__name__="x_total"}`) != 1 {
		t.Errorf("got %s, want each once, and no bounds", got)
	}
}

// FuzzPoints: what encoding/json takes for a list of pairs is read alike, and nothing else is taken.
func FuzzPoints(f *testing.F) {
	for _, s := range []string{`[]`, `[[1795003200.123,"42"]]`, `[ [1,"+Inf"] , [2,"NaN"] ]`, `[[1,"1"],]`, `null`, `[[1]]`, `[["1","1"]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { promapi.CheckPoints(t, text) })
}

//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// hostile is one target that does what no target should, and what the agent must say of it.
type hostile struct {
	serve    func(w http.ResponseWriter, r *http.Request, look int64)
	says     string // a regular expression over the target's error; empty: the target is up
	settings string // further lines of its scrape config
}

const (
	shortLines = "body is larger than body_size_limit, 268435456 bytes after decompression"
	slowest    = "scrape_interval: 8s\n        scrape_timeout: 8s" // for answers of hundreds of megabytes
)

func hostiles(t *testing.T) map[string]hostile {
	return map[string]hostile{
		"malformed":    {serve: body("pay_total{outcome=\"ok\" 5\npay_total 5\n"), says: "scraping: malformed line: expected label name"},
		"html":         {serve: typed("text/html", "<!DOCTYPE html>\n<html><body>It works!</body></html>\n"), says: `"text/html"`},
		"html-as-text": {serve: body("<!DOCTYPE html>\n<html><body>It works!</body></html>\n"), says: "scraping: malformed line: expected a valid start token"},
		"endless":      {serve: endless, says: shortLines, settings: slowest},
		"long-line":    {serve: body(strings.Repeat("x", 2<<20) + " 1\n"), says: "line is longer than 1048576 bytes"},
		"drip":         {serve: drip, says: "timed out after 1s"},
		"bomb":         {serve: bomb(t), says: shortLines, settings: slowest},
		"crowd":        {serve: crowd, says: `more than 200000 wanted series; a larger sample_limit allows more`, settings: slowest},
		"fat-crowd":    {serve: fatCrowd, says: "wanted series of more than 67108864 bytes", settings: slowest},
		"utf8":         {serve: body("pay_total{outcome=\"\xff\xfe\"} 1\n"), says: "scraping: malformed line: invalid UTF-8 label value"},
		"line-break":   {serve: body("pay_total{outcome=\"a\nb\"} 1\n"), says: "scraping: malformed line: expected"},
		"quotes":       {serve: body("pay_total{outcome=\"a\"b\"} 1\n"), says: "scraping: malformed line: expected"},
		"escaped":      {serve: body(`pay_total{outcome="a\nb\"c\\d"} 1` + "\n")},
		"nul":          {serve: body("pay_total{outcome=\"a\x00b\"} 1\n"), says: "NUL byte in a line"},
		"cut":          {serve: cut, says: "body is cut off"},
		"shorter":      {serve: shorter, says: "body is cut off"},
		"cut-line":     {serve: body("pay_total 5\npay_to"), says: "body ends within a line"},
		"redirects": {serve: func(w http.ResponseWriter, r *http.Request, _ int64) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, says: "stopped after 10 redirects"},
		"hangs-up":    {serve: hangUp, says: "scraping: target closed the connection without an answer"},
		"duplicates":  {serve: body("pay_total 5\npay_total 7\npay_total{outcome=\"failed\"} 1\npay_total{outcome=\"failed\"} 2\n")},
		"not-numbers": {serve: body("pay_total{outcome=\"ok\"} NaN\npay_total{outcome=\"a\"} +Inf\npay_total{outcome=\"failed\"} -Inf\n")},
		"negative":    {serve: body("pay_total -5\n")},
		"backwards":   {serve: backwards},
		"out-of-time": {serve: outOfTime},
		"flips":       {serve: flips, says: "^$|target answers HTTP status 503 Service Unavailable"},
	}
}

func typed(contentType, text string) func(http.ResponseWriter, *http.Request, int64) {
	return func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text) // the agent may have had enough
	}
}

func body(text string) func(http.ResponseWriter, *http.Request, int64) {
	return typed("text/plain; version=0.0.4", text)
}

// endless writes lines until the reader goes away.
func endless(w http.ResponseWriter, _ *http.Request, _ int64) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	block := []byte(strings.Repeat("noise_total{kind=\"nobody asked for this\"} 17\n", 2000))
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// drip writes a byte now and then, so that no single read takes long.
func drip(w http.ResponseWriter, r *http.Request, _ int64) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
			_, _ = io.WriteString(w, "# ")
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// bomb answers with 4 MiB that are 4 GiB. It packs them once, as many gzip streams in a row.
func bomb(t *testing.T) func(http.ResponseWriter, *http.Request, int64) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	line := []byte(strings.Repeat("noise_total 1\n", 64<<20/14))
	if _, err := z.Write(line); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Header().Set("Content-Encoding", "gzip")
		for range 64 {
			if _, err := w.Write(packed.Bytes()); err != nil {
				return
			}
		}
	}
}

// crowd exposes ten million series that an objective asks for, others at every look.
func crowd(w http.ResponseWriter, _ *http.Request, look int64) { expose(w, look, "") }

// fatCrowd exposes fewer series before it is too much, each with a long label.
func fatCrowd(w http.ResponseWriter, _ *http.Request, look int64) {
	expose(w, look, strings.Repeat("x", 10_000))
}

func expose(w http.ResponseWriter, look int64, prefix string) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var block []byte
	for i := range 10_000_000 {
		block = append(append(block, "pay_total{outcome=\"ok\",customer=\""...), prefix...)
		block = strconv.AppendInt(block, int64(i)+look*10_000_000, 10)
		block = append(block, "\"} 1\n"...)
		if len(block) > 64<<10 {
			if _, err := w.Write(block); err != nil {
				return
			}
			block = block[:0]
		}
	}
	_, _ = w.Write(block)
}

// cut ends a chunked body without its last chunk.
func cut(w http.ResponseWriter, r *http.Request, look int64) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = io.WriteString(w, "pay_total 5\n")
	_ = http.NewResponseController(w).Flush()
	hangUp(w, r, look)
}

// shorter sends less than it has announced.
func shorter(w http.ResponseWriter, r *http.Request, look int64) {
	w.Header().Set("Content-Length", "100")
	body("pay_total 5\n")(w, r, look)
}

func hangUp(w http.ResponseWriter, _ *http.Request, _ int64) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// backwards counts down.
func backwards(w http.ResponseWriter, r *http.Request, look int64) {
	body(fmt.Sprintf("pay_total{outcome=\"ok\"} %d\n", max(1000-look, 0)))(w, r, look)
}

// outOfTime stamps its samples ten years ahead, ten years ago, and a second earlier at every look.
func outOfTime(w http.ResponseWriter, r *http.Request, look int64) {
	const tenYears = 10 * 365 * 24 * time.Hour
	now := time.Now()
	body(fmt.Sprintf("pay_total{outcome=\"a\"} %d %d\npay_total{outcome=\"b\"} %d %d\npay_total{outcome=\"c\"} %d %d\n",
		look, now.Add(tenYears).UnixMilli(), look, now.Add(-tenYears).UnixMilli(),
		look, now.Add(-time.Minute-time.Duration(2*look)*time.Second).UnixMilli()))(w, r, look)
}

func flips(w http.ResponseWriter, r *http.Request, look int64) {
	if look%2 == 0 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	body(fmt.Sprintf("pay_total{outcome=\"ok\"} %d\n", look))(w, r, look)
}

// zoo serves all hostile targets from one listener, each under its name, and counts looks.
type zoo struct {
	*httptest.Server
	looks map[string]*atomic.Int64
}

func newZoo(t *testing.T, all map[string]hostile) *zoo {
	z := &zoo{looks: map[string]*atomic.Int64{}}
	mux := http.NewServeMux()
	for name, h := range all {
		looks := &atomic.Int64{}
		z.looks[name] = looks
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, looks.Add(1)) })
	}
	z.Server = httptest.NewServer(mux)
	t.Cleanup(z.Close)
	return z
}

const hostileObjectives = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: healthy}
spec:
  errors: {bad: 'pay_total{job="healthy",outcome="failed"}', total: 'pay_total{job="healthy"}', objective: 90%}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: hostile}
spec:
  errors: {bad: 'pay_total{job!="healthy",outcome="failed"}', total: 'pay_total{job!="healthy"}', objective: 90%}
`

// writeZooConfig writes the agent's files: the healthy target and every hostile one is a job.
func writeZooConfig(t *testing.T, m *meter, z *zoo, all map[string]hostile) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
storage: {path: data, checkpoint_interval: 1s}
objectives: [slo.yaml]
collectors:
  prometheus:
    scrape_configs:
      - job_name: healthy
        static_configs: [{targets: ["%s"]}]
`, m.Listener.Addr())
	for name, h := range all {
		fmt.Fprintf(&text, "      - job_name: %s\n        metrics_path: /%s\n        static_configs: [{targets: [\"%s\"]}]\n", name, name, z.Listener.Addr())
		if h.settings != "" {
			fmt.Fprintf(&text, "        %s\n", h.settings)
		}
	}
	write(t, filepath.Join(dir, "assayer.yaml"), text.String())
	write(t, filepath.Join(dir, "slo.yaml"), hostileObjectives)
	return dir
}

// targetView is what this test reads of a target on the API.
type targetView struct {
	Target   string `json:"target"`
	Up       bool   `json:"up"`
	Error    string `json:"error"`
	Overruns int    `json:"overruns"`
	Dropped  drops  `json:"dropped"`
}

type drops struct {
	NotFinite   int `json:"not_finite"`
	OutOfBounds int `json:"out_of_bounds"`
	Duplicate   int `json:"duplicate"`
}

// views asks the agent for its targets, by job.
func views(ctx context.Context, agent *servers.Agent) (map[string]targetView, error) {
	text, err := fetch(ctx, agent.URL("/api/v1/targets"))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Targets []targetView `json:"targets"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, err
	}
	found := map[string]targetView{}
	for _, v := range answer.Targets {
		job, _, _ := strings.Cut(v.Target, "/")
		found[job] = v
	}
	return found, nil
}

// mostResident is what the agent may need with all hostile targets at once. The crowds hold the most:
// 200,000 series of about 600 bytes, and 64 MiB of long ones twice, as exposed and as labels. That
// makes 250 MiB if their looks fall together, and the garbage collector lets as much again come.
const mostResident = 512 << 20

// TestHostileTargets puts one healthy target among many that do what no target should. The healthy
// one is counted to the event and looked at on time; what each other does wrong is told; the agent
// stays ready and small.
func TestHostileTargets(t *testing.T) {
	all := hostiles(t)
	m, z := newMeter(t), newZoo(t, all)
	m.run(false)
	baseline := [2]int64{m.good, m.bad}
	agent := servers.StartAssayer(t, binary, writeZooConfig(t, m, z, all))
	m.awaitLooks(t, 2)
	m.run(true)
	for name, looks := range z.looks {
		eventually(t, func(ctx context.Context) error {
			if _, err := fetch(ctx, agent.URL("/-/ready")); err != nil {
				t.Fatalf("beside hostile targets the agent is not ready: %v", err)
			}
			if n := looks.Load(); n < 3 {
				return fmt.Errorf("%s was looked at %d times", name, n)
			}
			return nil
		})
	}
	for name, h := range all {
		eventually(t, func(ctx context.Context) error {
			found, err := views(ctx, agent)
			if err != nil {
				return err
			}
			v := found[name]
			if v.Up != (v.Error == "") || h.says == "" && !v.Up || !regexp.MustCompile(h.says).MatchString(v.Error) {
				return fmt.Errorf("%s: up is %t, its error %q, want %q", name, v.Up, v.Error, h.says)
			}
			return nil
		})
	}
	m.run(false)
	m.awaitLooks(t, 2)
	wantHealthy(t, agent, m, baseline)
	wantRejections(t, agent)
	used := resident(t, agent.Pid())
	t.Logf("most resident memory: %.1f MiB", float64(used)/(1<<20))
	if used > mostResident {
		t.Errorf("the agent needed %d MiB, at most %d are justified", used>>20, mostResident>>20)
	}
}

// wantHealthy compares the healthy objective with what its target has exposed.
func wantHealthy(t *testing.T, agent *servers.Agent, m *meter, baseline [2]int64) {
	t.Helper()
	_, exposed := m.seen()
	good, bad := float64(exposed[0]-baseline[0]), float64(exposed[1]-baseline[1])
	r := &rig{Agent: agent}
	eventually(t, func(ctx context.Context) error {
		found, err := r.statuses(ctx)
		if err != nil {
			return err
		}
		s := found["healthy-errors"]
		if s.Events.Good != good || s.Events.Bad != bad {
			return fmt.Errorf("the agent counts %+v of the healthy target, it has exposed %v good and %v bad", s.Events, good, bad)
		}
		if s.Coverage != 1 {
			return fmt.Errorf("coverage of the healthy target is %v", s.Coverage)
		}
		return nil
	})
	found, err := views(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	if v := found["healthy"]; !v.Up || v.Overruns != 0 {
		t.Errorf("the healthy target: %+v", v)
	}
}

// wantRejections looks for every reason to leave a sample out, with the target where the agent can
// tell it, and among the agent's own metrics.
func wantRejections(t *testing.T, agent *servers.Agent) {
	t.Helper()
	found, err := views(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	for name, told := range map[string]bool{
		"duplicates":  found["duplicates"].Dropped.Duplicate > 0,
		"not-numbers": found["not-numbers"].Dropped.NotFinite > 0,
		"out-of-time": found["out-of-time"].Dropped.OutOfBounds > 0,
		"healthy":     found["healthy"].Dropped == drops{},
	} {
		if !told {
			t.Errorf("%s: the agent tells %+v of it", name, found[name])
		}
	}
	metrics := exposition(get(t, agent.URL("/metrics")))
	for _, reason := range []string{"not_finite", "duplicate", "out_of_bounds", "out_of_order", "negative"} {
		if n := metrics.sum(t, []term{{1, `assayer_samples_rejected_total\{reason="` + reason + `"\}`}}); n == 0 {
			t.Errorf("no sample was rejected as %s", reason)
		}
	}
	for line := range strings.Lines(string(metrics)) {
		if strings.HasPrefix(line, "assayer_") && regexp.MustCompile(` (NaN|[+-]Inf)$`).MatchString(strings.TrimSpace(line)) {
			t.Errorf("the agent exposes %s", line)
		}
	}
}

// resident returns the most memory that the process ever had in RAM, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))
	if found == nil {
		t.Fatal("the system does not say how much memory the agent had")
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

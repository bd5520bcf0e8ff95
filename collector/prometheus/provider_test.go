package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
)

func TestLabelsOfTargetAndSeriesClash(t *testing.T) {
	server := serve(t, typeText, "wanted{job=\"own\",env=\"own\",exported_env=\"x\",empty=\"\"} 1\n")
	labelsOf := func(lines ...string) string {
		c := once(t, server, wantNames("wanted"), append(lines, "relabel_configs: [{target_label: env, replacement: target}, {target_label: instance, replacement: i}]")...)
		if c.Err != nil || len(c.Samples) != 1 {
			t.Fatalf("%v, %d samples", c.Err, len(c.Samples))
		}
		return c.Samples[0].Series.Labels.String()
	}
	if got, want := labelsOf(), `{__name__="wanted", env="target", exported_env="x", exported_exported_env="own", exported_job="own", instance="i", job="test"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := labelsOf("honor_labels: true"), `{__name__="wanted", env="own", exported_env="x", instance="i", job="own"}`; got != want {
		t.Errorf("honor_labels: got  %s\nwant %s", got, want)
	}
}

func TestMetricRelabelling(t *testing.T) {
	server := serve(t, typeText, "old_name{a=\"1\",tmp=\"x\"} 1\nwanted{a=\"2\"} 2\nwanted{a=\"3\"} 3\nnoise 4\n")
	drop := "metric_relabel_configs: [{source_labels: [a], regex: '3', action: drop}, {action: labeldrop, regex: tmp}]"
	c := once(t, server, wantNames("wanted"), drop)
	expect(t, c, `wanted{a="2"} 2`)

	// A rule that renames makes every line count, for any could become the one wanted.
	rename := "metric_relabel_configs: [{source_labels: [__name__], regex: old_name, target_label: __name__, replacement: wanted}, {action: labeldrop, regex: tmp}]"
	expect(t, once(t, server, wantNames("wanted"), rename), `wanted{a="1"} 1`, `wanted{a="2"} 2`, `wanted{a="3"} 3`)
	expect(t, once(t, server, wantNames("wanted"), "metric_relabel_configs: [{action: labelmap, regex: a, replacement: __name__}]"))
	expect(t, once(t, server, wantNames("2"), "metric_relabel_configs: [{action: labelmap, regex: a, replacement: __name__}]"), `2{a="2"} 2`)

	// Two series that become one: the first counts.
	c = once(t, server, wantNames("wanted"), "metric_relabel_configs: [{action: labeldrop, regex: a}]")
	expect(t, c, "wanted 2")
	if c.Stats.Dropped.Duplicate != 1 {
		t.Errorf("duplicates %d, want 1", c.Stats.Dropped.Duplicate)
	}
	expectFailure(t, once(t, server, wantNames("wanted"), "metric_relabel_configs: [{action: labeldrop, regex: __name__}]"), "has no name")
}

func TestTimestamps(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_000)
	body := fmt.Sprintf("wanted{t=\"none\"} 1\nwanted{t=\"now\"} 1 %d\nwanted{t=\"ahead\"} 1 %d\nwanted{t=\"far\"} 1 %d\nwanted{t=\"behind\"} 1 %d\nwanted{t=\"old\"} 1 %d\nwanted{t=\"zero\"} 1 0\n",
		at.UnixMilli(), at.UnixMilli()+600_000, at.UnixMilli()+600_001, at.UnixMilli()-3_600_000, at.UnixMilli()-3_600_001)
	server := serve(t, typeText, body)
	get := func(lines ...string) collector.Cycle {
		return scrapeAt(t, launch(t, section(server, lines...), wantNames("wanted")).jobs(1)[0], at, time.Minute)
	}
	c := get()
	expect(t, c, `wanted{t="none"} 1`, `wanted{t="now"} 1 @1800000000000`, `wanted{t="ahead"} 1 @1800000600000`, `wanted{t="behind"} 1 @1799996400000`)
	if c.Stats.Dropped.OutOfBounds != 3 {
		t.Errorf("%d out of bounds, want 3", c.Stats.Dropped.OutOfBounds)
	}
	c = get("honor_timestamps: false")
	if len(c.Samples) != 7 {
		t.Errorf("%d samples, want all 7", len(c.Samples))
	}
	for _, s := range c.Samples {
		if s.AtMs != 0 {
			t.Errorf("%s has the time %d, want the cycle's own", s.Series.Labels, s.AtMs)
		}
	}
	om := serve(t, typeOM, fmt.Sprintf("wanted 1 %d.5\n# EOF\n", at.Unix()))
	c = scrapeAt(t, launch(t, section(om), wantNames("wanted")).jobs(1)[0], at, time.Minute)
	expect(t, c, "wanted 1 @1800000000500") // OpenMetrics writes seconds
}

func TestValuesThatCountNothingAreDropped(t *testing.T) {
	c := once(t, serve(t, typeText, "wanted{v=\"1\"} NaN\nwanted{v=\"2\"} +Inf\nwanted{v=\"3\"} -Inf\nwanted{v=\"4\"} 1e300\nwanted{v=\"4\"} 5\nwanted{v=\"1\"} 6\nwanted{v=\"5\"} 16\n"), wantNames("wanted"))
	expect(t, c, `wanted{v="4"} 1e+300`, `wanted{v="5"} 16`)
	if d := c.Stats.Dropped; d.NotFinite != 3 || d.Duplicate != 2 || c.Stats.Seen != 7 {
		t.Errorf("%+v of %d, want 3 not finite and 2 duplicates of 7", d, c.Stats.Seen)
	}
}

func TestLimits(t *testing.T) {
	server := serve(t, typeText, "wanted{long_name=\"value\"} 1\nwanted 2\nnoise 3\nnoise{a=\"b\"} 4\n")
	for lines, want := range map[string]string{
		"sample_limit: 3":             "4 samples, above sample_limit 3",
		"label_limit: 3":              "has 4 labels, above label_limit 3",
		"label_name_length_limit: 8":  "label name long_name of wanted has 9 bytes, above label_name_length_limit 8",
		"label_value_length_limit: 4": "above label_value_length_limit 4",
	} {
		expectFailure(t, once(t, server, wantNames("wanted"), lines), want)
	}
	for _, lines := range []string{"sample_limit: 4", "label_limit: 4", "label_name_length_limit: 9", "label_value_length_limit: 30"} {
		expect(t, once(t, server, wantNames("wanted"), lines), `wanted{long_name="value"} 1`, "wanted 2")
	}
	// What relabelling is known to drop does not count.
	expect(t, once(t, server, wantNames("wanted"), "sample_limit: 3", "metric_relabel_configs: [{source_labels: [long_name], regex: value, action: drop}]"), "wanted 2")

	j := launch(t, section(server, "target_limit: 1", "relabel_configs: [{target_label: env, replacement: a}]", "file_sd_configs: []"), wantNames("wanted")).jobs(1)
	expect(t, scrape(t, j[0]), `wanted{env="a", long_name="value"} 1`, `wanted{env="a"} 2`)
	over := launch(t, "scrape_configs: [{job_name: x, target_limit: 1, static_configs: [{targets: ['a:1', 'b:1']}]}]", wantNames("wanted")).jobs(1)
	expectFailure(t, scrape(t, over[0]), "job x has 2 targets, above target_limit 1")
}

func TestWantedSeriesAreBounded(t *testing.T) {
	var series atomic.Int64
	server := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeText)
		for i := range series.Load() {
			fmt.Fprintf(w, "wanted{i=\"%d\"} 1\n", i)
		}
	})
	r := launch(t, section(server), wantNames("wanted"))
	j := r.jobs(1)[0]
	src := j.Source.(*source)
	src.pool.maxWanted = 5000
	series.Store(20_000)
	expectFailure(t, scrape(t, j), "target exposes more than 5000 wanted series")
	if n := len(src.memory.raw); n > 1024 {
		t.Errorf("%d series remembered of an answer that was refused", n)
	}
	series.Store(5000)
	if c := scrape(t, j); c.Err != nil || len(c.Samples) != 5000 {
		t.Errorf("at the bound: %d samples, %v", len(c.Samples), c.Err)
	}
}

func TestMemoryIsSwept(t *testing.T) {
	var round atomic.Int64
	server := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeOM)
		fmt.Fprintf(w, "# TYPE wanted counter\nwanted_total{stays=\"yes\"} 1\n")
		for i := range 100 {
			fmt.Fprintf(w, "wanted_total{pod=\"%d-%d\"} 1\nwanted_created{pod=\"%d-%d\"} 1\n", round.Load(), i, round.Load(), i)
		}
		fmt.Fprint(w, "# EOF\n")
	})
	j := launch(t, section(server), wantNames("wanted_total")).jobs(1)[0]
	var kept *collector.Series
	for range 50 {
		round.Add(1)
		c := scrape(t, j)
		if c.Err != nil || len(c.Samples) != 101 {
			t.Fatalf("%d samples, %v", len(c.Samples), c.Err)
		}
		if kept == nil {
			kept = c.Samples[0].Series
		} else if c.Samples[0].Series != kept {
			t.Fatal("a series that never went away was made anew")
		}
	}
	m := j.Source.(*source).memory
	if len(m.raw) > 700 || len(m.wanted) > 400 || len(m.starts) > 400 || m.ignored > 400 || m.ignored < 100 {
		t.Errorf("after 50 rounds of 100 series: %d raw, %d wanted, %d starts, %d ignored", len(m.raw), len(m.wanted), len(m.starts), m.ignored)
	}
}

func TestInterestIsSwappedWhileRunning(t *testing.T) {
	r := launch(t, section(serve(t, typeText, "a 1\nb{x=\"1\"} 2\nb{x=\"2\"} 3\n")), wantNames("a"))
	j := r.jobs(1)[0]
	expect(t, scrape(t, j), "a 1")
	r.SetInterest(wantNames("b"))
	expect(t, scrape(t, j), `b{x="1"} 2`, `b{x="2"} 3`)
	narrow := wantNames("b")
	narrow.Match = func(ls labels.Labels) bool { return ls.Get("x") == "2" }
	r.SetInterest(narrow)
	expect(t, scrape(t, j), `b{x="2"} 3`)
	r.SetInterest(collector.Interest{})
	expect(t, scrape(t, j))
}

func TestReloadDisturbsOnlyWhatChanged(t *testing.T) {
	r := launch(t, "scrape_configs:\n- {job_name: same, static_configs: [{targets: ['a:1']}]}\n- {job_name: other, static_configs: [{targets: ['b:1']}]}\n- {job_name: gone, static_configs: [{targets: ['c:1']}]}", wantNames("wanted"))
	before := map[string]collector.Job{}
	for _, j := range r.jobs(3) {
		before[j.Labels.Get("instance")] = j
	}
	if err := r.Reload(mustLoad(t, "scrape_configs:\n- {job_name: same, static_configs: [{targets: ['a:1', 'd:1']}]}\n- {job_name: other, honor_labels: true, static_configs: [{targets: ['b:1']}]}")); err != nil {
		t.Fatal(err)
	}
	after := map[string]collector.Job{}
	r.until("d:1", func(jobs []collector.Job) bool {
		clear(after)
		for _, j := range jobs {
			after[j.Labels.Get("instance")] = j
		}
		if _, ok := after["a:1"]; !ok {
			t.Error("a target that stays was gone for a while")
		}
		_, ok := after["d:1"]
		return ok
	})
	if after["a:1"].Source != before["a:1"].Source || after["a:1"].Revision != before["a:1"].Revision {
		t.Error("unchanged target was replaced")
	}
	if b := after["b:1"]; b.Source == before["b:1"].Source || b.Revision == before["b:1"].Revision || b.Target != before["b:1"].Target {
		t.Error("target with new settings must keep its name and get a new source and revision")
	}
	if _, ok := after["c:1"]; ok {
		t.Error("target of a removed job is still there")
	}
	bad := Default()
	bad.ScrapeConfigs = []ScrapeConfig{{}}
	if err := r.Reload(bad); err == nil {
		t.Error("an invalid configuration was taken over")
	}
}

func TestReloadToNothingAndBack(t *testing.T) {
	text := "scrape_configs: [{job_name: x, static_configs: [{targets: ['a:1']}]}]"
	r := launch(t, text, wantNames("wanted"))
	r.jobs(1)
	for _, want := range []int{0, 1} {
		cfg := Default()
		if want > 0 {
			cfg = mustLoad(t, text)
		}
		if err := r.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		r.until(fmt.Sprint(want, " targets"), func(jobs []collector.Job) bool { return len(jobs) == want })
	}
}

// All that can fail of a reload fails before anything is touched, files that a client needs included.
func TestPrepareTouchesNothing(t *testing.T) {
	r := launch(t, "scrape_configs: [{job_name: x, static_configs: [{targets: ['a:1']}]}]", wantNames("wanted"))
	before := r.jobs(1)[0]
	noFile := mustLoad(t, "scrape_configs: [{job_name: x, tls_config: {ca_file: /nowhere/ca.pem}, static_configs: [{targets: ['b:1']}]}]")
	if _, err := r.Prepare(noFile); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Errorf("a client without its file was prepared: %v", err)
	}
	apply, err := r.Prepare(mustLoad(t, "scrape_configs: [{job_name: x, static_configs: [{targets: ['a:1', 'c:1']}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	r.poke() // has Run look at what is in force
	r.until("a:1 alone", func(jobs []collector.Job) bool {
		if len(jobs) != 1 || jobs[0].Source != before.Source {
			t.Fatalf("changed before it was applied: %+v", jobs)
		}
		return true
	})
	apply()
	r.until("c:1", func(jobs []collector.Job) bool { return len(jobs) == 2 })
}

func TestRunLeavesTheRegistryAsItWas(t *testing.T) {
	reg := prometheus.NewRegistry()
	cfg := mustLoad(t, "scrape_configs: [{job_name: x, static_configs: [{targets: ['a:1']}]}]")
	for range 2 { // a second provider on the same registry must find room
		p, err := New(cfg, Deps{Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		r := &running{Provider: p, t: t, updates: make(chan []collector.Job, 10)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx, func(jobs []collector.Job) { r.updates <- jobs }) }()
		r.jobs(1)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunnerAndProviderTogether(t *testing.T) {
	server := serve(t, typeText, "wanted 1\nnoise 2\n")
	p, err := New(mustLoad(t, section(server, "scrape_interval: 250ms", "scrape_timeout: 250ms")), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	p.SetInterest(wantNames("wanted"))
	for range 2 { // a provider can run again after it was stopped
		cycles := make(chan collector.Cycle, 1000)
		runner := collector.NewRunner(func(c collector.Cycle) { c.Samples = slices.Clone(c.Samples); cycles <- c }, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- runner.Run(ctx, "prometheus", p) }()
		for range 3 {
			c := <-cycles
			expect(t, c, "wanted 1")
			if c.Interval != 250*time.Millisecond || c.Stats.Seen != 2 {
				t.Errorf("cycle %+v", c)
			}
		}
		st := runner.Targets()
		if len(st) != 1 || !st[0].Up || st[0].SeriesMatched != 1 || st[0].SamplesSeen != 2 || st[0].URL != server.URL+"/metrics" || st[0].Labels.Get("job") != "test" || st[0].Bytes != 17 {
			t.Errorf("status %+v", st)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

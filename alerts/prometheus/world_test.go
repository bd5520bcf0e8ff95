package prometheus

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/alerts"
	exporter "github.com/assayer-io/assayer/exporters/prometheus"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo"
)

// step is how often the world is scraped, and its rules evaluated.
const step = 30 * time.Second

// epoch is when the world begins.
var epoch = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// world is a Prometheus that scrapes what a test says and evaluates generated rules.
type world struct {
	*promrules.World
	t      *testing.T
	at     time.Duration // of the next step
	parsed map[target][]promrules.Sample
}

// newWorld loads files.
func newWorld(t *testing.T, files []alerts.File) *world {
	t.Helper()
	var rules [][]byte
	for _, f := range files {
		rules = append(rules, Encode(f))
	}
	w, err := promrules.NewWorld(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	return &world{World: w, t: t, parsed: map[target][]promrules.Sample{}}
}

// target is one answer to a scrape.
type target struct{ job, instance, text string }

// run steps through the time up to but not at until: each step scrapes what targets says and evaluates all rules.
func (w *world) run(until time.Duration, targets func() []target) {
	w.t.Helper()
	for ; w.at < until; w.at += step {
		var all []promrules.Sample
		for _, target := range targets() {
			if w.parsed[target] == nil {
				w.parsed[target] = target.samples(w.t)
			}
			all = append(all, w.parsed[target]...)
		}
		if err := w.Step(time.Duration(epoch.Add(w.at).UnixNano()), all); err != nil {
			w.t.Fatalf("%s: %v", w.at, err)
		}
	}
}

// samples are what Prometheus makes of the answer.
func (target target) samples(t *testing.T) []promrules.Sample {
	t.Helper()
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(strings.NewReader(target.text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, target.text)
	}
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	if err != nil {
		t.Fatal(err)
	}
	var all []promrules.Sample
	for _, s := range samples {
		b := labels.NewBuilder(labels.EmptyLabels())
		for k, v := range s.Metric {
			b.Set(string(k), string(v)) // an empty one is none
		}
		all = append(all, promrules.Sample{Labels: b.Set("job", target.job).Set("instance", target.instance).Labels(), Value: float64(s.Value)})
	}
	return all
}

// firing lists the alerts that fire, but for the dead man's switch, by their labels.
func (w *world) firing() map[string]promrules.Alert {
	all := w.Firing()
	maps.DeleteFunc(all, func(_ string, a promrules.Alert) bool { return a.Labels.Get(labels.AlertName) == alerts.DeadMansSwitch })
	return all
}

// wantFiring compares the labels of the alerts that fire.
func (w *world) wantFiring(want ...string) {
	w.t.Helper()
	got := slices.Sorted(maps.Keys(w.firing()))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("after %s fire\n  %s\nwant\n  %s", w.at-step, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// agentText is what the exporter answers when it knows these statuses, and more.
func agentText(t *testing.T, more string, statuses ...slo.Status) string {
	t.Helper()
	e := exporter.New(exporter.Deps{Version: "1"})
	if err := e.Export(t.Context(), statuses); err != nil {
		t.Fatal(err)
	}
	h, err := e.Handler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String() + more
}

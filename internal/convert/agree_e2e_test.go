//go:build e2e

package convert_test

import (
	"bytes"
	"log/slog"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/prometheus"
	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/testkit/promrules"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// The rules that sloth and pyrra make of their own examples, the engine fed by what the examples became, and the
// native rules of that, all over the same samples: seven healthy hours, an incident of forty minutes in which nearly all
// fails, and an hour and a half without one. Samples are made from the selectors in the tools' rules, matching and not.

const (
	interval   = 30 * time.Second
	healthy    = 7 * time.Hour
	incident   = 40 * time.Minute
	afterwards = 90 * time.Minute
)

// trial is one document of one tool.
type trial struct {
	name, text string
	// quiet: the tool was told to make no page alerts, and ours are there all the same.
	quiet bool
}

func TestAgreesWithSloth(t *testing.T) {
	dir := peers()[0].moduleDir(t)
	generate := build(t, "slothrules")
	for _, name := range []string{"examples/getting-started.yml", "examples/k8s-getting-started.yml", "examples/k8s-multifile.yml", "examples/kubernetes-apiserver.yml",
		"examples/multifile.yml", "examples/no-alerts.yml", "examples/openslo-getting-started.yml", "examples/openslo-kubernetes-apiserver.yml",
		"examples/raw-home-wifi.yml", "examples/slo-plugin-getting-started.yml", "examples/slo-plugin-k8s-getting-started.yml",
		"test/integration/prometheus/testdata/in-base.yaml", "test/integration/prometheus/testdata/in-base-k8s.yaml"} {
		quiet := strings.Contains(name, "no-alerts") || strings.Contains(name, "openslo")
		for _, text := range documents(t, filepath.Join(dir, name)) {
			t.Run(name, func(t *testing.T) { agree(t, generate, trial{name, text, quiet}) })
		}
	}
}

func TestAgreesWithPyrra(t *testing.T) {
	dir, names := peers()[1].examples(t)
	generate := build(t, "pyrrarules")
	n := 0
	for _, name := range names {
		if _, outcome := peers()[1].expected(name); outcome == notObjectives || strings.Contains(name, "openshift") || strings.Contains(name, "webhook") {
			continue // those of the other folders differ in their namespace alone
		}
		if strings.HasSuffix(name, "pyrra-connect-latency.yaml") {
			continue // native histograms, which the store of these tests does not hold
		}
		for _, text := range documents(t, filepath.Join(dir, name)) {
			// pyrra's windows shrink with the objective's; those of four weeks are ours.
			text = regexp.MustCompile(`window: .*`).ReplaceAllString(text, "window: 4w")
			n++
			t.Run(name, func(t *testing.T) { agree(t, generate, trial{name: name, text: text}) })
		}
	}
	if n < 25 {
		t.Errorf("compared %d objectives only", n)
	}
}

func documents(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for text := range strings.SplitSeq("\n"+string(read(t, name).Data), "\n---\n") {
		if strings.TrimSpace(text) != "" {
			out = append(out, text)
		}
	}
	return out
}

// build makes the generator of a tool's rules.
func build(t *testing.T, module string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), module)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join("..", "testkit", module)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", module, err, out)
	}
	return binary
}

// theirRules are the tool's recordings of short windows and its page alerts.
func theirRules(t *testing.T, generate, text string) alerts.File {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), generate)
	cmd.Stdin = strings.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	parsed, errs := rulefmt.Parse(out, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	g := alerts.Group{Name: "theirs", Interval: interval}
	for _, group := range parsed.Groups {
		for _, r := range group.Rules {
			page := r.Labels["sloth_severity"] == "page" || r.Labels["short"] == "5m" || r.Labels["short"] == "30m"
			if shortWindow.MatchString(r.Record) || page && r.Alert != "" {
				g.Rules = append(g.Rules, alerts.Rule{Record: r.Record, Alert: r.Alert, Expr: r.Expr, Labels: r.Labels})
			}
		}
	}
	return alerts.File{Name: "theirs", Groups: []alerts.Group{g}}
}

var shortWindow = regexp.MustCompile(`(?:ratio_rate|burnrate)(5m|30m|1h|2h|6h)$`)

func agree(t *testing.T, generate string, tr trial) {
	converted := convert.Convert([]spec.File{{Name: tr.name, Data: []byte(tr.text)}}, formats(), convert.Options{})
	objectives := load(t, converted)
	if len(objectives) == 0 {
		t.Fatal(told(converted))
	}
	theirs := theirRules(t, generate, tr.text)
	var watched []alerts.Objective
	for _, o := range objectives {
		watched = append(watched, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	native, refused := prometheus.Native(watched, alerts.Options{ScrapeInterval: interval, Interval: interval})
	begin := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	p := promrules.New(t, append(native, theirs), begin)
	engine := slo.New(slo.Options{})
	if err := engine.Apply(objectives, begin, nil); err != nil {
		t.Fatal(err)
	}
	world := newUniverse(t, theirs)
	paged := map[string]time.Duration{} // when each objective, or a group of it, paged first
	for now := begin; !now.After(begin.Add(healthy + incident + afterwards)); now = now.Add(interval) {
		failing := now.After(begin.Add(healthy)) && !now.After(begin.Add(healthy+incident))
		c := collector.Cycle{Target: "t", Process: "t", Group: "g", At: now, Interval: interval}
		for _, s := range world.next(failing) {
			p.Put(s.labels, now, s.value)
			c.Samples = append(c.Samples, collector.Sample{Series: s.series, Value: s.value})
		}
		for _, job := range world.jobs() {
			p.Put(labels.FromStrings("__name__", "up", "job", job, "instance", "t"), now, 1)
		}
		engine.Observe(c)
		since := now.Sub(begin)
		if since%(5*time.Minute) != 0 || since < 10*time.Minute {
			continue
		}
		for _, status := range engine.Evaluate(now) {
			for _, tier := range status.Firing {
				if tier == "page-1h" || tier == "page-6h" { // the fast leg is nobody else's
					if name := nameOf(&status); paged[name] == 0 {
						paged[name] = since
					}
				}
			}
			compare(t, p, theirs, status, now, since)
		}
	}
	p.Until(begin.Add(healthy + incident + afterwards))
	comparePages(t, p, tr, begin, objectives, paged, len(refused) == 0)
}

func nameOf(s *slo.Status) string {
	if s.Parent != "" {
		return s.Parent
	}
	return s.Name
}

// key is an objective, or one group of it.
func key(name string, group map[string]string) string {
	return name + "{" + convert.Listed(group) + "}"
}

// compare holds the error ratio of every short window to what the tool's own expression says at the same moment.
func compare(t *testing.T, p *promrules.Prometheus, theirs alerts.File, status slo.Status, now time.Time, since time.Duration) {
	t.Helper()
	for _, r := range theirs.Groups[0].Rules {
		m := shortWindow.FindStringSubmatch(r.Record)
		if m == nil || !about(r.Labels, nameOf(&status)) {
			continue
		}
		window, _ := model.ParseDuration(m[1])
		ours, ok := status.ErrorRatios.Get(m[1])
		if !ok || since < time.Duration(window)+2*interval {
			continue
		}
		for _, v := range p.Ask(now, r.Expr) {
			group := map[string]string{}
			v.Metric.Range(func(l labels.Label) { group[l.Name] = l.Value })
			if len(group) > 0 && convert.Listed(group) != convert.Listed(status.Group) || len(group) == 0 && status.Parent != "" {
				continue
			}
			if math.Abs(v.F-ours) > estimate(since, time.Duration(window), math.Max(v.F, ours)) {
				t.Errorf("%s %s at %v: the tool says %g, the engine %g", key(nameOf(&status), group), m[1], since, v.F, ours)
			}
			checked(t)
		}
	}
}

// estimate is how far rate() may be off: it sees one interval less than the window and makes up for it by what the
// others brought. That is wrong by the interval's share of what it sees; and of everything, if nearly all failed in that
// interval, or everything changed at an edge.
func estimate(since, window time.Duration, ratio float64) float64 {
	share := float64(interval) / float64(window)
	from, to := healthy-2*interval, healthy+incident+2*interval
	begin := since - window
	allowed := 1.2*share*ratio + 1e-6
	if begin >= from && begin <= to {
		allowed += 2 * share // failures come with retries, so there is more in it than in others
	}
	if (since-healthy).Abs() <= 2*interval || (since-healthy-incident).Abs() <= 2*interval {
		allowed += share
	}
	return allowed
}

// about reports whether a rule is of an objective that was converted from it.
func about(ls map[string]string, name string) bool {
	id := ls["sloth_id"]
	if id == "" {
		return ls["slo"] == name
	}
	// OpenSLO's objectives are numbered by sloth, from 0, behind the service.
	own, number, _ := cutLast(id)
	return id == name || strings.HasSuffix(own, "-"+name) && number == "0" || number == "1" && strings.HasSuffix(own, "-"+strings.TrimSuffix(name, "-2")) && strings.HasSuffix(name, "-2")
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

var comparisons = map[string]int{}

func checked(t *testing.T) { comparisons[t.Name()]++ }

// comparePages: who pages first and when, and that all of them do or none. The engine is asked every five minutes.
func comparePages(t *testing.T, p *promrules.Prometheus, tr trial, begin time.Time, objectives []spec.Objective, engine map[string]time.Duration, nativeToo bool) {
	t.Helper()
	theirs, native := map[string]time.Duration{}, map[string]time.Duration{}
	for _, f := range p.Fired() {
		since := max(f.From.Sub(begin), 1)
		for _, o := range objectives {
			switch tier := f.Labels.Get("tier"); {
			case strings.HasPrefix(tier, "page-") && f.Labels.Get("slo") == o.Name && native[o.Name] == 0:
				native[o.Name] = since
			case !strings.Contains(tier, "-") && theirs[o.Name] == 0 && about(map[string]string{"sloth_id": f.Labels.Get("sloth_id"), "slo": f.Labels.Get("slo")}, o.Name):
				theirs[o.Name] = since
			}
		}
	}
	for _, o := range objectives {
		t.Logf("%s: target %v, first page: tool %v, engine %v, native %v; %d windows compared", o.Name, o.Target, theirs[o.Name], engine[o.Name], native[o.Name], comparisons[t.Name()])
		silenced := tr.quiet || strings.Contains(tr.text, "disable: true") && theirs[o.Name] == 0
		if o.Name == burnsAlways {
			if theirs[o.Name] == 0 || engine[o.Name] == 0 || engine[o.Name] > healthy {
				t.Errorf("%s: it burns all the time, and the tool pages after %v, the engine after %v", o.Name, theirs[o.Name], engine[o.Name])
			}
			if nativeToo && !together(native[o.Name], engine[o.Name]) {
				t.Errorf("%s: native rules page after %v, the engine after %v", o.Name, native[o.Name], engine[o.Name])
			}
			continue
		}
		if !silenced && !together(theirs[o.Name], engine[o.Name]) {
			t.Errorf("%s: the tool pages after %v, the engine after %v", o.Name, theirs[o.Name], engine[o.Name])
		}
		if nativeToo && !together(native[o.Name], engine[o.Name]) {
			t.Errorf("%s: native rules page after %v, the engine after %v", o.Name, native[o.Name], engine[o.Name])
		}
	}
	if comparisons[t.Name()] < 100 {
		t.Errorf("compared %d windows only", comparisons[t.Name()])
	}
}

// burnsAlways takes only fast failures for good, in pyrra's example, so that it burns from the beginning. The tool pages
// with the first samples; we do when enough of the six hours was watched.
const burnsAlways = "nginx-api-latency"

// together reports whether both page, within what five minutes and an evaluation make of one moment, or neither. In the first
// ten minutes the engine is not asked.
func together(a, b time.Duration) bool {
	if a == 0 || b == 0 {
		return a == b
	}
	return (max(a, 10*time.Minute) - max(b, 10*time.Minute)).Abs() <= 6*time.Minute
}

package demo

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

// newCompany is one in which everything has happened that objectives look for.
func newCompany(t *testing.T) *paysim.Simulator {
	t.Helper()
	company, err := paysim.Start(t.Context(), paysim.Options{Manual: true, RatePerSecond: 400, Verify: verify})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := company.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, s := range company.Services() {
		if err := company.SetFaults(s.Name, paysim.Faults{TechnicalRatio: .2}); err != nil {
			t.Fatal(err)
		}
	}
	company.Step(t.Context(), 5*time.Second)
	return company
}

func TestWrittenFilesAreWithoutProblems(t *testing.T) {
	path, err := writeFiles(t.TempDir(), "secret", newCompany(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(path)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := spec.LoadGlobs(cfg.Objectives, "", spec.Options{Strict: true, ScrapeInterval: cfg.Global.ScrapeInterval, Currency: cfg.Global.ReportingCurrency})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, o := range set.Objectives {
		names = append(names, o.Name)
		if o.Window.Length != window {
			t.Errorf("%s has a window of %s, the story speaks of %s", o.Name, o.Window.Length, window)
		}
	}
	if !slices.Contains(names, objective) || !slices.Contains(names, settlements) || len(names) != 19 {
		t.Errorf("objectives are %v", names)
	}
	hook := struct {
		hooks.Policy `yaml:",inline"`
		URL          string `yaml:"url"`
		SecretFile   string `yaml:"secret_file"`
	}{Policy: hooks.DefaultPolicy()}
	if problems := cfg.Hooks[0].Decode(&hook); len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := hook.Validate(); err != nil {
		t.Error(err)
	}
	tier := cfg.BurnAlerts[0]
	page := burnrate.New(tier.Severity, tier.Long, tier.Short, float64(tier.Budget), window)
	if hook.Name != hookName || hook.Mode != hooks.Auto || !slices.Contains(hook.Objectives, objective) || !slices.Contains(hook.Tiers, page.Name) || page.Severity != burnrate.Page {
		t.Errorf("the hook is %+v, the first tier %+v", hook.Policy, page)
	}
	if hook.Bake >= defaultPlan().bake {
		t.Errorf("the good release has %s to prove itself, the hook wants %s", defaultPlan().bake, hook.Bake)
	}
	if filepath.Join(filepath.Dir(path), "data", "audit.jsonl") != cfg.Audit.Path {
		t.Errorf("the audit log is %s", cfg.Audit.Path)
	}
}

// A misspelt selector would leave an objective unknown for ever.
func TestEverySelectorFindsItsSeries(t *testing.T) {
	company := newCompany(t)
	path, err := writeFiles(t.TempDir(), "secret", company)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := spec.LoadGlobs([]string{filepath.Join(filepath.Dir(path), "slo", "*.yaml")}, "", spec.Options{ScrapeInterval: time.Second, Currency: "EUR"})
	exposed := ofMovements()
	for _, s := range company.Services() {
		exposed = append(exposed, scrape(t, s.Address)...)
	}
	for _, o := range set.Objectives {
		for _, sel := range o.Selectors() {
			exposes := sel.Matches
			if o.Indicator.Histogram != nil {
				exposes = func(ls labels.Labels) bool {
					name, counts := strings.CutSuffix(ls.Get(labels.MetricName), "_count")
					return counts && sel.Matches(labels.NewBuilder(ls).Set(labels.MetricName, name).Labels())
				}
			}
			if !slices.ContainsFunc(exposed, exposes) {
				t.Errorf("%s: nothing matches %s", o.Name, sel.Text)
			}
		}
	}
}

// scrape gives the labels of all series that a service exposes.
func scrape(t *testing.T, addr string) []labels.Labels {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dec := expfmt.NewDecoder(resp.Body, expfmt.ResponseFormat(resp.Header))
	p := &expfmt.SampleDecoder{Dec: dec, Opts: &expfmt.DecodeOptions{Timestamp: model.Now()}}
	var out []labels.Labels
	for {
		var v model.Vector
		if err := p.Decode(&v); err != nil {
			break
		}
		for _, s := range v {
			pairs := map[string]string{}
			for name, value := range s.Metric {
				pairs[string(name)] = string(value)
			}
			out = append(out, labels.FromMap(pairs))
		}
	}
	if len(out) < 20 || !strings.Contains(out[0].Get("__name__"), "_") {
		t.Fatalf("only %d series of %s", len(out), addr)
	}
	return out
}

// ofMovements gives the labels of what the agent itself makes of the transfers that it is told of, as the manual has them.
func ofMovements() []labels.Labels {
	out := []labels.Labels{
		labels.FromStrings("__name__", "assayer_transactions_in_doubt", "rail", "sct-inst"),
		labels.FromStrings("__name__", "assayer_transactions_settlement_seconds_count", "rail", "sct-inst"),
	}
	for _, outcome := range []string{"good", "bad", "excluded"} {
		b := labels.NewScratchBuilder(7)
		for _, name := range []string{"assayer_transactions_total", "assayer_transactions_value_total", "assayer_transactions_capped_value_total"} {
			b.Reset()
			b.Add("__name__", name)
			b.Add("class", "any")
			if name != "assayer_transactions_total" {
				b.Add("currency", "EUR")
			}
			b.Add("direction", "out")
			b.Add("end_to_end", outcome)
			b.Add("outcome", outcome)
			b.Add("rail", "sct-inst")
			out = append(out, b.Labels())
		}
	}
	return out
}

package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/burnrate"
)

const day = 24 * time.Hour

func TestLoad(t *testing.T) {
	c, problems := config.Load("testdata/assayer.yaml")
	const unused = "testdata/assayer.yaml:4:20: warning: global.external_labels: is read but not used by this version"
	if problems.Error() != unused {
		t.Fatalf("got\n%v\nwant\n%s", problems, unused)
	}
	if got, want := c.Global, (config.Global{ScrapeInterval: 5 * time.Second, ScrapeTimeout: 5 * time.Second, EvaluationInterval: 5 * time.Second,
		ReportingCurrency: "EUR", MinCoverageRatio: 0.9, ExternalLabels: map[string]string{"region": "eu-west-1"}, FastPage: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("global\ngot  %+v\nwant %+v", got, want)
	}
	if got, want := c.Storage, (config.Storage{Path: "testdata/state", Retention: 90 * day, CheckpointInterval: 10 * time.Second}); got != want {
		t.Errorf("storage\ngot  %+v\nwant %+v", got, want)
	}
	if want := []string{"testdata/slo/*.yaml", "/etc/assayer/more.yaml"}; !slices.Equal(c.Objectives, want) {
		t.Errorf("objectives are %v, want %v", c.Objectives, want)
	}
	if want := []config.BurnAlert{{Long: time.Hour, Short: 5 * time.Minute, Budget: 0.02, Severity: burnrate.Page},
		{Long: 3 * day, Short: 6 * time.Hour, Budget: 0.1, Severity: burnrate.Ticket}}; !slices.Equal(c.BurnAlerts, want) {
		t.Errorf("burn alerts are %+v", c.BurnAlerts)
	}
	if c.Audit.Path != "testdata/state/audit.jsonl" || c.Dir != "testdata" || c.Web.ExternalURL != "https://assayer.example.com/" {
		t.Errorf("audit %q, folder %q, web %+v", c.Audit.Path, c.Dir, c.Web)
	}
}

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	c, problems := config.Parse("conf/assayer.yaml", nil)
	const want = `conf/assayer.yaml: warning: collectors: has no value, so there is nothing to watch
conf/assayer.yaml: warning: objectives: has no value, so there is nothing to watch`
	if problems.Error() != want {
		t.Errorf("got\n%v", problems)
	}
	if c.Storage.Path != "conf/data" || c.Audit.Path != "conf/data/audit.jsonl" || c.Storage.Retention != 400*day || c.Global.ScrapeTimeout != 10*time.Second {
		t.Errorf("got %+v", c)
	}
}

// hook is what a kind of hook might look like.
type hook struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"`
	Mode string `yaml:"mode"`
	URL  string `yaml:"url"`
	Wait string `yaml:"wait"`
}

func (h *hook) Validate() error {
	if h.Wait != "" {
		return nil
	}
	return problem.List{{Path: "wait", Message: "must not be empty"}}
}

func TestSectionsAreDecodedByWhoKnowsTheirKind(t *testing.T) {
	c, problems := config.Load("testdata/assayer.yaml")
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	if len(c.Collectors) != 1 || c.Collectors[0].Kind != "prometheus" || len(c.Hooks) != 1 || c.Hooks[0].Name != "roll-back" || c.Hooks[0].Kind != "webhook" {
		t.Fatalf("collectors %+v, hooks %+v", c.Collectors, c.Hooks)
	}
	h := hook{Wait: "default"}
	if problems := c.Hooks[0].Decode(&h); len(problems) > 0 {
		t.Error(problems)
	}
	if want := (hook{"roll-back", "webhook", "recommend", "http://127.0.0.1:9000/rollback", "default"}); h != want {
		t.Errorf("got %+v, want %+v", h, want)
	}
	problems = c.Hooks[0].Decode(new(hook))
	problems = append(problems, c.Hooks[0].UnknownKind([]string{"webhooks"}), c.Collectors[0].UnknownKind([]string{"prom"}))
	problems = append(problems, c.Collectors[0].Decode(&struct{}{})...)
	const want = `testdata/assayer.yaml:16:5: error: hooks[0].wait: must not be empty
testdata/assayer.yaml:17:11: error: hooks[0].kind: unknown kind, did you mean webhooks?, got "webhook", allowed: webhooks
testdata/assayer.yaml:9:5: error: collectors.prometheus: unknown kind, got "prometheus", allowed: prom
testdata/assayer.yaml:9:5: error: collectors.prometheus.scrape_configs: unknown field`
	if problems.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", problems, want)
	}
}

func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"unknown section": {"colectors: {}", []string{"f.yaml:1:1: error: colectors: unknown field, did you mean collectors?, allowed: global, storage, objectives, collectors, exporters, alerting, burn_alerts, hooks, audit, web, generate, deploy"}},
		"not a mapping":   {"- a", []string{`f.yaml:1:1: error: got "a list", allowed: a mapping with the fields global, storage, objectives, collectors, exporters, alerting, burn_alerts, hooks, audit, web, generate, deploy`}},
		"two documents":   {"storage: {path: a}\n---\nstorage: {path: b}", []string{`f.yaml:3:1: error: has a second document, got "2 documents", allowed: one`}},
		"unknown field":   {"global:\n  scrape_intervall: 5s", []string{"f.yaml:2:3: error: global.scrape_intervall: unknown field, did you mean scrape_interval?, allowed: scrape_interval, scrape_timeout, evaluation_interval, reporting_currency, min_coverage_ratio, external_labels, fast_page"}},
		"long timeout":    {"global:\n  scrape_interval: 5s\n  scrape_timeout: 6s", []string{`f.yaml:3:19: error: global.scrape_timeout: is longer than the scrape interval, got "6s", allowed: at most 5s`}},
		"no interval": {"global:\n  scrape_interval: 0s\n  evaluation_interval: 0s", []string{
			`f.yaml:2:20: error: global.scrape_interval: got "0s", allowed: a duration above 0`,
			`f.yaml:3:24: error: global.evaluation_interval: got "0s", allowed: a duration above 0`}},
		"negative interval": {"global:\n  scrape_interval: -1s\n  scrape_timeout: 20s\n  evaluation_interval: 0s\nburn_alerts:\n  - {long: 1h, short: 1m, budget: 2%, severity: page}", []string{
			`f.yaml:2:20: error: global.scrape_interval: got "-1s", allowed: a duration such as 15s, 5m or 30d`,
			`f.yaml:4:24: error: global.evaluation_interval: got "0s", allowed: a duration above 0`}},
		"tier with a mistake": {"burn_alerts:\n  - {lnog: 1h, short: 5x, budget: 2%, severity: panic}\n  - 5\nweb: {external_url: x}", []string{
			"f.yaml:2:6: error: burn_alerts[0].lnog: unknown field, did you mean long?, allowed: long, short, budget, severity, of",
			`f.yaml:2:23: error: burn_alerts[0].short: got "5x", allowed: a duration such as 15s, 5m or 30d`,
			`f.yaml:2:49: error: burn_alerts[0].severity: got "panic", allowed: page or ticket`,
			`f.yaml:3:5: error: burn_alerts[1]: got "5", allowed: a mapping with the fields long, short, budget, severity, of`,
			"f.yaml:4:21: error: web.external_url: not the address of a page, allowed: such as https://assayer.example.com/"}},
		"currency": {"global: {reporting_currency: euro}", []string{`f.yaml:1:30: error: global.reporting_currency: got "euro", allowed: three capital letters of ISO 4217 such as EUR`}},
		"coverage": {"global: {min_coverage_ratio: 0}", []string{`f.yaml:1:30: error: global.min_coverage_ratio: with nothing observed nothing can be said, got "0", allowed: a ratio above 0, at most 1`}},
		"percent":  {"global: {min_coverage_ratio: 90}", []string{`f.yaml:1:30: error: global.min_coverage_ratio: did you mean 90%?, got "90", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"label names": {"global:\n  external_labels:\n    a-b: x\n    __c: y", []string{
			`f.yaml:3:10: error: global.external_labels.a-b: not a label name, got "a-b", allowed: letters, digits and _, not beginning with a digit or __`,
			`f.yaml:4:10: error: global.external_labels.__c: not a label name, got "__c", allowed: letters, digits and _, not beginning with a digit or __`}},
		"storage": {"storage:\n  path: ''\n  retention: 5m\n  checkpoint_interval: 0s", []string{
			`f.yaml:2:9: error: storage.path: has no value, allowed: a folder`,
			`f.yaml:3:14: error: storage.retention: got "5m", allowed: at least 1h, and as long as the longest window`,
			`f.yaml:4:24: error: storage.checkpoint_interval: got "0s", allowed: a duration above 0`}},
		"patterns": {"objectives: slo/*.yaml", []string{`f.yaml:1:13: error: objectives: got "slo/*.yaml", allowed: a list`}},
		"collectors to come": {"collectors:\n  otlp: {protocols: {grpc: {}}}\n  promql: []\n  sql:\n", []string{
			"f.yaml:2:9: error: collectors.otlp: is not supported by this version",
			"f.yaml:3:11: error: collectors.promql: is not supported by this version",
			"f.yaml:4:3: error: collectors.sql: is not supported by this version"}},
		"empty collector":   {"collectors:\n  prometheus:\n", []string{"f.yaml:2:3: error: collectors.prometheus: has no value, allowed: the settings of this kind"}},
		"collector twice":   {"collectors:\n  prometheus: {}\n  prometheus: {}", []string{"f.yaml:3:3: error: collectors.prometheus: duplicate key, first on line 2"}},
		"exporters to come": {"exporters: {remote_write: [{url: http://me:hunter2@x}]}", []string{"f.yaml:1:27: error: exporters.remote_write: is not supported by this version"}},
		"alerting to come":  {"alerting: {alertmanagers: []}", []string{"f.yaml:1:11: error: alerting: is not supported by this version"}},
		"tier": {"burn_alerts:\n  - {long: 1h, short: 2h, budget: 0, severity: panic}", []string{
			`f.yaml:2:23: error: burn_alerts[0].short: is not shorter than the long window, got "2h", allowed: below 1h`,
			`f.yaml:2:35: error: burn_alerts[0].budget: is what may be spent in the long window, allowed: a share of the budget such as 2%`,
			`f.yaml:2:48: error: burn_alerts[0].severity: got "panic", allowed: page or ticket`}},
		"empty tier": {"burn_alerts: [{}]", []string{
			`f.yaml:1:15: error: burn_alerts[0].budget: is what may be spent in the long window, allowed: a share of the budget such as 2%`,
			`f.yaml:1:15: error: burn_alerts[0].long: got "0s", allowed: a duration above 0`,
			`f.yaml:1:15: error: burn_alerts[0].severity: allowed: page or ticket`,
			`f.yaml:1:15: error: burn_alerts[0].short: got "0s", allowed: a duration above 0`}},
		"tier twice": {"burn_alerts: \n  - {long: 1h, short: 5m, budget: 2%, severity: page}\n  - {long: 60m, short: 6m, budget: 3%, severity: page}", []string{
			`f.yaml:3:12: error: burn_alerts[1].long: burn_alerts[0] is called page-1h too, got "1h"`}},
		"tier of three scrapes": {"burn_alerts: \n  - {long: 1h, short: 45s, budget: 2%, severity: page}", []string{
			`f.yaml:2:23: error: burn_alerts[0].short: holds fewer than four scrapes, got "45s", allowed: at least 1m`}},
		"hooks": {"hooks:\n  - name: Roll Back\n    kind: webhook\n  - kind: webhook\n  - {name: a}\n  - {name: a, kind: webhook}\n  - webhook", []string{
			`f.yaml:2:11: error: hooks[0].name: got "Roll Back", allowed: lower-case letters, digits and dashes, at most 63`,
			`f.yaml:4:5: error: hooks[1].name: has no value, allowed: lower-case letters, digits and dashes, at most 63`,
			`f.yaml:5:5: error: hooks[2].kind: has no value, allowed: the kind of the hook such as webhook`,
			`f.yaml:6:12: error: hooks[3].name: a hook of this name is already on line 5, got "a"`,
			`f.yaml:7:5: error: hooks[4]: got "webhook", allowed: a mapping with name, kind and mode`}},
		"external URL": {"web: {external_url: 'http://me:hunter2@host'}", []string{"f.yaml:1:21: error: web.external_url: not the address of a page, allowed: such as https://assayer.example.com/"}},
		"everything else": {"global:\n  evaluation_interval: 5\nstorage: here\naudit: {file: x}", []string{
			`f.yaml:2:24: error: global.evaluation_interval: got "5", allowed: a duration such as 15s, 5m or 30d`,
			`f.yaml:3:10: error: storage: got "here", allowed: a mapping with the fields path, retention, checkpoint_interval`,
			"f.yaml:4:9: error: audit.file: unknown field, allowed: path"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := config.Parse("f.yaml", []byte(tc.text))
			got := slices.DeleteFunc(problems, func(p problem.Problem) bool { return p.Warning }).Error()
			if want := strings.Join(tc.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, problems := config.Load(missing); len(problems) != 1 || !strings.HasPrefix(problems.Error(), missing+": error: opening the agent file: ") {
		t.Errorf("got %v", problems)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("#", 5<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := config.Load(large); problems.Errors() != 1 || !strings.Contains(problems.Error(), "file is too large") {
		t.Errorf("got %v", problems)
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/assayer.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, seed := range []string{"", "global: {scrape_interval: 1ms}", "burn_alerts: [{}]", "hooks: [{name: a, kind: b}, null]", "collectors: {a: {}, a: []}", "global: {external_labels: {a: b}}", "exporters: &e {x: *e}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := config.Parse("f.yaml", data)
		if problems.Err() != nil {
			return
		}
		if c.Global.ScrapeInterval <= 0 || c.Global.EvaluationInterval <= 0 || c.Global.ScrapeTimeout <= 0 || c.Global.ScrapeTimeout > c.Global.ScrapeInterval {
			t.Errorf("accepted %+v", c.Global)
		}
		if c.Storage.Path == "" || c.Audit.Path == "" {
			t.Errorf("no path in %+v %+v", c.Storage, c.Audit)
		}
		for _, b := range c.BurnAlerts {
			if b.Short <= 0 || b.Short >= b.Long || b.Budget <= 0 || b.Budget > 1 {
				t.Errorf("accepted %+v", b)
			}
		}
		for _, h := range c.Hooks {
			if h.Kind == "" || h.Name == "" {
				t.Errorf("accepted a hook with name %q and kind %q", h.Name, h.Kind)
			}
		}
		for _, s := range append(append([]config.Section(c.Collectors), c.Exporters...), c.Hooks...) {
			var anything any
			_ = s.Decode(&anything) // must not panic; what is wrong is told elsewhere
		}
	})
}

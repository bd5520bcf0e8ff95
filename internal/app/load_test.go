package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
)

const crossed = `global: {scrape_interval: 15s}
storage: {path: data}
objectives: [slo.yaml]
collectors:
  prometheus:
    scrape_configs:
      - {job_name: fast, static_configs: [{targets: ["127.0.0.1:1"]}]}
      - {job_name: slow, scrape_interval: 5m, static_configs: [{targets: ["127.0.0.1:2"]}]}
hooks: [{name: undo, kind: webhook, objectives: ["fast-*"], url: "http://127.0.0.1:3", secret: s}]
`

const crossedObjectives = `apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: fast}
spec:
  errors: {bad: 'b_total{job="fast"}', total: 't_total{job="fast"}', objective: 99%}
  latency: {histogram: 'h{job="fast"}', below: 1s, objective: 99%}
  presence: {series: 'p{job="fast"}', objective: 99%, currency: EUR, value: 'v_total{job="fast"}'}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: slow}
spec:
  window: 400d
  errors: {bad: 'b_total{job="slow"}', total: 't_total{job="slow"}', objective: 90%}
---
apiVersion: assayer.dev/v1
kind: CompositeSLO
metadata: {name: both}
spec: {method: worst, objective: 99%, members: [{objective: fast-errors}, {objective: slow-errors}]}
---
apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: release}
spec:
  objectives: ["fast-*"]
  rules:
    - {name: rollback, when: {firing: page-1h}, then: hook, hook: undo}
    - {name: outage, when: {firing: page-fast}, then: page}
---
apiVersion: assayer.dev/v1
kind: BusinessCalendar
metadata: {name: desk}
spec: {timeZone: UTC, week: {monday-friday: ["09:00-17:00"]}}
`

func TestCrossChecksOfPoliciesAndComposites(t *testing.T) {
	tooShort := func(name, tier, window string) string {
		return "warning: " + name + ": burn alert " + tier + " looks at " + window + ", which holds fewer than 4 looks at one every 5m0s and is left out"
	}
	slow := []string{
		tooShort("slow-errors", "page-1h", "5m"),
		"warning: slow-errors: burn alert page-6h can never fire",
		"warning: slow-errors: burn alert ticket-1d can never fire",
		"warning: slow-errors: burn alert ticket-3d can never fire",
		tooShort("both", "page-1h", "5m"),
	}
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"fine":            {"", "", nil},
		"unknown hook":    {"hook: undo", "hook: undoo", []string{`slo.yaml:27:67: error: spec.rules[0].hook: no hook has this name, did you mean undo?, got "undoo", allowed: the name of one of the agent file's hooks`}},
		"unknown tier":    {"firing: page-1h", "firing: page-2h", []string{`slo.yaml:27:39: warning: spec.rules[0].when.firing: none of the policy's objectives has this tier, got "page-2h", allowed: any, page, page-1h, page-6h, page-fast, ticket, ticket-1d, ticket-3d`}},
		"other histogram": {`h{job="fast"}`, `h{job="none"}`, []string{`warning: fast-latency: no configured collector yields this series, so the objective will stay unknown, got "h{job=\"none\"}"`}},
		"other weight":    {`v_total{job="fast"}`, `v_total{job="none"}`, []string{`warning: fast-presence: no configured collector yields this series, so the objective will stay unknown, got "v_total{job=\"none\"}"`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"assayer.yaml": crossed, "slo.yaml": strings.Replace(crossedObjectives, tc.old, tc.new, 1)} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			loaded, problems := app.Load(app.LoadOptions{Path: filepath.Join(dir, "assayer.yaml")})
			want := append(slices.Clip(slow), tc.want...)
			for _, text := range want {
				if !strings.Contains(problems.Error(), text) {
					t.Errorf("%q is not among\n%v", text, problems)
				}
			}
			if len(problems) != len(want) || len(loaded.Policies) != 1 || len(loaded.Calendars) != 1 {
				t.Errorf("%d problems, want %d\n%v", len(problems), len(want), problems)
			}
			for _, o := range loaded.Objectives {
				looks := 15 * time.Second
				if o.Name == "slow-errors" || o.Name == "both" {
					looks = 5 * time.Minute
				}
				if name == "other histogram" && o.Name == "fast-latency" {
					looks = 0 // nothing is known
				}
				if o.MinTierWindow != 4*looks {
					t.Errorf("%s has tiers from %v on", o.Name, o.MinTierWindow)
				}
			}
		})
	}
}

// TestBuiltinCalendarsEnd: near the end of what is known of a built-in calendar that an objective names, loading warns.
func TestBuiltinCalendarsEnd(t *testing.T) {
	dir := t.TempDir()
	objectives := strings.Replace(crossedObjectives, "spec:\n  errors", "spec:\n  calendar: uk\n  errors", 1)
	for file, text := range map[string]string{"assayer.yaml": crossed, "slo.yaml": objectives} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for year, want := range map[int]bool{2000: false, 2150: true} {
		_, problems := app.Load(app.LoadOptions{Path: filepath.Join(dir, "assayer.yaml"), Now: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)})
		if got := strings.Contains(problems.Error(), "the built-in calendar uk is known until"); got != want || problems.Err() != nil {
			t.Errorf("%d: %v", year, problems)
		}
	}
}

// TestObjectivesOfRails: documents find the rails that the section of transactions reads, and the reporting currency.
func TestObjectivesOfRails(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"assayer.yaml": "global: {scrape_interval: 15s, reporting_currency: CHF}\nstorage: {path: data}\nobjectives: [slo.yaml]\ncollectors: {transactions: {rail_files: [rail.yaml]}}\n",
		"slo.yaml":     "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: out}\nspec: {rail: wallet}\n",
		"rail.yaml": "apiVersion: assayer.dev/v1\nkind: Rail\nmetadata: {name: wallet}\nspec:\n  {title: Wallet, calendar: 24x7, validFrom: 2026-11-21, deadline: {within: 10s}, buckets: [5s, 10s],\n" +
			"  objectives: {errors: {objective: 97%, window: 14d}, value: {objective: 96%, window: 14d}}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, problems := app.Load(app.LoadOptions{Path: filepath.Join(dir, "assayer.yaml")})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(l.Objectives) != 2 || l.Objectives[0].Target != 0.97 || l.Objectives[1].Name != "out-value" || l.Objectives[1].Weight.Currency != "CHF" {
		t.Errorf("%+v", l.Objectives)
	}
}

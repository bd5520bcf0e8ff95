package hooks_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/problem"
)

func TestPolicyProblems(t *testing.T) {
	if err := auto().Validate(); err != nil {
		t.Fatalf("the valid policy: %v", err)
	}
	for path, change := range map[string]func(*hooks.Policy){
		"name":               func(p *hooks.Policy) { p.Name = "Card Rollback" },
		"kind":               func(p *hooks.Policy) { p.Kind = "" },
		"mode":               func(p *hooks.Policy) { p.Mode = "on" },
		"objectives":         func(p *hooks.Policy) { p.Objectives = nil },
		"objectives[0]":      func(p *hooks.Policy) { p.Objectives = []string{"*"} },
		"objectives[1]":      func(p *hooks.Policy) { p.Objectives = []string{"card-*", ".*"} },
		"objectives[2]":      func(p *hooks.Policy) { p.Objectives = []string{"a", "b", ""} },
		"tiers[0]":           func(p *hooks.Policy) { p.Tiers = []string{"[page"} },
		"change_window":      func(p *hooks.Policy) { p.ChangeWindow = 0 },
		"bake":               func(p *hooks.Policy) { p.Bake = -time.Minute },
		"cooldown":           func(p *hooks.Policy) { p.Cooldown = 0 },
		"max_actions":        func(p *hooks.Policy) { p.MaxActions = 0 },
		"max_actions_window": func(p *hooks.Policy) { p.MaxActionsWindow = 8 * 24 * time.Hour },
		"max_burning_ratio":  func(p *hooks.Policy) { p.MaxBurningRatio = math.NaN() },
		"min_burning":        func(p *hooks.Policy) { p.MinBurning = 0 },
		"min_coverage_ratio": func(p *hooks.Policy) { p.MinCoverage = 0.1 },
		"verify_after":       func(p *hooks.Policy) { p.VerifyAfter = -1 },
		"verify_timeout":     func(p *hooks.Policy) { p.VerifyTimeout = 0 },
		"approval_ttl":       func(p *hooks.Policy) { p.ApprovalTTL = 0 },
	} {
		p := auto()
		change(&p)
		var list problem.List
		if err := p.Validate(); !errors.As(err, &list) || len(list) != 1 || list[0].Path != path || list[0].Allowed == "" {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestPolicySelectorsThatSelectNothing(t *testing.T) {
	p := auto()
	p.Objectives = []string{"card-*", "crad-auth-latency"}
	got := p.Unmatched([]string{"card-auth-latency", "ledger"})
	if len(got) != 1 || got[0].Path != "objectives[1]" || !strings.Contains(got[0].String(), "crad-auth-latency") {
		t.Errorf("got %v", got)
	}
}

func TestPolicyFromYAML(t *testing.T) {
	p := hooks.DefaultPolicy()
	err := yaml.Unmarshal([]byte("name: card\nkind: webhook\nobjectives: [card-*]\ncooldown: 30m\n"), &p)
	if err != nil || p.Validate() != nil || p.Mode != hooks.Observe || p.Cooldown != 30*time.Minute || p.MaxActions != 3 || !p.RequireChange {
		t.Errorf("got %+v, %v, %v", p, err, p.Validate())
	}
}

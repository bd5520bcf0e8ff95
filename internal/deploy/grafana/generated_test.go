package grafana_test

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/testkit/fakegrafana"
)

// What is really generated is taken, and is then as generated.
func TestEverythingGenerated(t *testing.T) {
	in, problems := app.LoadGenerate(app.GenerateOptions{Objectives: []string{"../../../slo/spec/testdata/card-auth.golden.yaml"}, Now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Change: func(c *generate.Config) {
			c.Parts = []generate.Part{generate.DashboardPart, generate.GrafanaRules, generate.AgentRules}
		}})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	out, err := generate.Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	g := fakegrafana.Start(t)
	one := target(t, configured(g))
	p := plan(t, one, out.Files)
	made := map[string]int{}
	for _, s := range p.Steps {
		made[s.Kind]++
	}
	apply(t, one, out.Files)
	wantOps(t, plan(t, one, out.Files))
	if made["dashboard"] < 5 || made["folder"] < 1 || made["rule-group"] < 1 {
		t.Errorf("made %v", made)
	}
	if err := deploy.Apply(t.Context(), one, plan(t, one, nil), deploy.ApplyOptions{PruneAll: true}); err != nil {
		t.Error(err)
	}
}

package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/internal/app"
)

// TestServicesCovered: a service counts as covered once an objective reads a series of one of its targets.
func TestServicesCovered(t *testing.T) {
	s, bank := newSite(t), newShop(t)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+fmt.Sprintf(`
      - job_name: bank
        static_configs:
          - {targets: ["%s"], labels: {app: ledger}}
          - {targets: ["%[1]s"], labels: {app: till}}
`, bank.Listener.Addr()))
	only := func(app string) string {
		return objective("sales", 0.99) + fmt.Sprintf(`---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: %[1]s}
spec: {errors: {bad: 'sales_total{ok="no",app="%[1]s"}', total: 'sales_total{app="%[1]s"}', objective: 99%%}}
`, app)
	}
	s.write("slo/sales.yaml", strings.ReplaceAll(only("ledger"), "query: 'sales_total", "query: 'other_total"))
	a := s.start()
	s.eventually("one of three services to be covered", func() bool {
		m := s.get(a, "/metrics", http.StatusOK)
		return strings.Contains(m, "\nassayer_services_discovered 3\n") && strings.Contains(m, "\nassayer_services_covered 1\n")
	})
	s.write("slo/sales.yaml", only("ledger")) // sales_total of every job
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("all services to be covered", func() bool {
		return strings.Contains(s.get(a, "/metrics", http.StatusOK), "\nassayer_services_covered 3\n")
	})
}

// TestScrapeConfigs: what is wrong with objectives and hooks is nobody's concern who only wants to look at targets.
func TestScrapeConfigs(t *testing.T) {
	s := newSite(t)
	s.write("slo/sales.yaml", "nonsense: [")
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+"hooks: [{name: x, kind: nonsense}]\n")
	cfg, problems := app.ScrapeConfigs(s.options().ConfigPath)
	if problems.Errors() > 0 || len(cfg.ScrapeConfigs) != 1 || cfg.ScrapeConfigs[0].JobName != "shop" {
		t.Errorf("%+v, %v", cfg.ScrapeConfigs, problems)
	}
	s.write("assayer.yaml", strings.Replace(fmt.Sprintf(agentFile, "x"), "job_name", "jobname", 1))
	if _, problems := app.ScrapeConfigs(s.options().ConfigPath); !strings.Contains(problems.Error(), "jobname") {
		t.Errorf("problems are %v", problems)
	}
}

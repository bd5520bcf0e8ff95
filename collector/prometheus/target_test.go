package prometheus

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/assayer-io/assayer/collector"
)

func testPool(t testing.TB, section string) *pool {
	t.Helper()
	cfg := mustLoad(t, section)
	p, err := newPool(&cfg, cfg.ScrapeConfigs[0], &scratches{}, "r1")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func oneTarget(t *testing.T, p *pool, found, group model.LabelSet) target {
	t.Helper()
	got, keep, err := p.newTarget(found, group)
	if err != nil || !keep {
		t.Fatalf("target refused: keep %v, err %v", keep, err)
	}
	return got
}

func TestTargetLabelsAreThoseOfPrometheus(t *testing.T) {
	p := testPool(t, `
scrape_configs:
- job_name: card
  params: {module: [a, b], other: [c]}
  scrape_interval: 15s
  scrape_timeout: 5s
  relabel_configs:
  - {source_labels: [__meta_pod], target_label: pod}
  - {source_labels: [__param_module], target_label: module}
  - {target_label: __param_other, replacement: changed}
  - {source_labels: [__meta_slow], regex: "yes", target_label: __scrape_interval__, replacement: 1m}
  - {source_labels: [__meta_drop], regex: "yes", action: drop}
`)
	got := oneTarget(t, p, model.LabelSet{"__address__": "10.0.0.7:9090", "__meta_pod": "auth-1", "env": "own"}, model.LabelSet{"env": "group", "zone": "a"})
	if s := got.public.String(); s != `{env="own", instance="10.0.0.7:9090", job="card", module="a", pod="auth-1", zone="a"}` {
		t.Errorf("labels %s", s)
	}
	if got.url != "http://10.0.0.7:9090/metrics?module=a&module=b&other=changed" {
		t.Errorf("url %s", got.url)
	}
	if got.interval != 15*time.Second || got.timeout != 5*time.Second {
		t.Errorf("every %s within %s", got.interval, got.timeout)
	}
	slow := oneTarget(t, p, model.LabelSet{"__address__": "a:1", "__meta_slow": "yes", "job": "own", "instance": "named", "__scheme__": "https", "__metrics_path__": "/x"}, nil)
	if slow.interval != time.Minute || slow.url != "https://a:1/x?module=a&module=b&other=changed" || !strings.HasPrefix(string(slow.id), "own/named/") {
		t.Errorf("labels of the target itself do not count: %+v", slow)
	}
	if _, keep, err := p.newTarget(model.LabelSet{"__address__": "a:1", "__meta_drop": "yes"}, nil); keep || err != nil {
		t.Errorf("dropped target: keep %v, err %v", keep, err)
	}
}

func TestBrokenTargetsAreRefused(t *testing.T) {
	p := testPool(t, "scrape_configs: [{job_name: a, relabel_configs: [{action: labeldrop, regex: nothing}]}]")
	for name, found := range map[string]model.LabelSet{
		"no address":       {},
		"a URL":            {"__address__": "http://a:1"},
		"a user":           {"__address__": "user:hunter2@a:1"},
		"no interval":      {"__address__": "a:1", "__scrape_interval__": "0s"},
		"bad interval":     {"__address__": "a:1", "__scrape_interval__": "soon"},
		"timeout too long": {"__address__": "a:1", "__scrape_timeout__": "1h"},
		"not UTF-8":        {"__address__": "a:1", "env": "\xff"},
	} {
		if _, keep, err := p.newTarget(found, nil); keep || err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestIdentityIsStableAndTellsApart(t *testing.T) {
	p := testPool(t, "scrape_configs: [{job_name: card}]")
	a := oneTarget(t, p, model.LabelSet{"__address__": "10.0.0.7:9090", "__meta_uid": "1"}, nil)
	// Written down, so that a change of the algorithm, which would orphan every stored baseline,
	// shows: XXH64 of "instance ff 10.0.0.7:9090 ff job ff card ff http://10.0.0.7:9090/metrics".
	if want := collector.Target("card/10.0.0.7:9090/f37bba446783f826"); a.id != want {
		t.Errorf("identity %s, want %s as ever", a.id, want)
	}
	if again := oneTarget(t, p, model.LabelSet{"__address__": "10.0.0.7:9090", "__meta_uid": "2"}, nil); again.id != a.id {
		t.Error("meta labels change the identity")
	}
	for name, found := range map[string]model.LabelSet{
		"another label": {"__address__": "10.0.0.7:9090", "env": "prod"},
		"another path":  {"__address__": "10.0.0.7:9090", "__metrics_path__": "/x"},
		"parameter":     {"__address__": "10.0.0.7:9090", "__param_a": "b"},
	} {
		if other := oneTarget(t, p, found, nil); other.id == a.id {
			t.Errorf("%s does not change the identity", name)
		}
	}
}

func TestEachTargetOnceAndTargetLimit(t *testing.T) {
	groups := []*targetgroup.Group{
		{Targets: []model.LabelSet{{"__address__": "a:1"}, {"__address__": "b:1"}, {"__address__": "bad/"}}},
		{Targets: []model.LabelSet{{"__address__": "a:1"}}},
	}
	p := testPool(t, "scrape_configs: [{job_name: x}]")
	ts, over, broken := p.bounded(groups)
	if len(ts) != 2 || over != nil || broken == nil {
		t.Errorf("%d targets, over %v, broken %v; want 2, nil and an error", len(ts), over, broken)
	}
	p = testPool(t, "scrape_configs: [{job_name: x, target_limit: 1}]")
	ts, over, _ = p.bounded(groups)
	if len(ts) != 1 || over == nil || over.Error() != "job x has 2 targets, above target_limit 1" {
		t.Errorf("%d targets, over %v", len(ts), over)
	}
}

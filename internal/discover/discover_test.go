package discover_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/prometheus"
	"github.com/assayer-io/assayer/internal/discover"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite testdata")

const textFormat = "text/plain; version=0.0.4"

// expose serves one exposition and gives its URL.
func expose(t testing.TB, contentType string, bodies ...string) string {
	t.Helper()
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, bodies[min(looks, len(bodies)-1)])
		looks++
	}))
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

// options look by a clock that moves ten seconds with every wait.
func options() discover.Options {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return discover.Options{
		Unnamed: true, Now: func() time.Time { return now },
		Wait: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
	}
}

func read(t testing.TB, url string, o discover.Options) ([]*discover.Service, []discover.Failure) {
	t.Helper()
	cfg, err := discover.TargetConfig(url, "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	services, failures, err := discover.Read(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return services, failures
}

// known is read once: the packs of reason codes in it take a while.
var known = sync.OnceValues(discover.Known)

func systems(t testing.TB) *discover.Table {
	t.Helper()
	all, err := known()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// propose gives the file proposed for what one target exposes.
func propose(t testing.TB, exposition string, o discover.Options) (string, []*discover.Service) {
	t.Helper()
	services, failures := read(t, expose(t, textFormat, exposition), o)
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	docs, left := discover.Propose(services, systems(t))
	return discover.Render(nil, docs, left), services
}

func load(t testing.TB, file string) []spec.Objective {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: "proposed.yaml", Data: []byte(file)}}, spec.Options{Strict: true})
	if err := problems.Err(); err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	return set.Objectives
}

// observed counts what the agent's own collector hands over for one objective alone.
func observed(t *testing.T, url string, o spec.Objective) int {
	t.Helper()
	engine := slo.New(slo.Options{})
	if err := engine.Apply([]spec.Objective{o}, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	cfg, err := discover.TargetConfig(url, "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p, err := prometheus.New(cfg, prometheus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	p.SetInterest(engine.Interest())
	ctx, cancel := context.WithCancel(t.Context())
	samples := 0
	err = p.Run(ctx, func(jobs []collector.Job) {
		for _, j := range jobs {
			j.Source.Collect(ctx, time.Now(), func(c collector.Cycle) {
				if c.Err != nil {
					t.Error(c.Err)
				}
				samples = len(c.Samples)
			})
		}
		cancel()
	})
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// TestKnownSystems: each file of the table recognises its sample and nothing else does; what is proposed loads and
// the agent's own collector finds series for every objective.
func TestKnownSystems(t *testing.T) {
	for _, sys := range systems(t).Systems {
		t.Run(sys.Name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", sys.Name+".prom"))
			if err != nil {
				t.Fatal(err)
			}
			file, _ := propose(t, string(data), options())
			golden.Want(t, *update, filepath.Join("testdata", sys.Name+".yaml"), []byte(file))
			if !strings.Contains(strings.ReplaceAll(file, "\n# ", " "), "Known by its metrics: "+sys.Title) || strings.Contains(file, "Judged by its names") {
				t.Errorf("proposed is not for %s alone:\n%s", sys.Title, file)
			}
			url := expose(t, textFormat, string(data))
			for _, o := range load(t, file) {
				rail := o.Labels["rail"] != "" && o.Name != "sct-inst-errors"
				if n := observed(t, url, o); n == 0 && !rail { // a rail proposes more than has happened
					t.Errorf("nothing is observed for %s", o.Name)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	data, err := os.ReadFile("testdata/names.prom")
	if err != nil {
		t.Fatal(err)
	}
	file, _ := propose(t, string(data), options())
	golden.Want(t, *update, "testdata/names.yaml", []byte(file))
	url := expose(t, textFormat, string(data))
	for _, o := range load(t, file) {
		if observed(t, url, o) == 0 {
			t.Errorf("nothing is observed for %s", o.Name)
		}
	}
}

// TestWatched: with two looks it is the present that counts, and what it is a second.
func TestWatched(t *testing.T) {
	const first = "shop_requests_total{code=\"200\"} 100000\nshop_requests_total{code=\"500\"} 0\n" +
		"shop_request_seconds_bucket{le=\"1\"} 100\nshop_request_seconds_bucket{le=\"2\"} 100\nshop_request_seconds_bucket{le=\"+Inf\"} 1000\nshop_request_seconds_sum 1\nshop_request_seconds_count 1000\n"
	const second = "shop_requests_total{code=\"200\"} 100990\nshop_requests_total{code=\"500\"} 10\nshop_requests_total{code=\"502\"} 2\n" +
		"shop_request_seconds_bucket{le=\"1\"} 1100\nshop_request_seconds_bucket{le=\"2\"} 1100\nshop_request_seconds_bucket{le=\"+Inf\"} 2000\nshop_request_seconds_sum 1\nshop_request_seconds_count 2000\n"
	o := options()
	o.Watch = 10 * time.Second
	services, _ := read(t, expose(t, textFormat, first, second), o)
	docs, _ := discover.Propose(services, systems(t))
	file := discover.Render(nil, docs, nil)
	objectives := load(t, file)
	// 12 of 1002 fail: of the objectives proposed 95 % is the first that allows twice as many.
	if i := slices.IndexFunc(objectives, func(o spec.Objective) bool { return o.Name == "shop-errors" }); i < 0 || objectives[i].Target != 0.95 {
		t.Errorf("%+v\n%s", objectives, file)
	}
	for _, want := range []string{"Seen in 10s: 12 of 1002 bad (1.2 %), 100 a second.", "Seen in 10s: 0 of 1000 longer than 2s", "atLeast: 10/s"} {
		if !strings.Contains(strings.ReplaceAll(file, "\n  #", ""), want) {
			t.Errorf("no %q in\n%s", want, file)
		}
	}
}

// TestReset: a target that began anew between the looks counts from zero.
func TestReset(t *testing.T) {
	o := options()
	o.Watch = 10 * time.Second
	services, _ := read(t, expose(t, textFormat, "shop_requests_total{code=\"200\"} 5000\nshop_requests_total{code=\"500\"} 4000\n", "shop_requests_total{code=\"200\"} 100\nshop_requests_total{code=\"500\"} 0\n"), o)
	docs, _ := discover.Propose(services, systems(t))
	if file := discover.Render(nil, docs, nil); !strings.Contains(file, "Seen in 10s: 0 of 100 bad (0 %), 10 a second.") {
		t.Error(file)
	}
}

// TestOutcomes: what is bad follows from the words, not from their order or number.
func TestOutcomes(t *testing.T) {
	tests := map[string]struct{ exposition, bad, total string }{
		"codes":                {`a_requests_total{code="200"} 9`, `a_requests_total{code=~"5.."}`, `a_requests_total`},
		"classes":              {"a_requests_total{code=\"2xx\"} 9\na_requests_total{code=\"4xx\"} 9", `a_requests_total{code="5xx"}`, `a_requests_total`},
		"gRPC":                 {"a_calls_total{grpc_code=\"OK\"} 9\na_calls_total{grpc_code=\"Aborted\"} 9", `a_calls_total{grpc_code=~"Unknown|DeadlineExceeded|ResourceExhausted|Internal|Unavailable|DataLoss"}`, `a_calls_total`},
		"one word":             {"a_total{result=\"ok\"} 9\na_total{result=\"error\"} 0", `a_total{result="error"}`, `a_total`},
		"several words":        {"a_total{result=\"Success\"} 9\na_total{result=\"TIMED_OUT\"} 0\na_total{result=\"failed\"} 0", `a_total{result=~"TIMED_OUT|failed"}`, `a_total`},
		"the caller's":         {"a_total{status=\"ok\"} 9\na_total{status=\"rejected\"} 5\na_total{status=\"error\"} 0", `a_total{status="error"}`, `a_total`},
		"business":             {"a_total{outcome=\"ok\"} 9\na_total{outcome=\"declined\"} 5\na_total{outcome=\"technical\"} 0", `a_total{outcome="technical"}`, `a_total{outcome!="declined"}`},
		"truth":                {"a_total{error=\"true\"} 0\na_total{error=\"false\"} 9", `a_total{error="true"}`, `a_total`},
		"success":              {"a_total{success=\"true\"} 9\na_total{success=\"false\"} 0", `a_total{success="false"}`, `a_total`},
		"a better label":       {"a_total{state=\"x\",code=\"200\"} 9", `a_total{code=~"5.."}`, `a_total`},
		"quotes in a value":    {`a_total{result="ok"} 9` + "\n" + `a_total{result="fa-iled",x="a\"b'c\nd"} 0`, `a_total{result="fa-iled"}`, `a_total`},
		"failures beside":      {"a_requests_total 9\na_errors_total 0", `a_errors_total`, `a_requests_total`},
		"amounts are no event": {"a_amount_total{result=\"ok\"} 9\na_amount_total{result=\"error\"} 1", "", ""},
		"nothing says it":      {"a_total{result=\"red\"} 9\na_total{result=\"blue\"} 1", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file, _ := propose(t, tt.exposition+"\n", options())
			var bad, total string
			for _, o := range load(t, file) {
				if r := o.Indicator.Ratio; r != nil {
					bad, total = r.Bad.Text, r.Total.Text
				}
			}
			if bad != tt.bad || total != tt.total {
				t.Errorf("bad %s of %s, want %s of %s\n%s", bad, total, tt.bad, tt.total, file)
			}
		})
	}
}

// TestSecretsAreNotShown: neither proposal nor warnings nor messages hold what a label should never have held.
func TestSecretsAreNotShown(t *testing.T) {
	secrets := map[string]string{
		"4111111111111111": "a card number", "5500-0000-0000-0004": "a card number", "DE89370400440532013000": "an IBAN", "12345678": "an account number",
		"jane@example.com": "an e-mail address", "0x52908400098527886E0F7030069857D2E4169EE7": "an address on a chain", "eyJhbGciOiJIUzI1NiJ9.e30": "a secret",
	}
	for secret, looks := range secrets {
		t.Run(looks+" "+secret[:4], func(t *testing.T) {
			exposition := fmt.Sprintf("pay_total{outcome=\"ok\",account=%[1]q} 9\npay_total{outcome=\"error\",account=\"x\"} 1\npay_total{outcome=%[1]q} 5\npay_jobs_total{state=%[1]q} 5\n", secret)
			file, services := propose(t, exposition, options())
			warnings := fmt.Sprint(services[0].Sensitive())
			if strings.Contains(file+warnings, secret) {
				t.Errorf("it is shown:\n%s\n%s", file, warnings)
			}
			if !strings.Contains(warnings, "label account of pay_total has a value that looks like "+looks) {
				t.Errorf("warnings are %s", warnings)
			}
			load(t, file)
			_, failures := read(t, expose(t, textFormat, fmt.Sprintf("pay_total{account=%q,} oops\n", secret)), options())
			if len(failures) != 1 || strings.Contains(failures[0].Err.Error(), secret) {
				t.Errorf("failures are %v", failures)
			}
		})
	}
	harmless := `x_total{result="ok",version="20261121",path="/v1/pay",instance="10.0.0.7:9090"} 1` + "\n"
	if _, services := propose(t, harmless, options()); len(services[0].Sensitive()) > 0 {
		t.Errorf("warned of what is harmless: %v", services[0].Sensitive())
	}
}

// TestServices: the targets of an agent file are told apart, and selectors name what tells them apart.
func TestServices(t *testing.T) {
	const body = "app_requests_total{code=\"200\"} 10\n"
	cfg, err := discover.TargetConfig(expose(t, textFormat, body), "pods", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	sc := &cfg.ScrapeConfigs[0]
	first := sc.StaticConfigs[0]
	for _, app := range []string{"ledger", "till"} {
		address := strings.TrimSuffix(strings.TrimPrefix(expose(t, textFormat, body), "http://"), "/metrics")
		sc.StaticConfigs = append(sc.StaticConfigs, &targetgroup.Group{
			Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(address)}}, Labels: model.LabelSet{"app_kubernetes_io_name": model.LabelValue(app)},
		})
	}
	sc.StaticConfigs = append(sc.StaticConfigs[1:], first)
	o := options()
	o.Unnamed, o.Scoped = false, true
	services, failures, err := discover.Read(t.Context(), cfg, o)
	if err != nil || len(failures) > 0 {
		t.Fatal(err, failures)
	}
	docs, _ := discover.Propose(services, systems(t))
	var got []string
	for _, obj := range load(t, discover.Render(nil, docs, nil)) {
		if obj.Indicator.Ratio != nil {
			got = append(got, obj.Name+" of "+obj.Service+": "+obj.Indicator.Ratio.Total.Text)
		}
	}
	want := []string{
		`ledger-app-errors of ledger: app_requests_total{job="pods",app_kubernetes_io_name="ledger"}`,
		`pods-app-errors of pods: app_requests_total{job="pods"}`,
		`till-app-errors of till: app_requests_total{job="pods",app_kubernetes_io_name="till"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	objectives := load(t, "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: mine}\nspec:\n"+
		"  errors: {bad: 'app_requests_total{app_kubernetes_io_name=\"till\",code=~\"5..\"}', total: 'app_requests_total{app_kubernetes_io_name=\"till\"}', objective: 99%}\n")
	states := map[string]discover.State{}
	for _, c := range discover.Cover(services, systems(t), objectives) {
		states[c.Service] = c.State
	}
	if states["till"] != discover.Covered || states["ledger"] != discover.Uncovered || states["pods"] != discover.Uncovered {
		t.Errorf("states are %v", states)
	}
}

// TestCoverageSaysWhatIsNotRead: a service with objectives may have signals that none of them reads.
func TestCoverageSaysWhatIsNotRead(t *testing.T) {
	data, err := os.ReadFile("testdata/etcd.prom")
	if err != nil {
		t.Fatal(err)
	}
	services, _ := read(t, expose(t, textFormat, string(data)), options())
	one := load(t, "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: disk}\nspec:\n  latency: {histogram: etcd_disk_wal_fsync_duration_seconds, below: 8ms, objective: 99%}\n")
	c := discover.Cover(services, systems(t), one)[0]
	want := []discover.Unread{{"errors", "grpc_server_handled_total"}, {"traffic", "grpc_server_handled_total"}, {"saturation", "etcd_server_has_leader"}, {"latency", "etcd_disk_backend_commit_duration_seconds"}, {"saturation", "etcd_server_proposals_pending"}}
	for _, w := range want {
		if !slices.Contains(c.Unread, w) {
			t.Errorf("%v is not among %v", w, c.Unread)
		}
	}
	if c.State != discover.Covered || !slices.Equal(c.Objectives, []string{"disk-latency"}) || len(c.Unread) > len(want) {
		t.Errorf("coverage is %+v", c)
	}
	bare, _ := read(t, expose(t, textFormat, "go_goroutines 4\nthing_info 1\n"), options())
	if c := discover.Cover(bare, systems(t), one)[0]; c.State != discover.NoSignals {
		t.Errorf("coverage is %+v", c)
	}
	gone, _ := read(t, expose(t, "text/html", "<html>"), options())
	if c := discover.Cover(gone, systems(t), one)[0]; c.State != discover.Unreadable {
		t.Errorf("coverage is %+v", c)
	}
}

// TestFewDoNotMoveALimit: one slow write among seven says nothing against etcd's own advice, ten among a hundred do.
func TestFewDoNotMoveALimit(t *testing.T) {
	for events, want := range map[[2]int]string{{6, 7}: "below: 8ms", {90, 100}: "below: 16ms"} {
		const name = "etcd_disk_wal_fsync_duration_seconds"
		exposition := fmt.Sprintf("# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 1\n# TYPE %[1]s histogram\n"+
			"%[1]s_bucket{le=\"0.008\"} %[2]d\n%[1]s_bucket{le=\"0.016\"} %[3]d\n%[1]s_bucket{le=\"+Inf\"} %[3]d\n%[1]s_sum 1\n%[1]s_count %[3]d\n", name, events[0], events[1])
		if file, _ := propose(t, exposition, options()); !strings.Contains(file, "\n    "+want+"\n") {
			t.Errorf("of %d writes %d are slow, and there is no line %q in\n%s", events[1], events[1]-events[0], want, file)
		}
	}
}

// TestFewChooseALimit: where no limit is usual, few observations are better than none.
func TestFewChooseALimit(t *testing.T) {
	const exposition = `# TYPE shop_request_duration_seconds histogram
shop_request_duration_seconds_bucket{le="0.1"} 7
shop_request_duration_seconds_bucket{le="0.2"} 7
shop_request_duration_seconds_bucket{le="1"} 7
shop_request_duration_seconds_bucket{le="+Inf"} 7
shop_request_duration_seconds_sum 0.5
shop_request_duration_seconds_count 7
`
	if file, _ := propose(t, exposition, options()); !strings.Contains(file, "\n    below: 200ms\n") {
		t.Errorf("it is not the bound above the first that keeps to it:\n%s", file)
	}
}

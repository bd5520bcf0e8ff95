package prometheus

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/discovery"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

func TestConfigTakesPrometheusKeys(t *testing.T) {
	cfg := mustLoad(t, `
scrape_configs:
- job_name: full
  honor_labels: true
  honor_timestamps: false
  params: {module: [card]}
  scrape_interval: 10s
  scrape_timeout: 3s
  scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4]
  fallback_scrape_protocol: PrometheusText0.0.4
  metrics_path: /m
  scheme: https
  enable_compression: false
  follow_redirects: false
  enable_http2: false
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: true}
  proxy_url: http://127.0.0.1:1
  http_headers: {X-Tenant: {values: [a]}}
  body_size_limit: 10MB
  sample_limit: 1
  label_limit: 2
  label_name_length_limit: 3
  label_value_length_limit: 4
  target_limit: 5
  static_configs: [{targets: [a:1], labels: {env: prod}}]
  file_sd_configs: [{files: [x.yml]}]
  dns_sd_configs: [{names: [a.example], type: A, port: 9}]
  http_sd_configs: [{url: http://sd.example}]
  relabel_configs: [{action: drop, source_labels: [env], regex: dev}]
  metric_relabel_configs: [{action: labeldrop, regex: tmp}]
- job_name: defaults
- job_name: token
  authorization: {credentials: s3cret}
- job_name: oauth
  oauth2: {client_id: a, client_secret: b, token_url: http://t.example}
`)
	full, defaults := cfg.ScrapeConfigs[0], cfg.ScrapeConfigs[1]
	if full.BodySizeLimit != 10<<20 || full.interval(&cfg) != 10*time.Second || full.timeout(&cfg) != 3*time.Second || full.HTTPClient.FollowRedirects || full.HonorTimestamps {
		t.Errorf("full read as %+v", full)
	}
	if kinds := full.discovery(nil); len(kinds) != 4 {
		t.Errorf("%d kinds of discovery, want 4", len(kinds))
	}
	if !defaults.HonorTimestamps || defaults.MetricsPath != "/metrics" || defaults.Scheme != "http" || !defaults.HTTPClient.FollowRedirects || !defaults.HTTPClient.EnableHTTP2 {
		t.Errorf("defaults are %+v, want those of Prometheus", defaults)
	}
	if defaults.interval(&cfg) != 5*time.Second || defaults.timeout(&cfg) != 5*time.Second {
		t.Errorf("interval %s and timeout %s, want 5s for both", defaults.interval(&cfg), defaults.timeout(&cfg))
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, tt := range []struct{ name, lines, want string }{
		{"kubernetes discovery", "kubernetes_sd_configs: [{role: pod}]", "5:26: error: scrape_configs[0].kubernetes_sd_configs: not supported by this version, allowed: static_configs, file_sd_configs, dns_sd_configs, http_sd_configs"},
		{"another discovery", "consul_sd_configs: [{}]", "scrape_configs[0].consul_sd_configs: not supported by this version"},
		{"known key", "track_timestamps_staleness: true", "scrape_configs[0].track_timestamps_staleness: not supported by this version: a series that is gone"},
		{"native histograms", "scrape_native_histograms: true", "scrape_configs[0].scrape_native_histograms: not supported by this version: native histograms are asked for as soon as"},
		{"typo", "scrape_intervall: 5s", "scrape_configs[0].scrape_intervall: unknown field, did you mean scrape_interval?"},
		{"typo inside", "basic_auth: {user: a}", "scrape_configs[0].basic_auth.user: unknown field"},
		{"duration", "scrape_interval: 5x", `scrape_configs[0].scrape_interval: got "5x"`},
		{"timeout", "scrape_timeout: 6s", `scrape_configs[0].scrape_timeout: got "6s", allowed: a positive duration up to the interval, 5s`},
		{"scheme", "scheme: ftp", `scrape_configs[0].scheme: got "ftp", allowed: http, https`},
		{"protocol", "scrape_protocols: [Text]", `scrape_configs[0].scrape_protocols[0]: got "Text", allowed: PrometheusProto`},
		{"protocol twice", "scrape_protocols: [PrometheusProto, PrometheusProto]", "scrape_configs[0].scrape_protocols[1]: listed twice"},
		{"no protocol", "scrape_protocols: []", "scrape_configs[0].scrape_protocols: is empty"},
		{"fallback", "fallback_scrape_protocol: x", `scrape_configs[0].fallback_scrape_protocol: got "x"`},
		{"two auths", "basic_auth: {username: a}\nauthorization: {credentials: b}", "at most one of basic_auth, oauth2 & authorization"},
		{"relabel action", "relabel_configs: [{action: explode}]", "explode"},
		{"relabel target", "metric_relabel_configs: [{action: replace}]", "scrape_configs[0].metric_relabel_configs[0]: relabel configuration for replace action requires 'target_label'"},
		{"URL as target", "static_configs: [{targets: ['http://a:1/metrics']}]", "scrape_configs[0].static_configs[0].targets[0]: not an address"},
		{"file pattern", "file_sd_configs: [{files: [a.txt]}]", "a.txt"},
		{"size", "body_size_limit: -1MB", "scrape_configs[0].body_size_limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, "scrape_configs:\n- job_name: ok\n\n\n  "+strings.ReplaceAll(tt.lines, "\n", "\n  "))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	_, err := load(t, "scrape_configs:\n- scheme: ftp\n  eureka_sd_configs: []\n- job_name: a\n- job_name: a\n")
	list, ok := errors.AsType[problem.List](err)
	if !ok || len(list) != 4 {
		t.Fatalf("got %v, want four problems: no name, scheme, discovery, name twice", err)
	}
	for _, p := range list {
		if p.File != "assayer.yaml" || p.Line == 0 {
			t.Errorf("%s has no place", p)
		}
	}
}

// TestConfigReadsOnAfterAMistake: what cannot be read hides no mistake elsewhere, and brings none
// about.
func TestConfigReadsOnAfterAMistake(t *testing.T) {
	const place = ": a scheme, a path or a user does not belong here, allowed: host:port"
	for _, tt := range []struct{ name, text, want string }{
		{"credentials", `
- job_name: a
  basic_auth: {username: a, password: b, password_file: c}
  scrape_timeout: 1m
  scrape_protocols: [Foo]
  static_configs: [{targets: ["http://x:80/"]}]
- job_name: a`, `
assayer.yaml:3:3: error: scrape_configs[0]: at most one of basic_auth password, password_file & password_ref must be configured
assayer.yaml:5:19: error: scrape_configs[0].scrape_timeout: got "1m0s", allowed: a positive duration up to the interval, 5s
assayer.yaml:6:22: error: scrape_configs[0].scrape_protocols[0]: got "Foo", allowed: ` + protocolNames + `
assayer.yaml:7:31: error: scrape_configs[0].static_configs[0].targets[0]: not an address` + place + `
assayer.yaml:8:13: error: scrape_configs[1].job_name: also the job of scrape_configs[0], got "a", allowed: a name of its own`},
		{"rules", `
- metric_relabel_configs: [{action: explode}, {action: replace}]
  static_configs: [{targets: ["a/b"]}]`, `
assayer.yaml:3:3: error: scrape_configs[0].job_name: has no value, allowed: a name
assayer.yaml:3:37: error: scrape_configs[0].metric_relabel_configs[0].action: unknown relabel action "explode"
assayer.yaml:3:47: error: scrape_configs[0].metric_relabel_configs[1]: relabel configuration for replace action requires 'target_label' value
assayer.yaml:4:31: error: scrape_configs[0].static_configs[0].targets[0]: not an address` + place},
		{"interval, and misspelt", "\n- {jobname: a, scrape_interval: 5x, scrape_timeout: 20s, scheme: ftp}", `
assayer.yaml:3:13: error: scrape_configs[0].jobname: unknown field, did you mean job_name?, allowed: ` + strings.Join(knownKeys(), ", ") + `
assayer.yaml:3:33: error: scrape_configs[0].scrape_interval: got "5x", allowed: a duration such as 15s, 5m or 30d
assayer.yaml:3:66: error: scrape_configs[0].scheme: got "ftp", allowed: http, https`},
		{"nothing in lists", "\n- {job_name: a, relabel_configs: [null], static_configs: [null], file_sd_configs: [null], http_sd_configs: [null], dns_sd_configs: [null]}\n- null", `
assayer.yaml:3:35: error: scrape_configs[0].relabel_configs[0]: has no value
assayer.yaml:3:59: error: scrape_configs[0].static_configs[0]: has no value
assayer.yaml:3:84: error: scrape_configs[0].file_sd_configs[0]: has no value
assayer.yaml:3:109: error: scrape_configs[0].http_sd_configs[0]: has no value
assayer.yaml:3:133: error: scrape_configs[0].dns_sd_configs[0]: has no value
assayer.yaml:4:3: error: scrape_configs[1]: has no value`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := load(t, "\nscrape_configs:"+tt.text)
			list, ok := errors.AsType[problem.List](err)
			if !ok {
				t.Fatal("accepted")
			}
			list.Sort()
			if got := "\n" + list.Error(); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			cfg.SetDirectory("/x") // done with whatever was read
		})
	}
}

func TestConfigNeverShowsSecrets(t *testing.T) {
	for _, lines := range []string{
		"basic_auth: {username: a, password: [hunter2]}",
		"authorization: {credentials: {hunter2: 1}}",
		"authorization: {credentials: hunter2, credentials_file: x}",
		"basic_auth: hunter2",
	} {
		if _, err := load(t, "scrape_configs:\n- job_name: a\n  "+lines); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

func TestExtraDiscoveryIsReadAndOffered(t *testing.T) {
	read := func(n strictyaml.Node) (discovery.Config, problem.List) {
		role := n.At("role")
		if role.Text() != "pod" {
			return nil, problem.List{role.Wrong("pod")}
		}
		return discovery.StaticConfig{}, nil
	}
	decode := func(section string) (Config, error) {
		docs, _ := strictyaml.Parse("assayer.yaml", []byte(section), 1<<20)
		cfg := Default()
		cfg.ExtraDiscovery = map[string]DiscoveryKind{"kubernetes_sd_configs": read}
		return cfg, docs[0].Decode(&cfg).Err()
	}
	cfg, err := decode("scrape_configs:\n- job_name: a\n  kubernetes_sd_configs: [{role: pod}]\n")
	if err != nil || len(cfg.ScrapeConfigs[0].discovery(cfg.ExtraDiscovery)) != 1 {
		t.Errorf("a good entry: %v", err)
	}
	_, err = decode("scrape_configs:\n- job_name: a\n  kubernetes_sd_configs: [{role: node}]\n")
	if err == nil || !strings.Contains(err.Error(), `scrape_configs[0].kubernetes_sd_configs[0].role: got "node", allowed: pod`) {
		t.Errorf("a bad entry: %v", err)
	}
	_, err = decode("scrape_configs:\n- job_name: a\n  consul_sd_configs: []\n")
	if err == nil || !strings.Contains(err.Error(), "http_sd_configs, kubernetes_sd_configs") {
		t.Errorf("what is offered: %v", err)
	}
}

func TestCompressionDefaultsToPlainOnLoopback(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		address string
		set     *bool
		want    bool
	}{
		{"127.0.0.1:9090", nil, false}, {"[::1]:9090", nil, false}, {"localhost:9090", nil, false},
		{"10.0.0.1:9090", nil, true}, {"bank.example:80", nil, true}, {"[2001:db8::1]:1", nil, true},
		{"127.0.0.1:9090", &yes, true}, {"10.0.0.1:9090", &no, false},
	} {
		sc := ScrapeConfig{EnableCompression: tt.set}
		if got := sc.compress(tt.address); got != tt.want {
			t.Errorf("%s, set to %v: gzip %v, want %v", tt.address, tt.set, got, tt.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"- null\n- {job_name: a, relabel_configs: [null, {action: x}], static_configs: [null, {targets: [a, null]}], file_sd_configs: [null]}",
		"- {basic_auth: {username: [a]}, authorization: 5, oauth2: {client_id: {}}, tls_config: [], proxy_url: '%'}",
		"- {job_name: [], scrape_interval: 1x, scrape_timeout: -1, scrape_protocols: [null], http_headers: {a: 1}, params: {a: b}}", "- {job_name: a, static_configs: [{targets: ['a:1']}]}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cfg, err := load(t, "scrape_configs:\n"+list)
		cfg.SetDirectory("/x") // done with whatever was read
		if err == nil && cfg.Validate() != nil {
			t.Errorf("accepted and then refused: %v", cfg.Validate())
		}
	})
}

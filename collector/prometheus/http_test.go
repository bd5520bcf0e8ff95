package prometheus

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/collector"
)

// answerWanted is a handler for a target that exposes one sample.
func answerWanted(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", typeText)
	_, _ = io.WriteString(w, "wanted 1\n")
}

func TestRequestIsThatOfPrometheus(t *testing.T) {
	var got http.Header
	var url string
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		got, url = r.Header.Clone(), r.URL.String()
		answerWanted(w, r)
	})
	expect(t, once(t, server, wantNames("wanted"), "scrape_timeout: 2500ms", "metrics_path: /probe", "params: {target: [a b]}"), "wanted 1")
	for name, want := range map[string]string{
		"Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		"Accept-Encoding":                     "identity",
		"User-Agent":                          "Assayer/1.2.3",
		"X-Prometheus-Scrape-Timeout-Seconds": "2.5",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if url != "/probe?target=a+b" {
		t.Errorf("asked for %s", url)
	}
	once(t, server, wantNames("wanted"), "scrape_protocols: [PrometheusProto, PrometheusText0.0.4]", "enable_compression: true")
	if want := "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"; got.Get("Accept") != want || got.Get("Accept-Encoding") != "gzip" {
		t.Errorf("Accept %q, Accept-Encoding %q", got.Get("Accept"), got.Get("Accept-Encoding"))
	}
}

func TestCredentials(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user == "assayer" && password == "hunter2", r.Header.Get("Authorization") == "Bearer t0ken", r.Header.Get("Authorization") == "Bearer from-file", r.Header.Get("X-Key") == "k":
			answerWanted(w, r)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	for _, lines := range []string{
		"basic_auth: {username: assayer, password: hunter2}", "authorization: {credentials: t0ken}",
		"authorization: {credentials_file: " + secret + "}", "bearer_token: t0ken", "http_headers: {X-Key: {secrets: [k]}}",
	} {
		expect(t, once(t, server, wantNames("wanted"), lines), "wanted 1")
	}
	for _, lines := range []string{"basic_auth: {username: assayer, password: wrong-secret}", "authorization: {credentials: wrong-secret}", ""} {
		c := once(t, server, wantNames("wanted"), lines)
		expectFailure(t, c, "401")
		if strings.Contains(c.Err.Error(), "wrong-secret") {
			t.Errorf("error tells the secret: %v", c.Err)
		}
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(answerWanted))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it complains of the clients that refuse it
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, once(t, server, wantNames("wanted"), "scheme: https", "tls_config: {ca_file: "+ca+"}"), "wanted 1")
	expect(t, once(t, server, wantNames("wanted"), "scheme: https", "tls_config: {insecure_skip_verify: true}"), "wanted 1")
	expectFailure(t, once(t, server, wantNames("wanted"), "scheme: https"), "certificate")
	expectFailure(t, once(t, server, wantNames("wanted"), "scheme: https", "tls_config: {ca_file: "+ca+", server_name: other.example}"), "other.example")
	if _, err := New(mustLoad(t, section(server, "scheme: https", "tls_config: {ca_file: /does/not/exist}")), Deps{}); err == nil || !strings.Contains(err.Error(), "job test") {
		t.Errorf("missing CA file: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	end := serveFunc(t, answerWanted)
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, end.URL+"/moved", http.StatusFound) })
	expect(t, once(t, server, wantNames("wanted")), "wanted 1")
	expectFailure(t, once(t, server, wantNames("wanted"), "follow_redirects: false"), "HTTP status 302")
	var loop *httptest.Server
	loop = serveFunc(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, loop.URL, http.StatusFound) })
	expectFailure(t, once(t, loop, wantNames("wanted")), "stopped after 10 redirects")
}

func TestParametersStayOutOfErrors(t *testing.T) {
	server := serveFunc(t, answerWanted)
	j := launch(t, section(server, "params: {token: [hunter2]}"), wantNames("wanted")).jobs(1)[0]
	server.Close()
	if c := scrape(t, j); c.Err == nil || strings.Contains(c.Err.Error(), "hunter2") {
		t.Errorf("error %v", c.Err)
	}
}

// addresses lists where jobs point, without the scheme.
func addresses(jobs []collector.Job) string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.Labels.Get("instance"))
	}
	return strings.Join(out, " ")
}

func TestFileDiscoveryFollowsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.json")
	write := func(targets string) {
		t.Helper()
		next := file + ".new"
		if err := os.WriteFile(next, []byte(`[{"targets": [`+targets+`], "labels": {"env": "prod"}}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	write(`"a:1"`)
	r := launch(t, "scrape_configs: [{job_name: x, file_sd_configs: [{files: ["+file+"]}]}]", wantNames("wanted"))
	first := r.jobs(1)
	if addresses(first) != "a:1" || first[0].Labels.Get("env") != "prod" {
		t.Errorf("at first %s", first[0].Labels)
	}
	write(`"a:1", "b:2"`)
	second := r.jobs(2)
	if addresses(second) != "a:1 b:2" || second[0].Source != first[0].Source {
		t.Errorf("then %s, or the target that stayed has a new source", addresses(second))
	}
	write(`"b:2"`)
	if third := r.jobs(1); addresses(third) != "b:2" {
		t.Errorf("at last %s", addresses(third))
	}
}

func TestHTTPDiscoveryIsAskedAgain(t *testing.T) {
	asked := 0
	server := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `[{"targets": ["a:%d"]}]`, min(asked, 2))
	})
	r := launch(t, "scrape_configs: [{job_name: x, http_sd_configs: [{url: '"+server.URL+"', refresh_interval: 100ms}]}]", wantNames("wanted"))
	if got := addresses(r.jobs(1)); got != "a:1" && got != "a:2" {
		t.Errorf("at first %s", got)
	}
	r.until("a:2", func(jobs []collector.Job) bool { return addresses(jobs) == "a:2" })
}

package docs_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/assayer-io/assayer/collector/prometheus"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/alertmanager"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
	promrules "github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// TestKeys compares every table of keys with the structs that the keys are read into, and the
// defaults written with those of the code.
func TestKeys(t *testing.T) {
	d := config.Default()
	for _, tc := range []struct {
		page, marker string
		defaults     any
	}{
		{"configuration.md", "config", d},
		{"configuration.md", "global", d.Global},
		{"configuration.md", "storage", d.Storage},
		{"configuration.md", "burn_alerts", config.BurnAlert{}},
		{"configuration.md", "audit", d.Audit},
		{"configuration.md", "web", d.Web},
		{"configuration.md", "collectors.prometheus", prometheus.Default()},
		{"configuration.md", "scrape_config", prometheus.DefaultScrapeConfig()},
		{"configuration.md", "http", promconfig.DefaultHTTPClientConfig},
		{"generating.md", "generate", generate.Default()},
		{"generating.md", "generate.links", generate.Default().Links},
		{"generating.md", "generate.alertmanager", generate.Default().Alertmanager},
		{"generating.md", "generate.grafana", generate.Default().Grafana},
		{"generating.md", "generate.kubernetes", generate.Default().Kubernetes},
		{"deploying.md", "deploy", deploy.Entry{}},
		{"deploying.md", "deploy.directory", directory.Default()},
		{"deploying.md", "deploy.prometheus", promrules.Default()},
		{"deploying.md", "deploy.grafana", grafana.Default()},
		{"deploying.md", "deploy.alertmanager", alertmanager.Default()},
		{"actions.md", "policy", hooks.DefaultPolicy()},
		{"actions.md", "webhook", webhook.Default()},
	} {
		t.Run(tc.marker, func(t *testing.T) {
			have := map[string]reflect.Value{}
			fields(reflect.ValueOf(tc.defaults), have)
			var written, keys []string
			for key := range have {
				keys = append(keys, key)
			}
			for _, row := range tables(t, tc.page, "keys: "+tc.marker) {
				for _, key := range codes(row[0]) {
					written = append(written, key)
					if v, ok := have[key]; ok {
						checkDefault(t, key, row[2], v)
					}
				}
			}
			wantSame(t, tc.marker, written, keys)
		})
	}
}

// fields collects what may be written into a struct. The HTTP client's keys have a table of their own.
func fields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		inline := strings.Contains(options, "inline")
		switch {
		case inline && v.Field(i).Kind() == reflect.Struct && v.Field(i).Type() != reflect.TypeFor[promconfig.HTTPClientConfig]():
			fields(v.Field(i), into)
		case name != "" && name != "-":
			into[name] = v.Field(i)
		}
	}
}

var loneLiteral = regexp.MustCompile("^`[^`.]+`$")

func checkDefault(t *testing.T, key, cell string, v reflect.Value) {
	t.Helper()
	var want string
	switch x := v.Interface().(type) {
	case time.Duration:
		want = burnrate.Text(x)
	case model.Duration:
		want = burnrate.Text(time.Duration(x))
	default:
		switch v.Kind() {
		case reflect.String:
			want = v.String()
		case reflect.Bool:
			want = strconv.FormatBool(v.Bool())
		case reflect.Int:
			want = strconv.FormatInt(v.Int(), 10)
		case reflect.Float64:
			want = strconv.FormatFloat(v.Float(), 'g', -1, 64)
		default:
			return
		}
	}
	switch {
	case v.IsZero() && loneLiteral.MatchString(cell):
		t.Errorf("%s: the default is written as %s, the code has none", key, cell)
	case !v.IsZero() && !strings.HasPrefix(cell, "`"+want+"`"):
		t.Errorf("%s: the default is written as %q, the code has %s", key, cell, want)
	}
}

func TestRefusedKeys(t *testing.T) {
	var written []string
	for _, row := range tables(t, "configuration.md", "refused: scrape_config") {
		written = append(written, codes(row[0])...)
	}
	wantSame(t, "refused keys of scrape_configs", written, submatches(`(?m)^\t\t"([a-z_]+)": `, read(t, "../collector/prometheus/refused.go")))

	written = nil
	for _, row := range tables(t, "configuration.md", "refused: sections") {
		for _, name := range codes(row[1]) {
			text := name + ": {}"
			if row[0] != "top level" {
				text = codes(row[0])[0] + ": {" + text + "}"
				written = append(written, name)
			}
			if _, problems := config.Parse("f.yaml", []byte(text)); !strings.Contains(problems.Error(), "is not supported by this version") {
				t.Errorf("%s is accepted: %v", text, problems)
			}
		}
	}
	var have []string
	for _, list := range submatches(`sections\(n, \[\]string\{([^}]*)\}`, read(t, "../internal/config/section.go")) {
		have = append(have, submatches(`"([a-z_]+)"`, list)...)
	}
	slices.Sort(written)
	slices.Sort(have)
	if !slices.Equal(written, have) {
		t.Errorf("refused sections: the manual has %v, the code %v", written, have)
	}
}

// TestAgentFiles loads every complete agent file as `assayer check` does.
func TestAgentFiles(t *testing.T) {
	objectives := read(t, "../slo/spec/testdata/card-auth.golden.yaml")
	for _, f := range fences(t, "yaml", "agent") {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "slo", "card-auth.yaml"), objectives)
		write(t, filepath.Join(dir, "assayer.yaml"), f.text)
		loaded, problems := app.Load(app.LoadOptions{Path: filepath.Join(dir, "assayer.yaml"), Strict: true})
		if len(problems) > 0 || len(loaded.Objectives) == 0 {
			t.Errorf("%s: %d objectives, %v in\n%s", f.page, len(loaded.Objectives), problems, f.text)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWebConfigurations hands every web configuration to who reads it, with a certificate beside it.
func TestWebConfigurations(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fences(t, "yaml", "web") {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "assayer.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
		write(t, filepath.Join(dir, "assayer.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
		write(t, filepath.Join(dir, "web.yaml"), f.text)
		if err := web.Validate(filepath.Join(dir, "web.yaml")); err != nil {
			t.Errorf("%s: %v in\n%s", f.page, err, f.text)
		}
	}
}

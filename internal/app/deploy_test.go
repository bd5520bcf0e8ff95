package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/testkit/applied"
)

// The agent tells of drift and repairs nothing; once what is deployed is as its objectives give it, also after a reload,
// it says no more.
func TestDriftIsWatched(t *testing.T) {
	s := newSite(t)
	const entries = `
deploy:
  - {name: files, kind: directory, dir: %s, watch: 10s}
  - {name: unwatched, kind: directory, dir: other}
  - {name: rules, kind: prometheus, dir: rules, url: "http://127.0.0.1:1", timeout: 100ms, watch: 10s}
`
	agent := fmt.Sprintf(agentFile, s.shop.Listener.Addr())
	s.write("assayer.yaml", agent+fmt.Sprintf(entries, "out"))
	a := s.start()
	s.eventually("drift is told", func() bool {
		return strings.Contains(s.problem(a, health.DeployedDrifted, "files"), "would be changed (create), and ")
	})
	s.eventually("what cannot be looked at is told", func() bool {
		return strings.Contains(s.problem(a, health.DriftUnchecked, "rules"), "127.0.0.1:1 gives no answer")
	})
	metrics := s.get(a, "/metrics", http.StatusOK)
	for _, want := range []string{"\nassayer_drifted_objects{kind=\"file\",target=\"files\"} ", "\nassayer_drift_last_check_timestamp_seconds{target=\"files\"} ", "\nassayer_drift_checks_failed_total{target=\"rules\"} "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if strings.Contains(metrics, `target="unwatched"`) || strings.Contains(metrics, "timestamp_seconds{target=\"rules\"}") {
		t.Error("a place that was not looked at has metrics")
	}
	for _, dir := range []string{"out", "other", "rules"} {
		if _, err := os.Stat(filepath.Join(s.dir, dir)); err == nil {
			t.Errorf("the agent made the folder %s", dir)
		}
	}
	s.deploy("files")
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("no drift is told", func() bool {
		return strings.Contains(s.get(a, "/metrics", http.StatusOK), "\nassayer_drifted_objects{kind=\"file\",target=\"files\"} 0\n") && s.problem(a, health.DeployedDrifted, "files") == ""
	})
	s.write("assayer.yaml", agent)
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := s.get(a, "/metrics", http.StatusOK); strings.Contains(text, "\nassayer_drift") || s.problem(a, health.DriftUnchecked, "rules") != "" {
		t.Error("what is no longer watched is told of")
	}
}

// deploy applies what is generated at one place of the agent file.
func (s site) deploy(name string) {
	s.t.Helper()
	loaded, problems := app.Load(app.LoadOptions{Path: s.options().ConfigPath})
	if problems.Err() != nil {
		s.t.Fatal(problems)
	}
	places, err := loaded.Destinations([]string{name})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := applied.Apply(s.t.Context(), places[0].Target, s.generated(), func(int) {}); err != nil {
		s.t.Fatal(err)
	}
}

// generated is all that the agent file gives.
func (s site) generated() []artifact.File {
	s.t.Helper()
	in, problems := app.LoadGenerate(app.GenerateOptions{Config: s.options().ConfigPath})
	if problems.Err() != nil {
		s.t.Fatal(problems)
	}
	out, err := generate.Generate(in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Files
}

// contents joins the files of a folder, and names other folders than those allowed.
func contents(files []artifact.File, folder string, allowed ...string) (text string, others []string) {
	for _, f := range files {
		top, _, _ := strings.Cut(f.Path, "/")
		switch {
		case top == folder:
			text += string(f.Data)
		case !slices.Contains(allowed, top):
			others = append(others, f.Path)
		}
	}
	return text, others
}

// Dashboards and rules go to one folder: that of the entry, else that of the flag, else that of what is generated.
func TestFolderOfGrafana(t *testing.T) {
	for _, tt := range []struct{ generate, entry, flag, want string }{
		{"", "", "", "Assayer"}, {"Payments", "", "", "Payments"}, {"Payments", "Cards", "", "Cards"},
		{"Payments", "", "Said", "Said"}, {"Payments", "Cards", "Said", "Cards"},
	} {
		s := newSite(t)
		text := fmt.Sprintf(agentFile, s.shop.Listener.Addr())
		if tt.generate != "" {
			text += "generate: {parts: [dashboards, grafana-rules], grafana: {folder: " + tt.generate + "}}\n"
		}
		entry := "{name: g, kind: grafana, url: 'http://127.0.0.1:1'}"
		if tt.entry != "" {
			entry = "{name: g, kind: grafana, url: 'http://127.0.0.1:1', folder: " + tt.entry + "}"
		}
		s.write("assayer.yaml", text+"deploy: ["+entry+"]\n")
		loaded, problems := app.Load(app.LoadOptions{Path: s.options().ConfigPath, Folder: tt.flag})
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		places, err := loaded.Destinations(nil)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := places[0].Target.Wanted(s.generated())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range wanted {
			if o.Kind == "folder" && o.Data != tt.want || o.Kind == "rule-group" && !strings.HasPrefix(o.Name, "assayer-folder-"+strings.ToLower(tt.want)+"/") {
				t.Errorf("%+v: %s %s, %v", tt, o.Kind, o.Name, o.Data)
			}
		}
		if wanted[0].Kind != "folder" || len(wanted) < 5 {
			t.Errorf("%+v: only %v", tt, wanted)
		}
	}
}

// Screens know how many digits what people pay in beside currencies has.
func TestScreensKnowAssets(t *testing.T) {
	s := newSite(t)
	text := fmt.Sprintf(agentFile, s.shop.Listener.Addr())
	s.write("assayer.yaml", strings.Replace(text, "collectors:\n", "collectors:\n  transactions: {assets: {ETH: 18}}\n", 1))
	in, problems := app.LoadGenerate(app.GenerateOptions{Config: s.options().ConfigPath})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	if in.Dashboards.Assets["ETH"] != 18 {
		t.Errorf("assets: %v", in.Dashboards.Assets)
	}
}

// holidayYears are the years for which Alertmanager's configuration has holidays.
func holidayYears(routing string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`years: \["(\d+)"\]`).FindAllStringSubmatch(routing, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// What is deployed is compared with what is generated today: an error of one look is not that of the next, holidays of a new
// year are drift, and what no place takes is not made.
func TestWhatIsWatchedForIsOfToday(t *testing.T) {
	s := newSite(t)
	s.write("slo/uk.yaml", `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: desk}
spec: {calendar: uk, errors: {bad: b_total, total: t_total, objective: 99%}}
`)
	s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+`
generate: {alertmanager: {receivers: receivers.yaml}}
deploy:
  - {name: am, kind: alertmanager, file: alertmanager.yml, url: "http://127.0.0.1:1", watch: 10s}
  - {name: rules, kind: prometheus, dir: rules, url: "http://127.0.0.1:1", watch: 10s}
`)
	loaded, problems := app.Load(app.LoadOptions{Path: s.options().ConfigPath})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	now := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	watched, err := app.Watched(&loaded, func() time.Time { return now })
	if err != nil || len(watched) != 2 {
		t.Fatal(watched, err)
	}
	if _, err := watched[0].Files(); err == nil {
		t.Fatal("receivers that are not there are no error")
	}
	var receivers strings.Builder
	receivers.WriteString("receivers:\n")
	for _, role := range []string{"pager", "ticket", "deadman", "escalation"} {
		fmt.Fprintf(&receivers, "  - {name: %s, webhook_configs: [{url_file: /etc/%s}]}\n", role, role)
	}
	s.write("receivers.yaml", receivers.String())
	old, err := watched[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	routing, others := contents(old, "alertmanager", "rules")
	if len(others) > 0 {
		t.Errorf("made, and nobody takes them: %q", others)
	}
	if got := holidayYears(routing); !slices.Equal(got, []string{"2026", "2027"}) {
		t.Errorf("holidays of %q:\n%s", got, routing)
	}
	now = now.Add(2 * time.Hour)
	fresh, err := watched[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	routing, _ = contents(fresh, "alertmanager")
	if got := holidayYears(routing); !slices.Equal(got, []string{"2027", "2028"}) {
		t.Errorf("holidays of %q after the turn of the year:\n%s", got, routing)
	}
}

// Rules that are watched are those that are generated for all places: beside Grafana's own, files of rules only record.
func TestWatchedRulesAreWrittenWithOthersInView(t *testing.T) {
	s := newSite(t)
	rules := map[string]string{}
	for _, parts := range []string{"agent-rules, native-rules, grafana-rules", "agent-rules, native-rules"} {
		s.write("assayer.yaml", fmt.Sprintf(agentFile, s.shop.Listener.Addr())+`
generate: {parts: [`+parts+`]}
deploy: [{name: rules, kind: prometheus, dir: rules, url: "http://127.0.0.1:1", watch: 10s}]
`)
		loaded, problems := app.Load(app.LoadOptions{Path: s.options().ConfigPath})
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		watched, err := app.Watched(&loaded, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		files, err := watched[0].Files()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := contents(files, "rules")
		if want, _ := contents(s.generated(), "rules"); text != want {
			t.Errorf("of %s:\n%s\nwant\n%s", parts, text, want)
		}
		rules[text] = parts
	}
	if len(rules) != 2 {
		t.Error("rules are the same beside Grafana's and without them")
	}
}

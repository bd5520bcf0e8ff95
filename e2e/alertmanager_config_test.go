//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/alertmanager"
	"github.com/assayer-io/assayer/internal/testkit/servers"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// notified is one notification: an alert that somebody was told of.
type notified struct {
	at       time.Time
	receiver string
	status   string
	labels   map[string]string
}

// inbox is who Alertmanager tells: a receiver is the path of the address.
type inbox struct {
	*httptest.Server
	mu  sync.Mutex
	got []notified
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []struct {
				Status string            `json:"status"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Errorf("reading a notification: %v", err)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, a := range body.Alerts {
			in.got = append(in.got, notified{time.Now(), strings.Trim(r.URL.Path, "/"), a.Status, a.Labels})
		}
	}))
	t.Cleanup(in.Close)
	return in
}

// of lists what a receiver was told, firing or resolved, of the alerts of an objective and a severity.
func (in *inbox) of(receiver, status, slo, severity string) []notified {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(in.got), func(n notified) bool {
		return n.receiver != receiver || n.status != status || n.labels["slo"] != slo || n.labels["severity"] != severity
	})
}

func (in *inbox) wait(t *testing.T, times int, receiver, status, slo, severity string) []notified {
	t.Helper()
	eventually(t, func(context.Context) error {
		if n := len(in.of(receiver, status, slo, severity)); n < times {
			return fmt.Errorf("%s was told %d of %d times that %s %s is %s", receiver, n, times, slo, severity, status)
		}
		return nil
	})
	return in.of(receiver, status, slo, severity)
}

// raise posts burns of objectives, written as slo/severity or slo/severity/team; over ends them.
func raise(t *testing.T, server *servers.Server, over bool, burns ...string) {
	t.Helper()
	var posted []map[string]any
	for _, b := range burns {
		words := strings.Split(b, "/")
		labels := map[string]string{"alertname": alerts.BudgetBurn, "service": "of-" + words[0], "slo": words[0], "severity": words[1]}
		if len(words) > 2 {
			labels["team"] = words[2]
		}
		if words[0] == "switch" {
			labels = map[string]string{"alertname": alerts.DeadMansSwitch, "slo": "switch", "severity": words[1]}
		}
		alert := map[string]any{"labels": labels}
		if over {
			alert["endsAt"] = time.Now().UTC().Format(time.RFC3339Nano)
		}
		posted = append(posted, alert)
	}
	body, err := json.Marshal(posted)
	if err != nil {
		t.Fatal(err)
	}
	if code := send(t, http.MethodPost, server.URL("/api/v2/alerts"), string(body)); code != http.StatusOK {
		t.Fatalf("alerts are answered %d", code)
	}
}

// calendars are one that is open now and tomorrow, and one that is closed then, whatever the time.
func openAndShut(now time.Time) (open, shut *calendar.Business) {
	open = &calendar.Business{Name: "open", Location: time.UTC}
	shut = &calendar.Business{Name: "shut", Location: time.UTC}
	for d := range open.Week {
		day := []calendar.Session{{From: 0, To: 1440}}
		if (d-int(now.Weekday())+7)%7 <= 1 {
			open.Week[d] = day
		} else {
			shut.Week[d] = day
		}
	}
	return open, shut
}

func routed(t *testing.T, hook string) []byte {
	t.Helper()
	now := time.Now().UTC()
	open, shut := openAndShut(now)
	var list strings.Builder
	for _, name := range []string{"pager", "escalation", "chat", "ticket", "deadman", "payments-pager"} {
		fmt.Fprintf(&list, "- {name: %s, webhook_configs: [{url: '%s/%s'}]}\n", name, hook, name)
	}
	quick := alertmanager.Timing{Wait: 200 * time.Millisecond, Interval: time.Second, Repeat: time.Hour}
	config, err := alertmanager.Config([]alerts.Objective{
		{Objective: spec.Objective{Name: "office", Calendar: open}}, {Objective: spec.Objective{Name: "closed", Calendar: shut}},
	}, alertmanager.Options{
		Receivers: []byte(list.String()), Today: calendar.Date{Year: now.Year(), Month: now.Month(), Day: now.Day()},
		Critical: quick, High: quick, Tickets: quick, EscalateCritical: 3 * time.Second, EscalateHigh: time.Hour,
		DeadMan: alertmanager.Timing{Wait: 200 * time.Millisecond, Interval: time.Second, Repeat: 500 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestAlertmanagerRoutes loads a generated configuration into a real Alertmanager and lets alerts come and go.
// The escalation of the alert "lasts" comes last of all, so what is not there by then does not come.
func TestAlertmanagerRoutes(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	server := servers.StartAlertmanager(t, string(routed(t, in.URL)))
	raise(t, server, false, "switch/low", "brief/critical", "office/medium", "closed/medium", "closed/critical", "nowhere/high", "team/critical/payments",
		"worse/critical", "worse/high", "worse/medium", "worse/low")
	in.wait(t, 1, "pager", "firing", "brief", "critical")
	raise(t, server, true, "brief/critical") // before it is escalated
	raise(t, server, false, "lasts/critical")

	in.wait(t, 1, "pager", "firing", "worse", "critical")
	in.wait(t, 1, "payments-pager", "firing", "team", "critical")
	in.wait(t, 1, "chat", "firing", "nowhere", "high")
	in.wait(t, 1, "ticket", "firing", "office", "medium")
	in.wait(t, 1, "pager", "firing", "closed", "critical")
	in.wait(t, 1, "pager", "resolved", "brief", "critical")
	in.wait(t, 3, "deadman", "firing", "switch", "low")
	paged := in.wait(t, 1, "pager", "firing", "lasts", "critical")
	escalated := in.wait(t, 1, "escalation", "firing", "lasts", "critical")
	if after := escalated[0].at.Sub(paged[0].at); after < 2*time.Second {
		t.Errorf("it was escalated %s after the page, and has to last for 3 s", after)
	}
	in.wait(t, 1, "escalation", "firing", "team", "critical")
	for _, never := range [][3]string{
		{"escalation", "brief", "critical"},
		{"pager", "team", "critical"},
		{"pager", "nowhere", "high"}, // its hour has not passed
		{"ticket", "closed", "medium"},
		{"chat", "worse", "high"}, {"ticket", "worse", "medium"}, {"ticket", "worse", "low"},
	} {
		if got := in.of(never[0], "firing", never[1], never[2]); len(got) > 0 {
			t.Errorf("%s was told of %s %s", never[0], never[1], never[2])
		}
	}

	// What was kept still is heard, one after the other, as the worse ones end.
	raise(t, server, true, "worse/critical")
	in.wait(t, 1, "chat", "firing", "worse", "high")
	if got := in.of("ticket", "firing", "worse", "medium"); len(got) > 0 {
		t.Error("a ticket came while the higher leg fired")
	}
	raise(t, server, true, "worse/high", "worse/medium")
	in.wait(t, 1, "ticket", "firing", "worse", "low")
}

// TestAmtool: Alertmanager's own tool accepts what is generated, finds the receivers and reads the texts.
func TestAmtool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, texts := filepath.Join(dir, "alertmanager.yml"), filepath.Join(dir, alertmanager.TemplateName)
	golden, err := os.ReadFile(filepath.Join("..", "alerts", "alertmanager", "testdata", "teams", "alertmanager.yml"))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := alertmanager.Config(nil, alertmanager.Options{Today: calendar.Date{Year: 2026, Month: 1, Day: 1},
		Receivers: []byte("- {name: pager}\n- {name: ticket}\n- {name: deadman}\n- {name: 'a \"b\"\\c-pager'}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(texts, alertmanager.Template(), 0o600); err != nil {
		t.Fatal(err)
	}
	amtool := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "amtool", args...).Output()
		if err != nil {
			t.Fatalf("amtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, tt := range []struct {
		config []byte
		labels []string
		want   string
	}{
		{golden, []string{"severity=critical"}, "pager,escalation"},
		{golden, []string{"severity=low", "team=payments", "slo=sct-errors"}, "payments-ticket"},
		{golden, []string{"alertname=DeployedConfigDrifted", "severity=low"}, "assayer-ticket"},
		{odd, []string{"severity=high", `team="a \"b\"\\c"`}, `a "b"\c-pager`},
	} {
		if err := os.WriteFile(file, tt.config, 0o600); err != nil {
			t.Fatal(err)
		}
		amtool("check-config", file)
		args := append([]string{"config", "routes", "test", "--config.file=" + file}, tt.labels...)
		if got := amtool(args...); got != tt.want {
			t.Errorf("%v goes to %s, want %s", tt.labels, got, tt.want)
		}
	}
	if got := amtool("template", "render", "--template.glob="+texts, `--template.text={{ template "assayer.text" . }}{{ template "assayer.title" . }}`); !strings.Contains(got, "[") {
		t.Errorf("the texts come out as %q", got)
	}
}

package grafana_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
	"github.com/assayer-io/assayer/internal/testkit/fakegrafana"
)

const folder = "assayer-folder-assayer"

func configured(g *fakegrafana.Grafana, change ...func(*grafana.Config)) grafana.Config {
	c := grafana.Default()
	c.Server.URL, c.Server.Timeout = g.URL, 10*time.Second
	c.Server.HTTP.Authorization = &config.Authorization{Type: "Bearer", Credentials: config.Secret(g.Token)}
	for _, fn := range change {
		fn(&c)
	}
	return c
}

func target(t *testing.T, c grafana.Config) *grafana.Target {
	t.Helper()
	one, err := grafana.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// screen is a dashboard as it is generated.
func screen(t *testing.T, uid, title string) artifact.File {
	t.Helper()
	data, err := os.ReadFile("testdata/screens/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("assayer-on-call", uid, "On call", title).Replace(string(data))
	return artifact.File{Path: "dashboards/" + uid + ".json", Kind: artifact.Dashboard, Data: []byte(text)}
}

// rules is a provisioning file with one group, whose alert has this summary.
func rules(t *testing.T, group, summary string) artifact.File {
	t.Helper()
	data, err := os.ReadFile("testdata/screens/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(summary) // a JSON string is a YAML one
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("RULE", deploy.Sum([]byte(group))[:8], "GROUP", group, "SUMMARY", string(quoted)).Replace(string(data))
	return artifact.File{Path: "grafana/" + group + ".yaml", Kind: artifact.GrafanaRules, Data: []byte(text)}
}

func everything(t *testing.T) []artifact.File {
	t.Helper()
	return []artifact.File{screen(t, "assayer-on-call", "On call"), screen(t, "assayer-cost", "Cost"), rules(t, "agent", "budget burns"),
		rules(t, "native", "budget burns"), {Path: "rules/x.yaml", Kind: artifact.Rules, Data: []byte("not for Grafana")}}
}

func plan(t *testing.T, one *grafana.Target, files []artifact.File) deploy.Plan {
	t.Helper()
	p, err := deploy.Make(t.Context(), "grafana", one, files)
	if err != nil {
		t.Fatal(err)
	}
	p.Explain()
	return p
}

func apply(t *testing.T, one *grafana.Target, files []artifact.File) {
	t.Helper()
	if err := deploy.Apply(t.Context(), one, plan(t, one, files), deploy.ApplyOptions{PruneAll: true}); err != nil {
		t.Fatal(err)
	}
}

func wantOps(t *testing.T, p deploy.Plan, want ...string) {
	t.Helper()
	got := []string{}
	for _, s := range p.Steps {
		if s.Op != deploy.Unchanged {
			got = append(got, fmt.Sprint(s.Op, " ", s.Name))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("plan is %q, want %q", got, want)
	}
}

func TestGrafanaFollowsWhatIsGenerated(t *testing.T) {
	for _, editable := range []bool{false, true} {
		t.Run(fmt.Sprint("editable ", editable), func(t *testing.T) {
			g := fakegrafana.Start(t)
			g.OrgID = "7"
			one := target(t, configured(g, func(c *grafana.Config) { c.OrgID, c.Editable = 7, editable }))
			files := everything(t)
			wantOps(t, plan(t, one, files), "create assayer-folder-assayer", "create assayer-on-call", "create assayer-cost",
				"create assayer-folder-assayer/agent", "create assayer-folder-assayer/native")
			if len(g.Writes()) != 0 {
				t.Errorf("a plan has written %v", g.Writes())
			}
			apply(t, one, files)
			wantOps(t, plan(t, one, files))
			g.Change(func(g *fakegrafana.Grafana) {
				d := g.Dashboards["assayer-on-call"]
				if d.Folder != folder || len(d.Versions) != 1 || !strings.HasPrefix(d.Versions[0].Message, "assayer apply ") {
					t.Errorf("dashboard is %+v", d)
				}
				group := g.Groups[[2]string{"assayer-folder-assayer", "agent"}]
				if group.Interval != 60 || (group.Rules[0]["provenance"] == "api") == editable {
					t.Errorf("group is %+v", group)
				}
				g.Dashboards["theirs"] = &fakegrafana.Dashboard{Versions: []fakegrafana.Version{{Model: map[string]any{"uid": "theirs", "title": "Theirs", "tags": []any{"assayer"}}}}}
			})
			writes := len(g.Writes())
			apply(t, one, files)
			if again := g.Writes(); len(again) != writes {
				t.Errorf("a second apply writes %v", again[writes:])
			}
			files = []artifact.File{screen(t, "assayer-on-call", "On call now"), rules(t, "agent", "burns now")}
			p := plan(t, one, files)
			wantOps(t, p, "update assayer-on-call", "update assayer-folder-assayer/agent", "delete assayer-cost", "delete assayer-folder-assayer/native")
			for _, s := range p.Steps {
				if s.Edited {
					t.Errorf("%s is called edited: %s", s.Name, s.Why)
				}
			}
			if !strings.Contains(p.Steps[1].Diff, "\n-    \"title\": \"On call\"") || !strings.Contains(p.Steps[1].Diff, "\n+    \"title\": \"On call now\"") {
				t.Errorf("difference is\n%s", p.Steps[1].Diff)
			}
			apply(t, one, files)
			wantOps(t, plan(t, one, files))
			if err := deploy.Apply(t.Context(), one, plan(t, one, nil), deploy.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "--prune-all") {
				t.Errorf("everything is deleted since nothing was generated: %v", err)
			}
			apply(t, one, nil)
			g.Change(func(g *fakegrafana.Grafana) {
				if len(g.Groups) != 0 || len(g.Dashboards) != 1 || len(g.Folders) != 1 {
					t.Errorf("left are %v, %v, %v", g.Dashboards, g.Groups, g.Folders)
				}
			})
		})
	}
}

// Two agents deploy to one Grafana, each into a folder of its own.
func TestTwoAgentsInOneGrafana(t *testing.T) {
	g := fakegrafana.Start(t)
	prod := target(t, configured(g))
	test := target(t, configured(g, func(c *grafana.Config) { c.Folder = "Test" }))
	apply(t, prod, everything(t))
	ours := []artifact.File{rules(t, "agent", "of test"), rules(t, "extra", "of test")}
	wantOps(t, plan(t, test, ours), "create assayer-folder-test", "create assayer-folder-test/agent", "create assayer-folder-test/extra")
	apply(t, test, ours)
	wantOps(t, plan(t, test, ours))
	wantOps(t, plan(t, prod, everything(t)))
	g.Change(func(g *fakegrafana.Grafana) { // somebody took a screen of ours as a beginning, and keeps it elsewhere
		copied := *g.Dashboards["assayer-cost"]
		copied.Folder = "team"
		g.Dashboards["assayer-copied"] = &copied
	})
	wantOps(t, plan(t, test, ours))
	wantOps(t, plan(t, prod, everything(t)))
	apply(t, test, ours[:1])
	apply(t, test, nil)
	wantOps(t, plan(t, prod, everything(t)))
	p := plan(t, test, append(ours, screen(t, "assayer-cost", "Cost of test"), screen(t, "assayer-test", "Only here")))
	writes := len(g.Writes())
	err := deploy.Apply(t.Context(), test, p, deploy.ApplyOptions{})
	if err == nil || !strings.Contains(err.Error(), "dashboard assayer-cost is not ours: it is in the folder with the UID assayer-folder-assayer, which another agent deploys to") || len(g.Writes()) != writes {
		t.Errorf("error is %v after %v", err, g.Writes()[writes:])
	}
}

// A look at many rule groups takes a few calls over one connection, which is closed at its end.
func TestLooksAreCheap(t *testing.T) {
	g := fakegrafana.New(t)
	server := httptest.NewUnstartedServer(g)
	var calls, opened atomic.Int64
	closed := make(chan bool, 100)
	g.Before = func(*http.Request) { calls.Add(1) }
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed <- true
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	g.URL = server.URL
	one := target(t, configured(g))
	var files []artifact.File
	for i := range 50 {
		files = append(files, rules(t, fmt.Sprint("group ", i), "budget burns"))
	}
	apply(t, one, files)
	for range opened.Load() {
		<-closed
	}
	calls.Store(0)
	opened.Store(0)
	wantOps(t, plan(t, one, files))
	<-closed
	if calls.Load() > 5 || opened.Load() != 1 {
		t.Errorf("a look takes %d calls over %d connections", calls.Load(), opened.Load())
	}
	g.Change(func(g *fakegrafana.Grafana) { g.Groups[[2]string{folder, "group 7"}].Interval = 10 })
	wantOps(t, plan(t, one, files), "update assayer-folder-assayer/group 7")
}

// Grafana tells a group's rules in any order, which is no edit.
func TestRulesInAnotherOrder(t *testing.T) {
	g := fakegrafana.Start(t)
	one := target(t, configured(g))
	file := rules(t, "agent", "budget burns")
	_, rule, _ := bytes.Cut(file.Data, []byte("    rules:\n")) // once more, as a second one
	file.Data = slices.Concat(file.Data, bytes.ReplaceAll(rule, []byte("- uid: assayer-"), []byte("- uid: assayer-second-")))
	apply(t, one, []artifact.File{file})
	g.Change(func(g *fakegrafana.Grafana) {
		group := g.Groups[[2]string{folder, "agent"}]
		if slices.Reverse(group.Rules); len(group.Rules) != 2 {
			t.Errorf("the group has %d rules", len(group.Rules))
		}
	})
	wantOps(t, plan(t, one, []artifact.File{file}))
	file.Data = bytes.ReplaceAll(file.Data, []byte("budget burns"), []byte("burns now"))
	p := plan(t, one, []artifact.File{file})
	wantOps(t, p, "update assayer-folder-assayer/agent")
	if why := p.Steps[1].Why; why != "" {
		t.Errorf("it is called %s", why)
	}
}

func TestWhatOthersHaveIsNotTouched(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs func(g *fakegrafana.Grafana)
		says   string
	}{
		"no tag": {func(g *fakegrafana.Grafana) {
			g.Dashboards["assayer-on-call"] = &fakegrafana.Dashboard{Versions: []fakegrafana.Version{{Model: map[string]any{"uid": "assayer-on-call", "title": "x"}}}}
		}, "without the tag assayer"},
		"provisioned": {func(g *fakegrafana.Grafana) {
			g.Dashboards["assayer-on-call"] = &fakegrafana.Dashboard{Provisioned: true, Versions: []fakegrafana.Version{{Model: map[string]any{"uid": "assayer-on-call", "tags": []any{"assayer"}}}}}
		}, "provisioned from a file"},
		"a rule of theirs in our group": {func(g *fakegrafana.Grafana) {
			g.Groups[[2]string{"assayer-folder-assayer", "agent"}] = &fakegrafana.Group{Interval: 60, Rules: []map[string]any{{"uid": "x1", "title": "Theirs", "folderUID": "assayer-folder-assayer", "ruleGroup": "agent"}}}
		}, "holds the rule Theirs, which is not ours"},
		"rules from a file": {func(g *fakegrafana.Grafana) {
			g.Groups[[2]string{"assayer-folder-assayer", "agent"}] = &fakegrafana.Group{Interval: 60, Rules: []map[string]any{{"uid": "assayer-a", "provenance": "file", "folderUID": "assayer-folder-assayer", "ruleGroup": "agent"}}}
		}, "provisioned from a file"},
	} {
		t.Run(name, func(t *testing.T) {
			g := fakegrafana.Start(t)
			g.Change(tt.theirs)
			one := target(t, configured(g))
			err := deploy.Apply(t.Context(), one, plan(t, one, everything(t)), deploy.ApplyOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.says) || len(g.Writes()) != 0 {
				t.Errorf("%v after %v", err, g.Writes())
			}
			wantOps(t, plan(t, one, nil))
		})
	}
}

func TestEditsByHand(t *testing.T) {
	g := fakegrafana.Start(t)
	one := target(t, configured(g, func(c *grafana.Config) { c.Editable = true }))
	files := everything(t)
	apply(t, one, files)
	rename := func(model map[string]any) { model["title"] = "Annas" }
	g.Edit("assayer-on-call", "anna", rename)
	g.Change(func(g *fakegrafana.Grafana) {
		g.Folders[folder].Title = "Renamed"
		g.Dashboards["assayer-cost"].Folder = "" // moved
		g.Groups[[2]string{"assayer-folder-assayer", "agent"}].Rules[0]["isPaused"] = true
	})
	p := plan(t, one, files)
	wantOps(t, p, "update assayer-folder-assayer", "update assayer-on-call", "update assayer-cost", "update assayer-folder-assayer/agent")
	if s := p.Steps[1]; !s.Edited || !strings.Contains(s.Why, "edited by anna at 2026-11-22T10:0") {
		t.Errorf("step is %+v", s)
	}
	if s := p.Steps[3]; !s.Edited || !strings.Contains(s.Why, "edited by somebody at 2026-") {
		t.Errorf("step is %+v", s)
	}
	writes := len(g.Writes())
	if err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{KeepEdits: true}); err == nil || len(g.Writes()) != writes {
		t.Errorf("edits are not kept: %v", err)
	}
	apply(t, one, files)
	wantOps(t, plan(t, one, files))

	// Somebody saves between plan and apply.
	for _, change := range []func(){
		func() { g.Edit("assayer-on-call", "anna", rename) },
		func() {
			g.Change(func(g *fakegrafana.Grafana) {
				g.Groups[[2]string{"assayer-folder-assayer", "agent"}].Rules[0]["title"] = "x"
			})
		},
	} {
		next := []artifact.File{screen(t, "assayer-on-call", "Next"), screen(t, "assayer-cost", "Cost"), rules(t, "agent", "next"), rules(t, "native", "budget burns")}
		p := plan(t, one, next)
		change()
		if err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{}); !errors.Is(err, deploy.ErrChanged) {
			t.Errorf("error is %v", err)
		}
		apply(t, one, files)
	}
	p = plan(t, one, nil)
	g.Edit("assayer-on-call", "anna", rename)
	if err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{PruneAll: true}); !errors.Is(err, deploy.ErrChanged) {
		t.Errorf("deleting what was edited meanwhile: %v", err)
	}
}

// A server that keeps dashboards in another form than it was given has not drifted until somebody saves one.
func TestAnotherFormOfTheSame(t *testing.T) {
	g := fakegrafana.Start(t)
	one := target(t, configured(g))
	files := everything(t)
	apply(t, one, files)
	g.Change(func(g *fakegrafana.Grafana) {
		g.Dashboards["assayer-on-call"].Versions[0].Model["schemaVersion"] = 99
	})
	wantOps(t, plan(t, one, files))
	g.Edit("assayer-on-call", "bob", func(map[string]any) {})
	wantOps(t, plan(t, one, files), "update assayer-on-call")
}

// Grafana fails after any number of changes; the next apply does the rest.
func TestHalfApplied(t *testing.T) {
	for k := range 5 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel() // some wait before they try again
			g := fakegrafana.Start(t)
			one := target(t, configured(g))
			g.Change(func(g *fakegrafana.Grafana) { g.FailAfter = k })
			p := plan(t, one, everything(t))
			err := deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{})
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("after %d of 5 changes (apply again to do the rest)", k)) || !strings.Contains(err.Error(), "database is locked") {
				t.Errorf("error is %v", err)
			}
			if len(g.Writes()) != k {
				t.Errorf("%d writes: %v", len(g.Writes()), g.Writes())
			}
			g.Change(func(g *fakegrafana.Grafana) { g.FailAfter = -1 })
			apply(t, one, everything(t))
			wantOps(t, plan(t, one, everything(t)))
			if len(g.Writes()) != 5 {
				t.Errorf("%d writes in all: %v", len(g.Writes()), g.Writes())
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(g *fakegrafana.Grafana, c *grafana.Config)
		says   []string
	}{
		"wrong token": {func(_ *fakegrafana.Grafana, c *grafana.Config) {
			c.Server.HTTP.Authorization.Credentials = "wrong-canary"
		}, []string{"401", "the setting authorization"}},
		"read-only":   {func(g *fakegrafana.Grafana, _ *grafana.Config) { g.ReadOnly = true }, []string{"403", "may read but not do this, or the server is read-only", "dashboards:write"}},
		"unreachable": {func(_ *fakegrafana.Grafana, c *grafana.Config) { c.Server.URL = "http://127.0.0.1:1" }, []string{"127.0.0.1:1 gives no answer", "the setting url"}},
		"silent": {func(g *fakegrafana.Grafana, c *grafana.Config) {
			c.Server.Timeout = 100 * time.Millisecond
			g.Before = func(r *http.Request) { <-r.Context().Done() }
		}, []string{"no answer within 100ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait
			g := fakegrafana.Start(t)
			c := configured(g)
			tt.change(g, &c)
			one := target(t, c)
			p, err := deploy.Make(t.Context(), "grafana", one, everything(t))
			if err == nil {
				err = deploy.Apply(t.Context(), one, p, deploy.ApplyOptions{})
			}
			for _, want := range tt.says {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
					t.Errorf("error is %v, want %q", err, want)
				}
			}
			if len(g.Writes()) != 0 {
				t.Errorf("written: %v", g.Writes())
			}
		})
	}
}

// Texts of any length and content arrive as they are.
func TestHostileTexts(t *testing.T) {
	for _, summary := range []string{strings.Repeat("x", 1_000_000), "quotes \" ' ` and\nnew\r\nlines\t\u2028 {{ $labels.slo }} <b>&", "ñ€𝄞"} {
		g := fakegrafana.Start(t)
		one := target(t, configured(g))
		files := []artifact.File{rules(t, `a/b "c" ..`, summary)}
		apply(t, one, files)
		p := plan(t, one, files)
		wantOps(t, p)
		g.Change(func(g *fakegrafana.Grafana) {
			for _, group := range g.Groups {
				if got := group.Rules[0]["annotations"].(map[string]any)["summary"]; got != summary {
					t.Errorf("arrived as %.100q, want %.100q", got, summary)
				}
			}
		})
		if p = plan(t, one, []artifact.File{rules(t, `a/b "c" ..`, summary+"y")}); len(p.Steps[1].Diff) > 4000 {
			t.Errorf("difference has %d bytes", len(p.Steps[1].Diff))
		}
	}
}

func TestBadFiles(t *testing.T) {
	one := target(t, configured(fakegrafana.Start(t)))
	good := screen(t, "assayer-x", "X")
	for name, files := range map[string][]artifact.File{
		"no JSON":     {{Path: "a", Kind: artifact.Dashboard, Data: []byte("{")}},
		"no uid":      {screen(t, "", "X")},
		"foreign uid": {screen(t, "on-call", "X")},
		"folder uid":  {screen(t, "assayer-folder-x", "X")},
		"no tag":      {{Path: "a", Kind: artifact.Dashboard, Data: []byte(strings.Replace(string(good.Data), `"assayer"`, `"other"`, 1))}},
		"twice":       {good, good},
		"rule twice":  {rules(t, "a", ""), {Path: "b", Kind: artifact.GrafanaRules, Data: bytes.Replace(rules(t, "a", "").Data, []byte("name: 'a'"), []byte("name: b"), 1)}},
		"no YAML":     {{Path: "a", Kind: artifact.GrafanaRules, Data: []byte("a: [")}},
		"no folder":   {{Path: "a", Kind: artifact.GrafanaRules, Data: []byte("groups: [{name: a, interval: 1m, rules: [{uid: assayer-a}]}]")}},
		"rule uid":    {{Path: "a", Kind: artifact.GrafanaRules, Data: []byte("groups: [{name: a, folder: A, interval: 1m, rules: [{uid: a}]}]")}},
		"empty rule":  {{Path: "a", Kind: artifact.GrafanaRules, Data: []byte("groups: [{name: a, folder: A, interval: 1m, rules: [null]}]")}},
	} {
		if _, err := deploy.Make(t.Context(), "grafana", one, files); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	for name, change := range map[string]func(*grafana.Config){
		"url":    func(c *grafana.Config) { c.Server.URL = "" },
		"folder": func(c *grafana.Config) { c.Folder = " / " },
		"org_id": func(c *grafana.Config) { c.OrgID = -1 },
	} {
		c := grafana.Default()
		c.Server.URL = "http://h"
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRules: any provisioning file is read or refused.
func FuzzRules(f *testing.F) {
	data, err := os.ReadFile("testdata/screens/rules.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("groups: [{name: a, folder: A, interval: 1m, rules: [{uid: assayer-a, annotations: 1, data: [1, {model: {refId: {}}, refId: {}}]}]}]"))
	c := grafana.Default()
	c.Server.URL = "http://h"
	one, err := grafana.New(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := one.Wanted([]artifact.File{{Path: "a", Kind: artifact.GrafanaRules, Data: data}})
		for _, o := range all {
			if err != nil || o.Name == "" || len(o.Text) == 0 {
				t.Errorf("%v with %+v", err, o)
			}
		}
	})
}

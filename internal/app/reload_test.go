package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/app"
)

// TestCollectorsComeAndGo: a section that is not there is a collector without anything to look at.
func TestCollectorsComeAndGo(t *testing.T) {
	s := newSite(t)
	with := fmt.Sprintf(agentFile, s.shop.Listener.Addr())
	without, _, _ := strings.Cut(with, "collectors:")
	s.write("assayer.yaml", without)
	a := s.start()
	reload := func(text string) {
		t.Helper()
		s.write("assayer.yaml", text)
		if err := a.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	reload(with)
	s.baseline()
	s.shop.good.Add(10)
	s.wantEvents(a, "sales", 10, 0)

	reload(without)
	s.eventually("the target to go", func() bool { return !strings.Contains(s.get(a, "/api/v1/targets", http.StatusOK), `"target"`) })
	n := s.shop.looks.Load()
	<-time.After(300 * time.Millisecond)   // six looks
	if m := s.shop.looks.Load(); m > n+1 { // one may have been under way
		t.Errorf("the shop was looked at %d times after its collector was removed", m-n)
	}

	reload(with)
	s.baseline()
	before := s.statuses(a)["sales"].Events.Good
	s.shop.good.Add(5)
	s.wantEvents(a, "sales", before+5, 0)
}

// TestStopAmongReloads: neither waits for the other until the time to stop is up.
func TestStopAmongReloads(t *testing.T) {
	for range 4 {
		s := newSite(t)
		a, err := app.New(t.Context(), s.options())
		if err != nil {
			t.Fatal(err)
		}
		a.Start(t.Context())
		s.baseline()
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for {
					res, err := http.Post("http://"+a.Addr()+"/-/reload", "", nil)
					if err != nil {
						return // it has stopped
					}
					_ = res.Body.Close()
				}
			})
		}
		s.baseline()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		clients.Wait()
		if err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "stopping") {
			t.Errorf("reloading what has stopped gave %v", err)
		}
	}
}

// TestReloadThatFailsTouchesNothing: whatever fails, the agent is as it was.
func TestReloadThatFailsTouchesNothing(t *testing.T) {
	hook := func(more string) string {
		return "hooks: [{name: undo, kind: webhook, mode: approve, objectives: [sales], url: 'http://127.0.0.1:1/', secret: s" + more + "}]\n"
	}
	for says, fail := range map[string]func(a *app.App, file *string){
		"making hook undo": func(_ *app.App, f *string) { *f += hook(", tls_config: {ca_file: nowhere.pem}") },
		"HTTP client of job shop": func(_ *app.App, f *string) {
			*f = strings.Replace(*f, "job_name: shop", "job_name: shop\n        tls_config: {ca_file: nowhere.pem}", 1) + hook("")
		},
		"saving budgets before the reload":      func(a *app.App, f *string) { app.BreakStore(a, true); *f += hook("") },
		"restoring budgets of added objectives": func(a *app.App, f *string) { app.BreakReading(a); *f += hook("") },
	} {
		t.Run(says, func(t *testing.T) {
			s, other := newSite(t), newShop(t)
			a := s.start()
			s.baseline()
			file := fmt.Sprintf(agentFile, other.Listener.Addr())
			s.write("slo/more.yaml", objective("more", 0.5))
			fail(a, &file)
			t.Cleanup(func() { app.BreakStore(a, false) })
			s.baseline() // so that there is something to save
			s.write("assayer.yaml", file)
			res, err := http.Post("http://"+a.Addr()+"/-/reload", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			answer := s.body(res)
			if res.StatusCode != http.StatusInternalServerError || !strings.Contains(answer, "nothing was changed: ") || !strings.Contains(answer, says) {
				t.Errorf("%d %s", res.StatusCode, answer)
			}
			s.baseline()
			if n := other.looks.Load(); n > 0 {
				t.Errorf("the other shop was looked at %d times", n)
			}
			if _, there := s.statuses(a)["more"]; there {
				t.Error("the added objective is there")
			}
			if m := s.get(a, "/metrics", http.StatusOK); strings.Contains(m, `hook="undo"`) {
				t.Error("the added hook is there")
			}
		})
	}
}

// TestReloadThatCannotBeAuditedSaysWhatIsInForce: an answer that nothing was changed would be wrong.
func TestReloadThatCannotBeAuditedSaysWhatIsInForce(t *testing.T) {
	s := newSite(t)
	a := s.start()
	inTheWay := filepath.Join(s.dir, inTheWayOfTheAuditLog)
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(inTheWay) })
	s.write("slo/more.yaml", objective("more", 0.5))
	if err := a.Reload(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the new configuration is in force, but: writing audit entry: ") {
		t.Errorf("got %v", err)
	}
	s.eventually("the added objective", func() bool { _, there := s.statuses(a)["more"]; return there })
}

// TestReloadShowsAtOnce: with an evaluation interval of an hour, only the reload can have brought
// about the evaluation that shows what it put in force.
func TestReloadShowsAtOnce(t *testing.T) {
	s := newSite(t)
	s.write("assayer.yaml", strings.Replace(fmt.Sprintf(agentFile, s.shop.Listener.Addr()), "evaluation_interval: 20ms", "evaluation_interval: 1h", 1))
	a := s.start()
	s.eventually("the first evaluation", func() bool { return len(s.statuses(a)) == 1 })
	s.write("slo/more.yaml", objective("more", 0.5))
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("the added objective", func() bool { _, there := s.statuses(a)["more"]; return there })
	if m := s.get(a, "/metrics", http.StatusOK); !strings.Contains(m, `assayer_slo_objective_ratio{service="shop",slo="more"} 0.5`) {
		t.Error("metrics do not show the added objective")
	}
}

func TestReload(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	s.shop.good.Add(10)
	s.wantEvents(a, "sales", 10, 0)

	s.write("slo/sales.yaml", objective("sales", 0.9)) // another target: the counts stay
	s.write("slo/more.yaml", objective("more", 0.5))
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.baseline()
	s.shop.good.Add(5)
	s.wantEvents(a, "sales", 15, 0)
	s.wantEvents(a, "more", 5, 0)
	if got := s.statuses(a)["sales"].Objective; got != 0.9 {
		t.Errorf("objective %v, want 0.9", got)
	}

	s.write("slo/more.yaml", "kind: SLO\nnonsense: true\n")
	err := a.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "more.yaml") {
		t.Errorf("a broken file was accepted: %v", err)
	}
	s.shop.good.Add(1)
	s.wantEvents(a, "sales", 16, 0)
	s.wantEvents(a, "more", 6, 0)
	if m := s.get(a, "/metrics", http.StatusOK); !strings.Contains(m, "assayer_config_last_reload_successful 0") {
		t.Error("metrics do not say that the reload was refused")
	}

	s.write("slo/more.yaml", "") // removed, and back later: it goes on from what it had
	if err := os.Remove(filepath.Join(s.dir, "slo/more.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := s.statuses(a)["more"]; there {
		s.eventually("the removed objective to go", func() bool { _, there := s.statuses(a)["more"]; return !there })
	}
	s.baseline()
	s.shop.good.Add(100)
	s.wantEvents(a, "sales", 116, 0)
	s.write("slo/more.yaml", objective("more", 0.5))
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.baseline()
	s.shop.good.Add(2)
	s.wantEvents(a, "more", 8, 0)
}

func TestReloadRefusesToMoveTheStore(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.write("assayer.yaml", strings.Replace(fmt.Sprintf(agentFile, s.shop.Listener.Addr()), "path: data", "path: elsewhere", 1))
	if err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "storage.path") {
		t.Errorf("got %v, want a refusal that names storage.path", err)
	}
}

package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/backup"
)

// restoreElsewhere starts an agent on what a backup holds; its target is down.
func (s site) restoreElsewhere(data string) (site, *app.App) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "backup")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		s.t.Fatal(err)
	}
	other := newSite(s.t)
	other.shop.Close()
	dir := filepath.Join(other.dir, "data")
	res, err := backup.Restore(file, backup.Target{StoreDir: dir, AuditLog: filepath.Join(dir, "audit.jsonl"), Stamp: 1}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if report, err := audit.VerifyFile(res.AuditLog, audit.VerifyOptions{}); err != nil || report.Entries < 2 {
		s.t.Errorf("its audit log: %+v, %v", report, err)
	}
	b := other.start()
	other.eventually("a first evaluation", func() bool { return len(other.statuses(b)) > 0 })
	return other, b
}

// TestBackupWhileScraping backs a running agent up between looks that all bring something: each backup
// is of one moment, and an agent on it says what this one said.
func TestBackupWhileScraping(t *testing.T) {
	s := newSite(t)
	a := s.start()
	s.baseline()
	for range 3 {
		looks := s.shop.looks.Load()
		s.eventually("some looks", func() bool {
			s.shop.good.Add(7)
			s.shop.bad.Add(1)
			return s.shop.looks.Load() > looks+3
		})
		before := s.statuses(a)["sales"]
		data := s.get(a, "/api/v1/backup", http.StatusOK)
		s.shop.good.Add(1000)
		other, b := s.restoreElsewhere(data)
		got := other.statuses(b)["sales"]
		after := s.statuses(a)["sales"]
		if got.Events.Bad < before.Events.Bad || got.Events.Bad > after.Events.Bad || got.Events.Good < before.Events.Good || got.Events.Good > float64(s.shop.good.Load()) {
			t.Errorf("restored %+v; before the backup %+v, after it %+v", got.Events, before.Events, after.Events)
		}
	}
	s.baseline() // what was counted last has been taken in
	good, bad := float64(s.shop.good.Load()), float64(s.shop.bad.Load())
	s.wantEvents(a, "sales", good, bad)
	want := s.statuses(a)["sales"]
	other, b := s.restoreElsewhere(s.get(a, "/api/v1/backup", http.StatusOK))
	got := other.statuses(b)["sales"]
	if got.Events != want.Events || got.ErrorBudget.RemainingRatio != want.ErrorBudget.RemainingRatio {
		t.Errorf("restored %+v and %v of the budget, want %+v and %v", got.Events, got.ErrorBudget.RemainingRatio, want.Events, want.ErrorBudget.RemainingRatio)
	}
}

func TestBackupIsGuarded(t *testing.T) {
	s := newSite(t)
	a := s.start()
	release := app.HoldBackup(a)
	s.get(a, "/api/v1/backup", http.StatusServiceUnavailable)
	release()
	s.get(a, "/api/v1/backup", http.StatusOK)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+"/api/v1/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("under a name that is not ours: %d, want 403", res.StatusCode)
	}
	post, err := http.Post("http://"+a.Addr()+"/api/v1/backup", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer post.Body.Close()
	if post.StatusCode != http.StatusMethodNotAllowed || post.Header.Get("Allow") != http.MethodGet {
		t.Errorf("POST: %d, want 405", post.StatusCode)
	}
}

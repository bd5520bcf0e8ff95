package deploy_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
)

// board is a target in memory that refuses to be written.
type board struct {
	deploy.Target
	mu    sync.Mutex
	found deploy.State
	err   error
	looks []time.Time
}

func (b *board) Wanted(files []artifact.File) ([]deploy.Object, error) {
	var out []deploy.Object
	for _, f := range files {
		out = append(out, deploy.Object{Kind: string(f.Kind), Name: f.Path, Text: f.Data})
	}
	return out, nil
}

func (b *board) Deployed(context.Context, []deploy.Object) (deploy.State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks = append(b.looks, time.Now())
	return b.found, b.err
}

func (b *board) set(s deploy.State, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found, b.err = s, err
}

func ours(kind, name, text string) deploy.Found {
	return deploy.Found{Object: deploy.Object{Kind: kind, Name: name, Text: []byte(text)}, Ours: true}
}

// pass lets time go by, which in a bubble takes none.
func pass(d time.Duration) { <-time.After(d) }

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reports := 0
		w := deploy.NewWatcher(time.Now, slog.New(slog.DiscardHandler), func([]deploy.Check) { mu.Lock(); reports++; mu.Unlock() })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		files := func() ([]artifact.File, error) {
			return []artifact.File{{Path: "a", Kind: "rules", Data: []byte("1")}, {Path: "b", Kind: "dashboard", Data: []byte("2")}}, nil
		}
		b := &board{found: deploy.State{Found: []deploy.Found{ours("rules", "a", "1"), ours("dashboard", "b", "2")}}}
		w.Watch([]deploy.Watched{{Name: "prod", Every: 5 * time.Minute, Target: b, Files: files}})
		check := func(after time.Duration, drifted map[string]int, says, fails string, failed uint64) {
			t.Helper()
			pass(after)
			synctest.Wait()
			all := w.Checks()
			if len(all) != 1 {
				t.Fatalf("%d checks", len(all))
			}
			c := all[0]
			text := ""
			if c.Err != nil {
				text = c.Err.Error()
			}
			if !maps.Equal(c.Drifted, drifted) || (says == "") != (c.Some == "") || !strings.Contains(c.Some, says) || !strings.Contains(text, fails) || (fails == "") != (text == "") || c.Failed != failed {
				t.Errorf("check is %+v, want %v %q %q", c, drifted, says, fails)
			}
		}
		check(30*time.Second, map[string]int{"rules": 0, "dashboard": 0}, "", "", 0)
		b.set(deploy.State{Found: []deploy.Found{ours("rules", "a", "edited"), ours("rules", "old", "x"), {Object: deploy.Object{Kind: "dashboard", Name: "b"}, Foreign: "theirs"}}, Pending: "not told"}, nil)
		check(6*time.Minute, map[string]int{"rules": 2, "dashboard": 1, "reload": 1}, "rules a would be changed (update), and 2 more", "", 0)
		b.set(deploy.State{Busy: true, Pending: "an apply is under way"}, nil)
		check(6*time.Minute, map[string]int{"rules": 2, "dashboard": 1, "reload": 1}, "rules a would be changed (update), and 2 more", "", 0)
		at := w.Checks()[0].At
		b.set(deploy.State{}, errors.New("it is down"))
		check(6*time.Minute, map[string]int{"rules": 2, "dashboard": 1, "reload": 1}, "rules a", "it is down", 1)
		if got := w.Checks()[0].At; !got.Equal(at) {
			t.Errorf("a look that failed moved the time of the last one from %v to %v", at, got)
		}
		b.set(deploy.State{Found: []deploy.Found{ours("rules", "a", "1"), ours("dashboard", "b", "2")}, Pending: "the server was not told"}, nil)
		check(6*time.Minute, map[string]int{"rules": 0, "dashboard": 0, "reload": 1}, "the server was not told", "", 1)
		w.Watch(nil) // as after a reload
		pass(time.Hour)
		synctest.Wait()
		b.mu.Lock()
		looks := len(b.looks)
		for i, at := range b.looks[1:] {
			if gap := at.Sub(b.looks[i]); gap < 4*time.Minute+30*time.Second || gap > 5*time.Minute+30*time.Second {
				t.Errorf("looks are %v apart", gap)
			}
		}
		b.mu.Unlock()
		if len(w.Checks()) != 0 || looks < 5 || looks > 6 || reports != looks+1 {
			t.Errorf("%d looks, %d reports, %d checks left", looks, reports, len(w.Checks()))
		}
		w.Watch([]deploy.Watched{{Name: "prod", Every: time.Minute, Target: b, Files: func() ([]artifact.File, error) { return nil, errors.New("cannot generate") }}})
		pass(2 * time.Minute)
		synctest.Wait()
		if all := w.Checks(); len(all) != 1 || all[0].Err == nil || !all[0].At.IsZero() || all[0].Failed == 0 {
			t.Errorf("checks are %+v", all)
		}
		cancel()
		<-done
	})
}

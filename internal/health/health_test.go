package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// clock is a clock that only the test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newTracker(conditions ...Condition) (*Tracker, *clock) {
	c := &clock{time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	return New(c.now, conditions), c
}

// shown lists the visible problems as "name/subject".
func shown(t *Tracker) []string {
	var out []string
	for _, p := range t.Problems() {
		out = append(out, string(p.Name)+"/"+p.Subject)
	}
	return out
}

func TestTimeToVisible(t *testing.T) {
	tr, c := newTracker(Condition{Name: "down", Severity: Warning, TimeToVisible: 15 * time.Second, Advice: "look"})
	start := c.t
	tr.Set("down", "a", "refused")
	c.advance(14 * time.Second)
	if got := shown(tr); got != nil {
		t.Fatalf("after 14 s: %v, want nothing", got)
	}
	tr.Set("down", "a", "timed out") // the same outage with another message
	c.advance(time.Second)
	got := tr.Problems()
	want := Problem{Name: "down", Subject: "a", Severity: Warning, Message: "timed out", Advice: "look", Since: start}
	if len(got) != 1 || got[0] != want {
		t.Fatalf("after 15 s: %+v, want %+v", got, want)
	}

	tr.Clear("down", "a")
	tr.Set("down", "a", "again")
	if got := shown(tr); got != nil {
		t.Fatalf("a new outage is shown at once: %v", got)
	}
}

func TestDependsOn(t *testing.T) {
	tr, c := newTracker(
		Condition{Name: "stopping", Severity: Warning},
		Condition{Name: "down", Severity: Warning, TimeToVisible: time.Minute},
		Condition{Name: "slow", Severity: Warning, DependsOn: []Name{"down", "stopping"}},
	)
	tr.Set("slow", "a", "9 s")
	tr.Set("slow", "b", "9 s")
	tr.Set("down", "a", "refused")
	if got, want := shown(tr), []string{"slow/b"}; !slices.Equal(got, want) {
		t.Fatalf("cause of a set but not yet visible: %v, want %v", got, want)
	}
	c.advance(time.Minute)
	if got, want := shown(tr), []string{"down/a", "slow/b"}; !slices.Equal(got, want) {
		t.Fatalf("cause visible: %v, want %v", got, want)
	}
	tr.Set("stopping", "", "told to")
	if got, want := shown(tr), []string{"down/a", "stopping/"}; !slices.Equal(got, want) {
		t.Fatalf("a cause of the whole agent explains every subject: %v, want %v", got, want)
	}
}

func TestReady(t *testing.T) {
	tr, c := newTracker(
		Condition{Name: "starting", NotReady: true},
		Condition{Name: "late", NotReady: true, TimeToVisible: 10 * time.Second},
		Condition{Name: "disk", Severity: Error},
	)
	if !tr.Ready() {
		t.Fatal("nothing is set, yet not ready")
	}
	tr.Set("starting", "", "reading the store")
	if tr.Ready() {
		t.Fatal("ready while starting")
	}
	tr.Clear("starting", "")
	tr.Set("disk", "", "full")
	tr.Set("late", "", "12 s")
	if !tr.Ready() {
		t.Fatal("a full disk or a short delay takes the agent out of service")
	}
	c.advance(10 * time.Second)
	if tr.Ready() {
		t.Fatal("ready although evaluation is late for 10 s")
	}
}

// What is no longer among those that a condition holds for is forgotten, other conditions of it are not.
func TestReplace(t *testing.T) {
	tr, c := newTracker(Condition{Name: "down", Severity: Warning, TimeToVisible: time.Minute}, Condition{Name: "slow", Severity: Warning})
	tr.Set("slow", "a", "9 s")
	tr.Replace("down", map[string]string{"a": "refused", "b": "refused"})
	c.advance(time.Minute)
	tr.Replace("down", map[string]string{"a": "timed out", "c": "refused"})
	if got, want := shown(tr), []string{"down/a", "slow/a"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v: c is down only since now", got, want)
	}
	if p := tr.Problems()[0]; p.Message != "timed out" || c.now().Sub(p.Since) != time.Minute {
		t.Errorf("a is down: %+v", p)
	}
	tr.Replace("down", nil)
	if got, want := shown(tr), []string{"slow/a"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestOrderReportAndClear(t *testing.T) {
	tr, c := newTracker(Condition{Name: "w", Severity: Warning}, Condition{Name: "e", Severity: Error})
	tr.Set("w", "old", "m")
	c.advance(time.Second)
	tr.Report("e", "x", errors.New("disk full"))
	tr.Set("w", "new", "m")
	tr.Set("no such", "", "a part set a name that is not in the table")
	if got, want := shown(tr), []string{"e/x", "no such/", "w/old", "w/new"}; !slices.Equal(got, want) {
		t.Fatalf("order %v, want %v", got, want)
	}
	tr.Report("e", "x", nil)
	tr.Clear("w", "old")
	tr.Clear("no such", "")
	if got, want := shown(tr), []string{"w/new"}; !slices.Equal(got, want) {
		t.Fatalf("after clearing: %v, want %v", got, want)
	}
}

func TestBounds(t *testing.T) {
	tr, _ := newTracker()
	for i := range maxSubjects + 5 {
		tr.Set("down", fmt.Sprint(i), "x"+strings.Repeat("é", maxMessageBytes))
	}
	got := tr.Problems()
	if len(got) != maxSubjects || len(got[0].Message) > maxMessageBytes || !utf8.ValidString(got[0].Message) {
		t.Fatalf("%d problems of %d bytes", len(got), len(got[0].Message))
	}
}

func TestConcurrentUse(t *testing.T) {
	tr, _ := newTracker(Conditions()...)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				tr.Set(TargetDown, fmt.Sprint(i), "m")
				tr.Problems()
				tr.Ready()
				tr.Clear(TargetDown, fmt.Sprint(i))
			}
		})
	}
	wg.Wait()
	if got := tr.Problems(); len(got) != 0 {
		t.Fatalf("left over: %v", got)
	}
}

// The table is read by people at night: every entry says what to do, and every cause exists.
func TestConditionsAreComplete(t *testing.T) {
	names := map[Name]bool{}
	for _, c := range Conditions() {
		if names[c.Name] {
			t.Errorf("%s is listed twice", c.Name)
		}
		names[c.Name] = true
		if !strings.HasSuffix(c.Advice, ".") {
			t.Errorf("%s: advice %q is not a sentence", c.Name, c.Advice)
		}
		if c.Severity != Error && c.Severity != Warning {
			t.Errorf("%s: severity %q", c.Name, c.Severity)
		}
	}
	for _, c := range Conditions() {
		for _, d := range c.DependsOn {
			if !names[d] {
				t.Errorf("%s depends on %s, which does not exist", c.Name, d)
			}
		}
	}
}

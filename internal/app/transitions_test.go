package app_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/slo"
)

// told gives what do logs, one line an element.
func told(log *bytes.Buffer, do func()) []string {
	log.Reset()
	do()
	if log.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
}

func newTold() (*app.Told, *bytes.Buffer) {
	var log bytes.Buffer
	return app.NewTold(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))), &log
}

func wantLines(t *testing.T, step string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant\n%s", step, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLogTellsOfEachTransitionOnce(t *testing.T) {
	out, log := newTold()
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	status := func(state slo.State, reason string, firing bool) slo.Status {
		tier := slo.TierStatus{Name: "page-1h", Severity: "page", Firing: firing}
		if firing {
			since := time.Date(2026, 11, 21, 10, 1, 0, 0, time.UTC)
			tier.Since, tier.Why = &since, "20x"
		}
		return slo.Status{Name: "auth", Service: "card", State: state, Reason: reason, At: at, Tiers: []slo.TierStatus{tier}}
	}
	look := func(s ...slo.Status) []string { return told(log, func() { out.Statuses(s...) }) }

	wantLines(t, "new and fine", look(status(slo.Unknown, "new", false)))
	wantLines(t, "known", look(status(slo.OK, "all left", false)),
		`level=INFO msg="state changed" objective=auth service=card from=unknown to=ok reason="all left"`)
	at = at.Add(time.Minute)
	wantLines(t, "burning", look(status(slo.Burning, "burns", true)),
		`level=WARN msg="tier fires" objective=auth service=card tier=page-1h severity=page why=20x`,
		`level=WARN msg="state changed" objective=auth service=card from=ok to=burning reason=burns`)
	at = at.Add(time.Minute)
	wantLines(t, "still burning", look(status(slo.Burning, "burns on", true)))
	at = at.Add(30 * time.Second)
	wantLines(t, "over", look(status(slo.OK, "half left", false)),
		`level=INFO msg="tier stopped firing" objective=auth service=card tier=page-1h severity=page after=1m30s`,
		`level=INFO msg="state changed" objective=auth service=card from=burning to=ok reason="half left"`)
	wantLines(t, "removed", look())
	wantLines(t, "back, and spent meanwhile", look(status(slo.Exhausted, "spent", false)),
		`level=WARN msg="state found" objective=auth service=card state=exhausted reason=spent`)
}

func TestLogTellsOfTargetsOnce(t *testing.T) {
	out, log := newTold()
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	look := func(after time.Duration, errors ...string) []string {
		var all []collector.TargetStatus
		for i, err := range errors {
			all = append(all, collector.TargetStatus{Target: collector.Target("t" + string(rune('1'+i))), Provider: "p", LastError: err})
		}
		return told(log, func() { out.Targets(at.Add(after), all...) })
	}
	wantLines(t, "up", look(0, "", ""))
	wantLines(t, "down", look(time.Second, "refused", ""), `level=WARN msg="target is down" target=t1 collector=p err=refused`)
	wantLines(t, "still down", look(2*time.Second, "timeout", ""))
	wantLines(t, "back", look(6*time.Second, "", ""), `level=INFO msg="target is back" target=t1 collector=p after=5s`)
	wantLines(t, "gone while down", append(look(7*time.Second, "", "refused"), look(8*time.Second, "")...),
		`level=WARN msg="target is down" target=t2 collector=p err=refused`)
}

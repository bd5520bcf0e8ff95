package files_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

func TestGrowingLog(t *testing.T) {
	bubble(t, "half a line waits", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		r.append("a.log", ev("1", "2")+"---3 rec")
		r.start()
		defer r.stop()
		r.want("1,2")
		if !r.caught.Load() {
			t.Error("what was there at the start has been put, and the source does not say so")
		}
		r.pass(time.Minute)
		r.want("1,2")
		r.append("a.log", "eived\n"+ev("4"))
		r.append("b.log", ev("5"))
		r.append(".hidden.log", ev("x"))
		r.append("c.log.tmp", ev("x"))
		r.pass(time.Second)
		r.want("1,2,3,4,5")
	})
	bubble(t, "bad, refused and overlong lines cost themselves", func(t *testing.T) {
		r := newRig(t, "fix", "*.log")
		r.append("a.log", ev("1")+"!mistake\n\n"+ev("2")+"x refused\n"+strings.Repeat("y", 3<<20))
		r.start()
		defer r.stop()
		r.want("1,2")
		r.wantLog("a.log line=2 err=", "a.log line=5 err=")
		r.append("a.log", strings.Repeat("y", 1<<20)+"\n"+ev("3")+"!again\n")
		r.pass(time.Second)
		r.want("1,2,3")
		r.wantLog("too long", "line=6", "a.log line=8 err=")
		if n := strings.Count(r.log.String(), "level=WARN"); n != 4 {
			t.Errorf("%d complaints, want 4:\n%s", n, r.log)
		}
	})
	bubble(t, "complaints are bounded", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		r.append("a.log", strings.Repeat("!\n", 5000)+ev("1"))
		r.start()
		defer r.stop()
		r.want("1")
		r.pass(time.Minute)
		r.append("a.log", "!\n")
		r.pass(time.Second)
		if n := strings.Count(r.log.String(), "level=WARN"); n > 15 {
			t.Errorf("%d lines are logged", n)
		}
		r.wantLog("not_shown=4990", "line=5002", "total=5001")
	})
	bubble(t, "batches are bounded", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		var b strings.Builder
		for i := range 30_500 {
			fmt.Fprintf(&b, "%d received\n", i)
		}
		r.append("a.log", b.String())
		r.start()
		defer r.stop()
		if n := len(r.sink.Accepted()); n != 30_500 || !r.caught.Load() {
			t.Errorf("%d events, caught up: %v", n, r.caught.Load())
		}
		if n := slices.Max(r.sink.Batches()); n > 1000 {
			t.Errorf("%d events were put at once", n)
		}
	})
	bubble(t, "a busy sink gets everything in order", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		puts := 0
		r.sink.Before = func(transactions.Batch) error {
			if puts++; puts%3 != 0 {
				return transactions.ErrBusy
			}
			return nil
		}
		r.append("a.log", ev("1"))
		r.start()
		defer r.stop()
		r.append("a.log", ev("2", "3"))
		r.append("b.log", ev("4"))
		if r.caught.Load() {
			t.Error("nothing has been put, and the source says that it has caught up")
		}
		r.pass(10 * time.Second)
		r.want("1,2,3,4")
		r.wantLog(`works" source=switch what="storing events"`, `"works again" source=switch what="storing events"`)
	})
}

package files_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDocuments(t *testing.T) {
	bubble(t, "read once when at rest", func(t *testing.T) {
		r := newRig(t, "iso20022", "in/*.xml*")
		r.must(os.Mkdir(r.path("in"), 0o700))
		r.append("in/a.xml", "1 settled\n")
		r.append("in/b.xml.gz", string(compress(t, []byte("2 settled\n"))))
		r.start()
		r.pass(4 * time.Second)
		r.append("in/a.xml", "3 settled\n")
		r.pass(4 * time.Second)
		r.want("2")
		if r.caught.Load() {
			t.Error("a document that was there at the start has not been read")
		}
		r.pass(4 * time.Second)
		r.want("2,1,3")
		if !r.caught.Load() {
			t.Error("everything was read, and the source does not say so")
		}
		r.stop()
		r.start()
		r.pass(time.Hour)
		if got := total(r.sink); got != 3 {
			t.Errorf("%d events were put, want 3", got)
		}
		r.append("in/a.xml", "4 settled\n") // another document in its place
		r.pass(10 * time.Second)
		r.want("2,1,3,4")
		r.stop()
	})
	bubble(t, "moved away", func(t *testing.T) {
		r := newRig(t, "nacha", "in")
		for _, d := range []string{"in", "in/done", "in/failed"} {
			r.must(os.Mkdir(r.path(d), 0o700))
		}
		r.cfg.DoneDir, r.cfg.FailedDir = r.path("in/done"), r.path("in/failed")
		r.append("in/a", "1 settled\n2 settled\nx refused\n")
		r.append("in/b", "3 settled\n!mistake\n4 settled\n")
		r.append("in/done/a", "yesterday's\n")
		r.start()
		defer r.stop()
		r.pass(10 * time.Second)
		r.want("1,2,3")
		r.wantLog("/b events=1", "event=3")
		for name, want := range map[string]string{"in/done": "a,a.1", "in/failed": "b", "in": "done,failed"} {
			entries, err := os.ReadDir(r.path(name))
			r.must(err)
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if got := strings.Join(names, ","); got != want {
				t.Errorf("%s has %s, want %s", name, got, want)
			}
		}
		r.append("in/c", "5 settled\n")
		r.pass(10 * time.Second)
		if p := r.sink.Position("switch"); strings.Count(p, "\n") > 2 {
			t.Errorf("documents that are gone are remembered: %s", p)
		}
	})
	bubble(t, "large", func(t *testing.T) {
		r := newRig(t, "iso20022", "*.xml")
		r.cfg.MaxBytes = 1 << 20
		var b strings.Builder
		for i := range 2500 {
			fmt.Fprintf(&b, "%d settled\n", i)
		}
		r.append("a.xml", b.String())
		r.append("b.xml", strings.Repeat("\n", 1<<20+1))
		r.start()
		defer r.stop()
		r.pass(10 * time.Second)
		if got := len(r.sink.Accepted()); got != 2500 || slices.Max(r.sink.Batches()) > 1000 {
			t.Errorf("got %d events in %v", got, r.sink.Batches())
		}
		r.wantLog("b.xml events=0", "larger than 1048576 bytes")
	})
	bubble(t, "as many as are remembered", func(t *testing.T) {
		r := newRig(t, "iso20022", "*.xml")
		r.cfg.MaxFiles = 3
		for i := range 5 {
			r.append(fmt.Sprintf("%d.xml", i), fmt.Sprintf("%d settled\n", i))
		}
		r.start()
		defer r.stop()
		r.pass(10 * time.Second)
		if got := len(r.sink.Accepted()); got != 3 {
			t.Errorf("got %d events", got)
		}
		r.wantLog("set done_dir")
	})
}

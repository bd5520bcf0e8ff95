package files_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

func TestRotation(t *testing.T) {
	bubble(t, "renamed within the paths", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log*")
		r.append("a.log", ev("1"))
		r.start()
		defer r.stop()
		r.append("a.log", ev("2"))
		r.must(os.Rename(r.path("a.log"), r.path("a.log.1")))
		r.append("a.log", ev("3"))
		r.append("a.log.1", ev("4"))
		r.pass(time.Second)
		r.want("1,2,4,3")
		if slices.Max(r.sink.Batches()) > 2 {
			t.Error("something was read twice")
		}
	})
	bubble(t, "renamed out of the paths", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log")
		r.append("a.log", ev("1"))
		r.start()
		defer r.stop()
		r.append("a.log", ev("2"))
		r.must(os.Rename(r.path("a.log"), r.path("old")))
		r.append("a.log", ev("3"))
		r.pass(time.Second)
		r.append("old", ev("4")+"---5 received") // its writer goes away without ending the line
		r.pass(2 * time.Second)
		r.want("1,2,3,4")
		r.pass(10 * time.Second)
		r.want("1,2,3,4,5")
		r.append("old", ev("6"))
		r.pass(10 * time.Second)
		r.want("1,2,3,4,5")
	})
	bubble(t, "removed", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log")
		r.append("a.log", ev("1"))
		r.start()
		defer r.stop()
		r.append("a.log", ev("2"))
		r.must(os.Remove(r.path("a.log")))
		r.pass(time.Second)
		r.want("1,2")
	})
	for _, pattern := range []string{"a.log", "a.log*"} {
		bubble(t, "copied and truncated "+pattern, func(t *testing.T) {
			r := newRig(t, "ndjson", pattern)
			r.append("a.log", ev("1", "2"))
			r.start()
			defer r.stop()
			r.append("a.log", ev("3"))
			r.copyTruncate("a.log", "a.log.1")
			r.append("a.log", ev("4"))
			r.pass(2 * time.Second)
			if got := len(r.sink.Accepted()); got != 4 {
				t.Errorf("%d events of 4:\n%s", got, r.log)
			}
			// It has grown past where it had been read to when it is looked at again.
			r.copyTruncate("a.log", "a.log.2")
			r.append("a.log", ev("5", "6", "7", "8"))
			r.pass(2 * time.Second)
			if got := len(r.sink.Accepted()); got != 8 || total(r.sink) != 8 {
				t.Errorf("%d events of 8, %d were put:\n%s", got, total(r.sink), r.log)
			}
		})
	}
	bubble(t, "every log begins alike", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log*")
		banner := strings.Repeat("#switch-4-of-the-bank-format-2 refused\n", 10)
		r.append("a.log", banner+ev("1", "2"))
		r.start()
		defer r.stop()
		r.must(os.Truncate(r.path("a.log"), 0))
		r.append("a.log", banner+ev("3", "4", "5"))
		r.append("a.log.1", banner+ev("6", "7", "8", "9"))
		r.append("old", banner+ev("a", "b", "c"))
		r.gzip("old", "a.log.2.gz")
		r.pass(10 * time.Second)
		if got := len(r.sink.Accepted()); got != 12 {
			t.Errorf("%d events of 12", got)
		}
	})
	bubble(t, "another file of the same name", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log")
		r.append("a.log", ev("1", "2"))
		r.start()
		defer r.stop()
		r.append("new", ev("3"))
		r.must(os.Rename(r.path("new"), r.path("a.log")))
		r.pass(time.Second)
		r.want("1,2,3")
	})
	bubble(t, "compressed", func(t *testing.T) {
		r := newRig(t, "ndjson", "a.log*")
		r.append("a.log", ev("1", "2", "3", "4", "5", "6"))
		r.append("strange", ev("x", "y"))
		r.gzip("strange", "a.log.9.gz")
		r.start()
		defer r.stop()
		r.want("1,2,3,4,5,6")
		if r.caught.Load() {
			t.Error("an archive that was there at the start has not been read yet")
		}
		r.pass(5 * time.Second)
		r.want("1,2,3,4,5,6,x,y")
		if !r.caught.Load() {
			t.Error("everything was read, and the source does not say so")
		}
		before := total(r.sink)
		// Between two looks it is written to, rotated and compressed.
		r.append("a.log", ev("7"))
		r.gzip("a.log", "a.log.1.gz")
		r.append("a.log", ev("8"))
		r.pass(10 * time.Second)
		if got := len(r.sink.Accepted()); got != 10 {
			t.Errorf("%d events of 10:\n%s", got, r.log)
		}
		r.must(os.Rename(r.path("a.log.1.gz"), r.path("a.log.2.gz")))
		r.pass(20 * time.Second)
		if got := total(r.sink) - before; got != 2 {
			t.Errorf("%d events were put after the first eight, want the two that are new", got)
		}
	})
	bubble(t, "a broken archive", func(t *testing.T) {
		r := newRig(t, "ndjson", "*")
		whole := compress(t, []byte(ev("1")+strings.Repeat("z", 1<<20+1)+"\n"+ev("2")))
		r.append("a.gz", string(whole[:len(whole)-9]))
		r.append("b.gz", "no gzip")
		r.start()
		defer r.stop()
		r.pass(time.Hour)
		r.wantLog("a.gz events=", "b.gz events=0")
		if n := strings.Count(r.log.String(), "to its end"); n != 2 {
			t.Errorf("told %d times", n)
		}
		r.must(os.WriteFile(r.path("a.gz"), whole, 0o600))
		r.pass(10 * time.Second)
		r.want("1,2")
		r.wantLog("too long")
	})
}

func total(s *fakesink.Sink) (n int) {
	for _, b := range s.Batches() {
		n += b
	}
	return n
}

func TestRestart(t *testing.T) {
	bubble(t, "goes on where it was", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		r.append("a.log", ev("1", "2"))
		r.append("b.log", ev("3")+"!\n")
		r.start()
		r.stop()
		r.append("a.log", "!\n"+ev("4"))
		r.start()
		defer r.stop()
		r.want("1,2,3,4")
		if got := total(r.sink); got != 4 {
			t.Errorf("%d events were put, want 4", got)
		}
		r.wantLog("a.log line=3 err=")
		if strings.Count(r.log.String(), "b.log line=2") != 1 {
			t.Errorf("a bad line was read again:\n%s", r.log)
		}
	})
	bubble(t, "rotated and compressed meanwhile", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log", "*.gz")
		r.append("a.log", ev("1", "2"))
		r.append("b.log", ev("3", "4"))
		r.start()
		r.stop()
		r.append("a.log", ev("5"))
		r.must(os.Rename(r.path("a.log"), r.path("a.log.1"))) // out of the paths
		r.append("a.log", ev("6"))
		r.append("b.log", ev("7"))
		r.gzip("b.log", "b.gz")
		r.start()
		defer r.stop()
		r.pass(10 * time.Second)
		if got := len(r.sink.Accepted()); got != 7 || total(r.sink) != 7 {
			t.Errorf("%d events of 7, %d were put:\n%s", got, total(r.sink), r.log)
		}
	})
	bubble(t, "position of something else", func(t *testing.T) {
		r := newRig(t, "ndjson", "*.log")
		_, err := r.sink.Put(t.Context(), transactions.Batch{Source: "switch", Position: "partition 3"})
		r.must(err)
		r.append("a.log", ev("1"))
		r.start()
		defer r.stop()
		r.want("1")
		r.wantLog("level=ERROR")
	})
}

// TestAnythingMayHappen: whatever is done to a log, no line is lost, and none is put twice but where a copy
// and its original are there together.
func TestAnythingMayHappen(t *testing.T) {
	for seed := range uint64(40) {
		bubble(t, fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			r := newRig(t, "ndjson", "a.log*")
			r.start()
			lines, half, copies := 0, false, false
			for step := range 60 {
				switch random.IntN(9) {
				case 0, 1, 2, 3:
					if half {
						r.append("a.log", "received\n")
						half = false
					}
					for range random.IntN(5) {
						lines++
						r.append("a.log", ev(fmt.Sprint(lines)))
					}
				case 4:
					if !half {
						lines++
						r.append("a.log", strings.Repeat("-", 60)+fmt.Sprintf("%d ", lines))
						half = true
					}
				case 5:
					r.pass(time.Duration(random.IntN(8000)) * time.Millisecond)
				case 6:
					r.stop()
					r.start()
				default:
					// A line of which half is in one file and half in the next is nobody's.
					if _, err := os.Stat(r.path("a.log")); err != nil || half {
						continue
					}
					to := fmt.Sprintf("a.log.%d", step)
					switch random.IntN(3) {
					case 0:
						r.must(os.Rename(r.path("a.log"), r.path(to)))
					case 1:
						r.copyTruncate("a.log", to)
						copies = true
					default:
						r.gzip("a.log", to+".gz")
					}
				}
			}
			if half {
				r.append("a.log", "received\n")
			}
			r.pass(20 * time.Second)
			r.stop()
			if got := len(r.sink.Accepted()); got != lines {
				t.Errorf("%d lines of %d:\n%s", got, lines, r.log)
			}
			if !copies && total(r.sink) != lines {
				t.Errorf("%d events were put, %d lines were written", total(r.sink), lines)
			}
		})
	}
}

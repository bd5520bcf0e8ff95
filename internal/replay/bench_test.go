package replay_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/replay"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/slo/spec"
)

// month is a recording of so many days of 1,000 series: 250 targets at 15 s, some errors now and then.
func month(b *testing.B, days int) *recording.Spool {
	b.Helper()
	s, err := recording.NewSpool(b.TempDir())
	must(b, err)
	for target := range 250 {
		for i, name := range []string{"card_total", "card_total", "card_inflight_ratio", "up"} {
			outcome := []string{"good", "bad", "", ""}[i]
			ref, err := s.Add(labels.FromStrings(labels.MetricName, name, "outcome", outcome, "job", "card", "instance", fmt.Sprint(target)))
			must(b, err)
			v := 0.0
			for k := range days * 24 * 240 {
				switch i {
				case 0:
					v += 30
				case 1:
					if (k*7919+target)%1000 == 0 {
						v++
					}
				case 2:
					v = 0.5
				case 3:
					v = 1
				}
				must(b, s.Float(ref, int64(k)*15000+int64(target)*60, v))
			}
		}
	}
	must(b, s.Finish())
	return s
}

// BenchmarkReplay replays a day of 1,000 series for three objectives.
func BenchmarkReplay(b *testing.B) {
	all := benchObjectives(b)
	w := wanted(b, all)
	spool := month(b, 1)
	for b.Loop() {
		r, err := recording.NewReader(b.Context(), []recording.Part{spool}, w, recording.Options{})
		must(b, err)
		_, _, err = replay.Run(b.Context(), r, [][]spec.Objective{all}, replay.Options{EvaluationInterval: 15 * time.Second})
		must(b, err)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)*30/float64(time.Second), "s/month")
}

// BenchmarkRead only reads it.
func BenchmarkRead(b *testing.B) {
	all := benchObjectives(b)
	w := wanted(b, all)
	spool := month(b, 1)
	for b.Loop() {
		r, err := recording.NewReader(b.Context(), []recording.Part{spool}, w, recording.Options{})
		must(b, err)
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)*30/float64(time.Second), "s/month")
}

func benchObjectives(b *testing.B) []spec.Objective { return objectives(b, document) }

package recording_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay/recording"
)

// want takes every series whose name begins with x.
func want() recording.Wanted {
	return recording.Wanted{Interest: collector.Interest{AllNames: true, Match: func(ls labels.Labels) bool {
		return strings.HasPrefix(ls.Get(labels.MetricName), "x")
	}}}
}

// part makes a spool of samples written as "name/job/instance@seconds=value", stale for a marker.
func part(t *testing.T, samples string) *recording.Spool {
	t.Helper()
	s, err := recording.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.FieldsSeq(samples) {
		series, rest, _ := strings.Cut(text, "@")
		var at, v float64
		if _, err := fmt.Sscanf(strings.ReplaceAll(rest, "=stale", "=-9999"), "%f=%f", &at, &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if v == -9999 {
			v = math.Float64frombits(value.StaleNaN)
		}
		p := strings.Split(series, "/")
		ref, err := s.Add(labels.FromStrings(labels.MetricName, p[0], "job", p[1], "instance", p[2]))
		if err == nil {
			err = s.Float(ref, int64(at*1000), v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	return s
}

// looks reads everything, one look a line.
func looks(t *testing.T, o recording.Options, parts ...recording.Part) []string {
	t.Helper()
	r, err := recording.NewReader(t.Context(), parts, want(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []string
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%v %s every %v", float64(c.At.UnixMilli())/1000, c.Target, c.Interval)
		for _, s := range c.Samples {
			line += fmt.Sprintf(" %s=%v", s.Series.Labels.Get(labels.MetricName), s.Value)
			if s.AtMs != 0 {
				line += fmt.Sprintf("@%d", s.AtMs/1000)
			}
		}
		for _, s := range c.Unusable {
			line += " unusable " + s.Labels.Get(labels.MetricName)
		}
		if c.Err != nil {
			line += " failed"
		}
		if c.Gone {
			line += " gone"
		}
		if c.Group != "j" {
			t.Errorf("%s: group %q", line, c.Group)
		}
		out = append(out, line)
	}
}

func wantLooks(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestSamplesOfOneMomentAreOneLook(t *testing.T) {
	wantLooks(t, looks(t, recording.Options{}, part(t, "xb/j/i@30=7 xa/j/i@15=1 xa/j/i@30=2 xb/j/i@15=6 xa/j/k@17=5 no/j/i@15=0 xa/j/k@32=NaN xa/j/k@47=+Inf")),
		"15 j/i every 15s xa=1 xb=6",
		"17 j/k every 15s xa=5",
		"30 j/i every 15s xa=2 xb=7",
		"32 j/k every 15s unusable xa",
		"47 j/k every 15s unusable xa",
	)
}

// TestUp: where up was recorded it says when the target was looked at, whether it answered, and when it
// left; a sample with a time of its own is shown by the next look.
func TestUp(t *testing.T) {
	wantLooks(t, looks(t, recording.Options{}, part(t, `
		up/j/i@10=1 up/j/i@20=0 up/j/i@30=1 up/j/i@40=stale up/j/i@90=1 up/j/k@95=0 up/other/i@95=1
		xa/j/i@10=1 xa/j/i@20=stale xa/j/i@30=3 xa/j/i@40=stale xa/j/i@84=4 xa/j/i@87=5 up/j/k@105=0`)),
		"10 j/i every 10s xa=1",
		"20 j/i every 10s failed",
		"30 j/i every 10s xa=3",
		"40 j/i every 10s gone",
		"90 j/i every 10s xa=5@87",
		"95 j/k every 10s failed",
		"105 j/i every 10s gone",
		"105 j/k every 10s failed",
	)
}

// TestLeaving: a target that is never seen again has left, when its next look was overdue; one that is
// missing at the end may only be late.
func TestLeaving(t *testing.T) {
	wantLooks(t, looks(t, recording.Options{}, part(t, "xa/j/i@10=1 xa/j/i@20=1 xa/j/k@10=1 xa/j/k@20=1 xa/j/k@30=1 xa/j/k@40=1 xa/j/l@20=1 xa/j/l@30=1 xa/j/m@10=stale")),
		"10 j/i every 10s xa=1",
		"10 j/k every 10s xa=1",
		"20 j/i every 10s xa=1",
		"20 j/k every 10s xa=1",
		"20 j/l every 10s xa=1",
		"30 j/k every 10s xa=1",
		"30 j/l every 10s xa=1",
		"35 j/i every 10s gone",
		"40 j/k every 10s xa=1",
	)
}

// TestOverlappingParts: the same samples in two parts are read once, and what only one has is not lost.
func TestOverlappingParts(t *testing.T) {
	wantLooks(t, looks(t, recording.Options{Interval: time.Minute},
		part(t, "xa/j/i@10=1 xa/j/i@30=3 xa/j/i@40=4 xb/j/i@10=9"), part(t, "xa/j/i@30=3 xa/j/i@20=2 xa/j/i@50=5 xa/j/i@40=stale")),
		"10 j/i every 1m0s xa=1 xb=9",
		"20 j/i every 1m0s xa=2",
		"30 j/i every 1m0s xa=3",
		"40 j/i every 1m0s xa=4",
		"50 j/i every 1m0s xa=5",
	)
}

func TestRange(t *testing.T) {
	o := recording.Options{From: time.Unix(20, 0), To: time.Unix(30, 0), TargetLabels: []string{"instance"}}
	wantLooks(t, looks(t, o, part(t, "xa/j/i@10=1 xa/j/i@20=2 xa/j/i@30=3 xa/j/i@31=4")),
		"20 i every 10s xa=2",
		"30 i every 10s xa=3",
	)
}

func TestNothingToRead(t *testing.T) {
	if _, err := recording.NewReader(t.Context(), []recording.Part{part(t, "up/j/i@10=1 other/j/i@10=1")}, want(), recording.Options{}); !errors.Is(err, recording.ErrNothing) {
		t.Errorf("got %v", err)
	}
}

// TestManySamples: chunks are written, read back and put in order, whatever the order of arrival.
func TestManySamples(t *testing.T) {
	s, err := recording.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	ref, err := s.Add(labels.FromStrings(labels.MetricName, "x", "job", "j", "instance", "i"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := int64(i*7919%n) * 1000
		if err := s.Float(ref, at, float64(at)/2); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	got := looks(t, recording.Options{}, s)
	if len(got) != n {
		t.Fatalf("got %d looks, want %d", len(got), n)
	}
	for i, line := range got {
		if want := fmt.Sprintf("%d j/i every 1s x=%v", i, float64(i)*500); line != want {
			t.Fatalf("look %d: got %s, want %s", i, line, want)
		}
	}
}

// TestHistograms: a native histogram comes back whole, one whose shape changes too, and a marker ends it.
func TestHistograms(t *testing.T) {
	s, err := recording.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := s.Add(labels.FromStrings(labels.MetricName, "x", "job", "j", "instance", "i"))
	if err != nil {
		t.Fatal(err)
	}
	shapes := []*histogram.FloatHistogram{
		{Schema: 1, Count: 3, Sum: 5, PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}}, PositiveBuckets: []float64{3}},
		{Schema: 1, Count: 5, Sum: 9, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{3, 2}},
		{Schema: 2, Count: 1, Sum: 1, PositiveSpans: []histogram.Span{{Offset: 4, Length: 1}}, PositiveBuckets: []float64{1}},
		{Sum: math.Float64frombits(value.StaleNaN)},
	}
	for i, h := range shapes {
		if err := s.Histogram(ref, int64(i+1)*1000, h.Copy()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	r, err := recording.NewReader(t.Context(), []recording.Part{s}, want(), recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, h := range shapes[:3] {
		c, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := c.Samples[0]
		if got.Value != h.Count || got.Histogram.String() != h.String() || got.Histogram.Sum != h.Sum {
			t.Errorf("got %v with value %v, want %v", got.Histogram, got.Value, h)
		}
	}
	if c, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the marker: %+v, %v", c, err)
	}
}

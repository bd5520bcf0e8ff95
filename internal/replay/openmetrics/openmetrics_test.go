package openmetrics_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay/openmetrics"
	"github.com/assayer-io/assayer/internal/replay/recording"
)

// wanted takes series whose name begins with x.
func wanted(allNames bool) recording.Wanted {
	return recording.Wanted{Interest: collector.Interest{
		AllNames: allNames, Names: map[string]struct{}{"x_total": {}, "x": {}},
		Match: func(ls labels.Labels) bool { return strings.HasPrefix(ls.Get(labels.MetricName), "x") },
	}}
}

// samples reads text and gives "series value@milliseconds" of each sample.
func samples(t testing.TB, text string, w recording.Wanted) (map[string]bool, error) {
	t.Helper()
	spool, err := recording.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := openmetrics.Read("f.om", strings.NewReader(text), w, spool); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	r, err := recording.NewReader(t.Context(), []recording.Part{spool}, w, recording.Options{})
	if errors.Is(err, recording.ErrNothing) {
		return map[string]bool{}, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := map[string]bool{}
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Samples {
			out[fmt.Sprintf("%s %v@%d", s.Series.Labels, s.Value, c.At.UnixMilli())] = true
		}
	}
}

func TestRead(t *testing.T) {
	const text = `# HELP x Sales.
# TYPE x counter
x_total{b="2",a="1"} 5 10.5 # {trace="abc"} 1
y_total nonsense that nobody reads
x_total{a="1",b="2"} 7 20
{"x_total",a="quoted"} 1e3 -1.5
# EOF
`
	got, err := samples(t, text, wanted(false))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{__name__="x_total", a="1", b="2"} 5@10500`, `{__name__="x_total", a="1", b="2"} 7@20000`, `{__name__="x_total", a="quoted"} 1000@-1500`} {
		if !got[want] {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestMistakesAreToldWithTheirLine(t *testing.T) {
	many := strings.Repeat("x_total 1 1\n", 100_000)
	for text, want := range map[string]string{
		"":                                    "f.om:1: the file ends without",
		"x_total 1 1\n":                       "f.om:1: the file ends without",
		"x_total 1 1\n# EOF":                  "",
		"x_total 1 1\n# EOF\nx_total 2 2":     `f.om:3: there is more after "# EOF"`,
		"x_total 1 1\nx_total 2":              "f.om:2: the file ends without",
		"x_total 1 1\nx_total 2\n# EOF\n":     "f.om:2: the sample has no timestamp",
		"x_total 1 1\n\nx_total 2\n":          "f.om:2: the line is empty",
		"x_total a 1\n# EOF\n":                "f.om:1: the line is malformed",
		"y 1\nx_total{a=\"\n\"} 1 1\n# EOF\n": "f.om:2: the line is malformed",
		"x_total{a=\"\x00\"} 1 1\n# EOF\n":    "f.om:1: the line holds a NUL byte",
		many + "x_total 1 z\n# EOF\n":         "f.om:100001: the line is malformed",
		"x_total{a=\"" + strings.Repeat("a", 2<<20) + "\"} 1 1\n# EOF\n": "f.om:1: the line is longer than",
	} {
		_, err := samples(t, text, wanted(false))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.80q: got %v, want %s", text, err, want)
		}
	}
}

func TestGzip(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "x_total 1 1\n# EOF\n")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"whole": packed.Bytes(), "cut": packed.Bytes()[:packed.Len()-6]} {
		path := filepath.Join(t.TempDir(), "f.om.gz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		spool, err := openmetrics.Load(t.Context(), path, "", wanted(false), func(read, size int64) { last = size - read })
		if name == "whole" && (err != nil || last != 0) || name == "cut" && err == nil {
			t.Errorf("%s: %v, %d bytes not told of", name, err, last)
		}
		if err == nil {
			err = spool.Close()
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// FuzzRead: where the whole text is right by Prometheus' own parser, what is read is what that reads.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"x_total 1 1\n# EOF\n", "# TYPE x counter\nx_total{a=\"b\"} 2 1.5\nx_total{a=\"b\"} 3 2 # {t=\"1\"} 1\n# EOF\n", "{\"x\"} NaN 3\n# EOF", "x 1\n# EOF\n", "x{a=\"\\n\"} +Inf 9\n# EOF\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := samples(t, text, wanted(true))
		if err != nil {
			return
		}
		want, ambiguous := map[string]bool{}, false
		at := map[string]bool{}
		p := textparse.NewOpenMetricsParser([]byte(text), labels.NewSymbolTable())
		for {
			entry, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if entry != textparse.EntrySeries {
				continue
			}
			var ls labels.Labels
			p.Labels(&ls)
			_, ts, v := p.Series()
			key := fmt.Sprintf("%s@%d", ls, *ts)
			ambiguous = ambiguous || at[key] || ls.Has("le") || ls.Has("quantile") || !strings.HasPrefix(ls.Get(labels.MetricName), "x") || ls.Get(labels.MetricName) == "up"
			at[key] = true
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				want[fmt.Sprintf("%s %v@%d", ls, v, *ts)] = true
			}
		}
		if !ambiguous && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	})
}

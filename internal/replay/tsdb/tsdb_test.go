package tsdb_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/internal/replay/tsdb"
)

type sample struct {
	at    int64
	value float64
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// block writes the samples as two regions' series of one name and as one of another, with the writers of
// Prometheus' own library.
func block(t *testing.T, dir string, samples []sample) string {
	t.Helper()
	dir = filepath.Join(dir, "01A")
	must(t, os.MkdirAll(filepath.Join(dir, "chunks"), 0o700))
	last := samples[len(samples)-1].at
	must(t, os.WriteFile(filepath.Join(dir, "meta.json"), fmt.Appendf(nil, `{"version": 1, "minTime": %d, "maxTime": %d}`, samples[0].at, last+1), 0o600))
	out, err := chunks.NewWriter(filepath.Join(dir, "chunks"))
	must(t, err)
	ix, err := index.NewWriter(t.Context(), filepath.Join(dir, "index"))
	must(t, err)
	for _, symbol := range []string{"__name__", "eu", "other", "paid_total", "region", "us"} {
		must(t, ix.AddSymbol(symbol))
	}
	for i, ls := range []labels.Labels{
		labels.FromStrings("__name__", "other"), labels.FromStrings("__name__", "paid_total", "region", "eu"), labels.FromStrings("__name__", "paid_total", "region", "us"),
	} {
		var metas []chunks.Meta
		for part := range slices.Chunk(samples, 120) {
			c := chunkenc.NewXORChunk()
			app, err := c.Appender()
			must(t, err)
			for _, s := range part {
				app.Append(0, s.at, s.value)
			}
			metas = append(metas, chunks.Meta{Chunk: c, MinTime: part[0].at, MaxTime: part[len(part)-1].at})
		}
		must(t, out.WriteChunks(metas...))
		must(t, ix.AddSeries(storage.SeriesRef(i), ls, metas...))
	}
	must(t, errors.Join(out.Close(), ix.Close()))
	return dir
}

func options(from, to int64) tsdb.Options {
	return tsdb.Options{From: from, To: to, Wanted: recording.Wanted{Interest: collector.Interest{
		Names: map[string]struct{}{"paid_total": {}}, Match: func(ls labels.Labels) bool { return ls.Get("region") == "eu" },
	}}}
}

// contents reads every wanted series of a part.
func contents(t *testing.T, p recording.Part) map[string][]sample {
	t.Helper()
	out := map[string][]sample{}
	must(t, p.Series(t.Context(), func(ls labels.Labels, ref uint64) error {
		name := ls.String()
		all, _, err := p.Chunks(ref)
		must(t, err)
		for _, c := range all {
			it, err := p.Open(c, nil)
			must(t, err)
			for it.Next() == chunkenc.ValFloat {
				at, value := it.At()
				out[name] = append(out[name], sample{at, value})
			}
			must(t, it.Err())
		}
		return nil
	}))
	return out
}

// TestBlock: a block gives back the wanted series, sample by sample, and none is
// opened whose time was not asked for.
func TestBlock(t *testing.T) {
	dir := t.TempDir()
	written := []sample{{1000, 1}, {2000, math.Inf(1)}, {3000, -0.5}}
	for i := range int64(1000) { // more than one chunk
		written = append(written, sample{4000 + 1000*i, float64(i * i)})
	}
	block(t, dir, written)
	parts, warnings, err := tsdb.Open(t.Context(), dir, options(math.MinInt64, math.MaxInt64))
	must(t, err)
	if len(parts) != 1 || len(warnings) > 0 {
		t.Fatalf("%d parts, warnings %v", len(parts), warnings)
	}
	if from, to := parts[0].Bounds(); from != 1000 || to != 1_003_000 {
		t.Errorf("from %d to %d", from, to)
	}
	got := contents(t, parts[0])
	if eu := got[`{__name__="paid_total", region="eu"}`]; len(got) != 1 || !slices.Equal(eu, written) {
		t.Errorf("%d series, %d samples of %d: %v …", len(got), len(eu), len(written), eu[:min(3, len(eu))])
	}
	must(t, parts[0].Close())
	_, _, err = tsdb.Open(t.Context(), dir, options(10_000_000, math.MaxInt64))
	if err == nil || !strings.Contains(err.Error(), "holds no block and no write-ahead log of the time asked for") {
		t.Errorf("got %v", err)
	}
}

// TestBrokenBlock: what cannot be read is refused, naming the block and what is wrong with it.
func TestBrokenBlock(t *testing.T) {
	truncate := func(file string, size int64) func(string) error {
		return func(block string) error { return os.Truncate(filepath.Join(block, file), size) }
	}
	write := func(text string) func(string) error {
		return func(block string) error { return os.WriteFile(filepath.Join(block, "meta.json"), []byte(text), 0o600) }
	}
	for name, tt := range map[string]struct {
		breaks func(block string) error
		want   string
	}{
		"meta.json is no JSON":         {write("{"), "reading meta.json: unexpected end of JSON input"},
		"meta.json of another version": {write(`{"version": 2}`), "reading meta.json: got version 2, allowed: 1"},
		"time runs backwards":          {write(`{"version": 1, "minTime": 2, "maxTime": 1}`), "reading meta.json: got a time from 2 to 1"},
		"the index is cut off":         {truncate("index", 20), "invalid size"},
		"the chunks are cut off":       {truncate("chunks/000001", 3), "invalid"},
		"there is no index":            {func(block string) error { return os.Remove(filepath.Join(block, "index")) }, "index: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			broken := block(t, dir, []sample{{1000, 1}})
			must(t, tt.breaks(broken))
			parts, _, err := tsdb.Open(t.Context(), dir, options(math.MinInt64, math.MaxInt64))
			if err == nil || len(parts) > 0 || !strings.HasPrefix(err.Error(), "opening block "+broken+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d parts, got %v, want … %s", len(parts), err, tt.want)
			}
		})
	}
}

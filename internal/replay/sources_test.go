package replay_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/tombstones"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay"
	"github.com/assayer-io/assayer/internal/replay/promapi"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/internal/replay/tsdb"
	"github.com/assayer-io/assayer/slo/spec"
)

// serie is one recorded series.
type serie struct {
	labels labels.Labels
	at     []int64
	value  []float64
}

// recorded is what a Prometheus would have kept of looks, in order of labels.
func recorded(cycles []collector.Cycle) []serie {
	bySeries := map[string]*serie{}
	add := func(ls labels.Labels, v float64, at time.Time) {
		s := bySeries[ls.String()]
		if s == nil {
			s = &serie{labels: ls}
			bySeries[ls.String()] = s
		}
		s.at, s.value = append(s.at, at.UnixMilli()), append(s.value, v)
	}
	for _, c := range cycles {
		up := 1.0
		if c.Err != nil {
			up = 0
		}
		add(labels.FromStrings(labels.MetricName, "up", "job", "card", "instance", string(c.Target)[len("card/"):]), up, c.At)
		for _, s := range c.Samples {
			add(s.Series.Labels, s.Value, c.At)
		}
	}
	var out []serie
	for _, s := range bySeries {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b serie) int { return labels.Compare(a.labels, b.labels) })
	return out
}

// between is the part of a series in [from, to].
func (s serie) between(from, to int64) serie {
	out := serie{labels: s.labels}
	for i, at := range s.at {
		if at >= from && at <= to {
			out.at, out.value = append(out.at, at), append(out.value, s.value[i])
		}
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeBlock writes the samples of [from, to] as one block, with one series that nobody wants, and as deleted
// what deleted says of each series.
func writeBlock(t testing.TB, dir string, all []serie, from, to int64, deleted tombstones.Intervals) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "chunks"), 0o700))
	meta := fmt.Sprintf(`{"version":1,"ulid":%q,"minTime":%d,"maxTime":%d}`, filepath.Base(dir), from, to+1)
	must(t, os.WriteFile(filepath.Join(dir, "meta.json"), []byte(meta), 0o600))
	out, err := chunks.NewWriter(filepath.Join(dir, "chunks"))
	must(t, err)
	ix, err := index.NewWriter(t.Context(), filepath.Join(dir, "index"))
	must(t, err)
	symbols := map[string]bool{}
	for _, s := range all {
		s.labels.Range(func(l labels.Label) { symbols[l.Name], symbols[l.Value] = true, true })
	}
	var sorted []string
	for s := range symbols {
		sorted = append(sorted, s)
	}
	slices.Sort(sorted)
	for _, s := range sorted {
		must(t, ix.AddSymbol(s))
	}
	stones := tombstones.NewMemTombstones()
	for i, s := range all {
		s = s.between(from, to)
		var metas []chunks.Meta
		for len(s.at) > 0 {
			n := min(120, len(s.at))
			c := chunkenc.NewXORChunk()
			app, err := c.Appender()
			must(t, err)
			for k := range n {
				app.Append(0, s.at[k], s.value[k])
			}
			metas = append(metas, chunks.Meta{Chunk: c, MinTime: s.at[0], MaxTime: s.at[n-1]})
			s.at, s.value = s.at[n:], s.value[n:]
		}
		must(t, out.WriteChunks(metas...))
		must(t, ix.AddSeries(storage.SeriesRef(i), s.labels, metas...))
	}
	must(t, out.Close())
	must(t, ix.Close())
	if len(deleted) > 0 {
		rd, err := index.NewFileReader(filepath.Join(dir, "index"), index.DecodePostingsRaw)
		must(t, err)
		p, err := rd.Postings(t.Context(), "", "")
		must(t, err)
		for p.Next() {
			stones.AddInterval(p.At(), deleted...)
		}
		must(t, rd.Close())
	}
	_, err = tombstones.WriteFile(slog.New(slog.DiscardHandler), dir, stones)
	must(t, err)
}

// writeLog writes the samples from a moment on as a write-ahead log of several compressed segments, the
// series as a checkpoint keeps them.
func writeLog(t testing.TB, dir string, all []serie, from int64, compress string) {
	t.Helper()
	log, err := wlog.NewSize(nil, nil, filepath.Join(dir, "wal"), 64<<10, compress)
	must(t, err)
	var enc record.Encoder
	var series []record.RefSeries
	var samples []record.RefSample
	for i, s := range all {
		series = append(series, record.RefSeries{Ref: chunks.HeadSeriesRef(i + 1), Labels: s.labels})
		s = s.between(from, math.MaxInt64)
		for k := range s.at {
			samples = append(samples, record.RefSample{Ref: chunks.HeadSeriesRef(i + 1), T: s.at[k], V: s.value[k]})
		}
	}
	slices.SortStableFunc(samples, func(a, b record.RefSample) int { return int(a.T - b.T) })
	must(t, log.Log(enc.Series(series, nil)))
	half := len(samples) / 2
	for part := range slices.Chunk(samples[:half], 100) {
		must(t, log.Log(enc.Samples(part, nil)))
	}
	_, err = log.NextSegment()
	must(t, err)
	_, last, err := wlog.Segments(log.Dir())
	must(t, err)
	_, err = wlog.Checkpoint(slog.New(slog.DiscardHandler), log, 0, last-1, func(chunks.HeadSeriesRef) bool { return true }, 0, false)
	must(t, err)
	must(t, log.Truncate(last))
	for part := range slices.Chunk(samples[half:], 100) {
		must(t, log.Log(enc.Samples(part, nil)))
	}
	must(t, log.Close())
}

// serveAPI answers queries with a range selector.
func serveAPI(t *testing.T, all []serie) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(data any) { _ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data}) }
		if r.URL.Path == "/api/v1/series" {
			_ = r.ParseForm()
			found := []map[string]string{}
			for _, s := range all {
				found = append(found, s.labels.Map())
			}
			answer(found)
			return
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.FormValue("query"))
		m, ok := expr.(*parser.MatrixSelector)
		if err != nil || !ok {
			t.Errorf("query %s: %v", r.FormValue("query"), err)
			return
		}
		seconds, _ := strconv.ParseFloat(r.FormValue("time"), 64)
		end := int64(math.Round(seconds * 1000))
		result := []any{}
		for _, s := range all {
			if !selects(m, s.labels) {
				continue
			}
			s = s.between(end-m.Range.Milliseconds()+1, end)
			values := [][2]any{}
			for i := range s.at {
				values = append(values, [2]any{json.RawMessage(fmt.Sprintf("%d.%03d", s.at[i]/1000, s.at[i]%1000)), strconv.FormatFloat(s.value[i], 'g', -1, 64)})
			}
			result = append(result, map[string]any{"metric": s.labels.Map(), "values": values})
		}
		answer(map[string]any{"resultType": "matrix", "result": result})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func selects(m *parser.MatrixSelector, ls labels.Labels) bool {
	v, ok := m.VectorSelector.(*parser.VectorSelector)
	return ok && !slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

func readParts(t *testing.T, w recording.Wanted, parts ...recording.Part) *recording.Reader {
	t.Helper()
	reader, err := recording.NewReader(t.Context(), parts, w, recording.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, reader.Close()) })
	return reader
}

// testEverySourceGivesTheSame: the same samples from text, from a data directory with overlapping blocks and a
// head, and over HTTP lead to the same statuses and firings.
func testEverySourceGivesTheSame(t *testing.T, all []spec.Objective, got *captured) {
	samples := recorded(got.cycles)
	w := wanted(t, all)
	want, wantSaid := run(t, read(t, all, text(got.cycles)), all)
	if len(want[0].Objectives[0].Firings) == 0 {
		t.Fatal("nothing fired: the test proves nothing")
	}
	start, end := got.cycles[0].At, got.cycles[len(got.cycles)-1].At
	check := func(name string, reader *recording.Reader) {
		t.Run(name, func(t *testing.T) {
			results, have := run(t, reader, all)
			wantSame(t, have, wantSaid)
			a, _ := json.Marshal(results)
			b, _ := json.Marshal(want)
			if string(a) != string(b) {
				t.Errorf("got\n%s\nwant\n%s", a, b)
			}
		})
	}
	for _, compress := range []string{"none", "snappy", "zstd"} {
		dir, hour := t.TempDir(), time.Hour.Milliseconds()
		unwanted := append(slices.Clone(samples), serie{labels.FromStrings(labels.MetricName, "zz_total", "job", "other"), []int64{start.UnixMilli()}, []float64{1}})
		writeBlock(t, filepath.Join(dir, "01A"), unwanted, start.UnixMilli(), start.UnixMilli()+3*hour, nil)
		writeBlock(t, filepath.Join(dir, "01B"), unwanted, start.UnixMilli()+2*hour, start.UnixMilli()+5*hour, nil)
		writeLog(t, dir, unwanted, start.UnixMilli()+4*hour, compress)
		parts, warnings, err := tsdb.Open(t.Context(), dir, tsdb.Options{Wanted: w, From: math.MinInt64, To: math.MaxInt64})
		if err != nil || len(warnings) > 0 || len(parts) != 3 {
			t.Fatalf("%d parts, %v, %v", len(parts), warnings, err)
		}
		check("data directory, "+compress, readParts(t, w, parts...))
	}
	spool, warnings, err := promapi.Load(t.Context(), promapi.Options{
		URL: serveAPI(t, samples), HTTP: config.DefaultHTTPClientConfig, Wanted: w, Queries: promapi.Queries([][]spec.Objective{all}), Start: start.Truncate(time.Millisecond), End: end,
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	check("HTTP", readParts(t, w, spool))
}

// testDeletedSamplesAreNotReplayed: an hour that was deleted is an hour not seen. It takes the live run apart.
func testDeletedSamplesAreNotReplayed(t *testing.T, all []spec.Objective, got *captured) {
	start, end := got.cycles[0].At.UnixMilli(), got.cycles[len(got.cycles)-1].At.UnixMilli()
	from, to := start+2*time.Hour.Milliseconds(), start+3*time.Hour.Milliseconds()
	dir := t.TempDir()
	writeBlock(t, filepath.Join(dir, "01A"), recorded(got.cycles), start, end, tombstones.Intervals{{Mint: from, Maxt: to}})
	parts, _, err := tsdb.Open(t.Context(), dir, tsdb.Options{Wanted: wanted(t, all), From: math.MinInt64, To: math.MaxInt64})
	must(t, err)
	_, have := run(t, readParts(t, wanted(t, all), parts...), all)
	got.cycles = slices.DeleteFunc(got.cycles, func(c collector.Cycle) bool { return c.At.UnixMilli() >= from && c.At.UnixMilli() <= to })
	_, want := run(t, got, all)
	wantSame(t, have, want)
}

// TestDamagedLogIsReadUpToThere: and it is told what is missing.
func TestDamagedLogIsReadUpToThere(t *testing.T) {
	all := []serie{{labels: labels.FromStrings(labels.MetricName, "x_total", "job", "j", "instance", "i")}}
	for i := range 5000 {
		all[0].at, all[0].value = append(all[0].at, int64(1000*i)), append(all[0].value, float64(i))
	}
	dir := t.TempDir()
	writeLog(t, dir, all, 0, "none")
	files, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	must(t, err)
	damaged := files[len(files)-1]
	data, err := os.ReadFile(damaged)
	must(t, err)
	data[len(data)/2] ^= 0xff
	must(t, os.WriteFile(damaged, data, 0o600))
	w := recording.Wanted{Interest: collector.Interest{AllNames: true, Match: func(labels.Labels) bool { return true }}}
	parts, warnings, err := tsdb.Open(t.Context(), dir, tsdb.Options{Wanted: w, From: math.MinInt64, To: math.MaxInt64})
	must(t, err)
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "damaged write-ahead log: "+damaged+": at byte ") || !strings.HasSuffix(warnings[0], "; what follows in it is missing") {
		t.Errorf("warned of %q", warnings)
	}
	r := readParts(t, w, parts...)
	n := 0
	for err == nil {
		if _, err = r.Next(); err == nil {
			n++
		}
	}
	if n < 2500 || n >= 5000 {
		t.Errorf("read %d looks of 5000, want those before the damage", n)
	}
}

var _ replay.Source = (*recording.Reader)(nil)

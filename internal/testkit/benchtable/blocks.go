package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// The month that Prometheus is given is written as the blocks of its own store. What a series says is
// a function of the time alone, so a block that is complete is the same in every run, and is kept.
const (
	blocksVersion = "v1"             // of what blocks hold; another one is another folder of the cache
	blockLength   = 54 * time.Hour   // what Prometheus itself arrives at when it keeps a month
	spacing       = 30 * time.Second // between samples
	chunkSamples  = 120              // Prometheus' own
)

// recorded is one series of a block.
type recorded struct {
	labels labels.Labels
	value  func(at int64) float64 // Unix seconds
}

// events returns how many good and bad events service i has had by at, in Unix seconds: about ten a
// second, one in two thousand of them bad, a little uneven so that it packs like a real counter.
func events(i int, at int64) (good, bad int64) {
	since := max(at-epoch, 0)
	slot := uint64(at/int64(spacing.Seconds()))*0x9e3779b97f4a7c15 + uint64(i)*0xbf58476d1ce4e5b9 //nolint:gosec // a mix of bits
	return since*rate + int64(slot>>58), since * rate / 2000
}

// epoch is the Unix time at which the counters were 0: the begin of 2026.
const epoch = 1767225600

// library lists the series of n services: their counters, and what the rules of sloth and of pyrra in
// performance mode would have recorded of them in that month.
func library(n int) []recorded {
	var all []recorded
	for i := range n {
		service := "s" + strconv.Itoa(i)
		good := func(at int64) float64 { g, _ := events(i, at); return float64(g) }
		bad := func(at int64) float64 { _, b := events(i, at); return float64(b) }
		in5m := func(of func(int64) float64) func(int64) float64 {
			return func(at int64) float64 { return of(at) - of(at-300) }
		}
		for code, value := range map[string]func(int64) float64{"200": good, "500": bad} {
			all = append(all,
				recorded{labels.FromStrings("__name__", wanted, "service", service, "code", code, "job", "bench", "instance", "bench"), value},
				recorded{labels.FromStrings("__name__", "bench_requests:increase5m", "slo", service, "service", service, "code", code), in5m(value)})
		}
		all = append(all, recorded{
			labels.FromStrings("__name__", "slo:sli_error:ratio_rate5m", "sloth_id", "bench-"+service, "sloth_service", "bench", "sloth_slo", service, "sloth_window", "5m"),
			func(at int64) float64 { return in5m(bad)(at) / (in5m(good)(at) + in5m(bad)(at)) },
		})
	}
	slices.SortFunc(all, func(a, b recorded) int { return labels.Compare(a.labels, b.labels) })
	return all
}

// monthOfBlocks fills dir with blocks of the month before now, those that are complete from cache.
func monthOfBlocks(ctx context.Context, cache, dir string, series []recorded, now time.Time) error {
	cache = filepath.Join(cache, fmt.Sprintf("blocks-%s-%d", blocksVersion, len(series)))
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	from := now.Add(-month).Truncate(blockLength)
	if err := forget(cache, from); err != nil {
		return err
	}
	for ; from.Before(now); from = from.Add(blockLength) {
		name, to := blockName(from), from.Add(blockLength)
		if to.After(now) {
			return writeBlock(ctx, filepath.Join(dir, name), series, from, now)
		}
		kept := filepath.Join(cache, name)
		if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
			if err := writeBlock(ctx, kept+".tmp", series, from, to); err != nil {
				return err
			}
			if err := os.Rename(kept+".tmp", kept); err != nil {
				return err
			}
		}
		if err := linkTree(kept, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// blockName is a legal ULID that says when the block begins.
func blockName(from time.Time) string { return fmt.Sprintf("%026d", from.Unix()) }

// forget removes kept blocks that no month needs any more.
func forget(cache string, before time.Time) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() < blockName(before) || filepath.Ext(e.Name()) == ".tmp" {
			if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkTree gives the files below from a second name below to.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return os.Link(path, filepath.Join(to, rel))
	})
}

// writeBlock writes series, which are in order of their labels, over [from, to).
func writeBlock(ctx context.Context, dir string, series []recorded, from, to time.Time) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	cw, err := chunks.NewWriter(filepath.Join(dir, "chunks"))
	if err != nil {
		return err
	}
	iw, err := index.NewWriter(ctx, filepath.Join(dir, "index"))
	if err != nil {
		return errors.Join(err, cw.Close())
	}
	err = addSymbols(iw, series)
	for i, s := range series {
		if err != nil {
			break
		}
		var metas []chunks.Meta
		if metas, err = s.chunks(from, to); err == nil {
			if err = cw.WriteChunks(metas...); err == nil {
				err = iw.AddSeries(storage.SeriesRef(i), s.labels, metas...) //nolint:gosec // an index
			}
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	if err := errors.Join(err, cw.Close(), iw.Close()); err != nil {
		return fmt.Errorf("writing a block: %w", err)
	}
	name := blockName(from)
	meta, err := json.Marshal(map[string]any{
		"ulid": name, "minTime": from.UnixMilli(), "maxTime": to.UnixMilli(), "version": 1,
		"stats":      map[string]any{"numSeries": len(series)},
		"compaction": map[string]any{"level": 3, "sources": []string{name}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "meta.json"), meta, 0o600)
}

func addSymbols(iw *index.Writer, series []recorded) error {
	seen := map[string]bool{}
	for _, s := range series {
		s.labels.Range(func(l labels.Label) { seen[l.Name], seen[l.Value] = true, true })
	}
	symbols := make([]string, 0, len(seen))
	for s := range seen {
		symbols = append(symbols, s)
	}
	slices.Sort(symbols)
	for _, s := range symbols {
		if err := iw.AddSymbol(s); err != nil {
			return err
		}
	}
	return nil
}

// chunks packs what the series said in [from, to).
func (s *recorded) chunks(from, to time.Time) ([]chunks.Meta, error) {
	var metas []chunks.Meta
	step := int64(spacing.Seconds())
	for at := (from.Unix() + step - 1) / step * step; at < to.Unix(); {
		c := chunkenc.NewXORChunk()
		app, err := c.Appender()
		if err != nil {
			return nil, err
		}
		meta := chunks.Meta{Chunk: c, MinTime: at * 1000}
		for n := 0; n < chunkSamples && at < to.Unix(); n++ {
			app.Append(0, at*1000, s.value(at))
			meta.MaxTime = at * 1000
			at += step
		}
		metas = append(metas, meta)
	}
	return metas, nil
}

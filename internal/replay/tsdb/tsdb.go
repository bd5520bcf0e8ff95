// Package tsdb reads the data directory of a Prometheus: its blocks, and what is not in a block yet from
// its write-ahead log. The server may run on; nothing is written.
//
//	data/01JD…/{meta.json,index,chunks/000001,tombstones}    a block
//	data/wal/{checkpoint.00000004/,00000005,00000006}        the head, with data/wbl for late samples
//
// It stands on the readers of Prometheus' own subpackages. The package above them would bring the SDKs of
// several clouds.
package tsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/assayer-io/assayer/internal/replay/recording"
)

// maxMeta bounds a block's meta.json, which lists its sources.
const maxMeta = 4 << 20

// Options say what to read of a directory.
type Options struct {
	Wanted   recording.Wanted
	From, To int64  // Unix milliseconds, both included
	Temp     string // where the head's samples are spooled; "": the system's folder
}

// Open opens every block of dir that overlaps From to To, and reads the head. The warnings say which
// part of the head could not be read. The caller closes the parts.
func Open(ctx context.Context, dir string, o Options) (parts []recording.Part, warnings []string, err error) {
	defer func() {
		if err != nil {
			for _, p := range parts {
				err = errors.Join(err, p.Close())
			}
			parts = nil
		}
	}()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the data directory: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(path, "meta.json")); !e.IsDir() || err != nil {
			continue
		}
		b, err := openBlock(path, o)
		if err != nil {
			return parts, nil, fmt.Errorf("opening block %s: %w", path, err)
		}
		if b != nil {
			parts = append(parts, b)
		}
	}
	head, warnings, err := readHead(ctx, dir, o)
	if err != nil {
		return parts, nil, fmt.Errorf("reading the head of %s: %w", dir, err)
	}
	if head != nil {
		parts = append(parts, head)
	}
	if len(parts) == 0 {
		return nil, warnings, fmt.Errorf("%s holds no block and no write-ahead log of the time asked for; allowed: the folder that a Prometheus has as --storage.tsdb.path", dir)
	}
	return parts, warnings, nil
}

// block is one block of samples.
type block struct {
	from, to int64
	wanted   recording.Wanted
	index    *index.Reader
	chunks   *chunks.Reader
	stones   tombstones.Reader
	builder  labels.ScratchBuilder
	metas    []chunks.Meta
}

type meta struct {
	Version int   `json:"version"`
	MinTime int64 `json:"minTime"`
	MaxTime int64 `json:"maxTime"` // excluded
}

// openBlock gives nil for a block outside of the time asked for.
func openBlock(dir string, o Options) (_ *block, err error) {
	m, err := readMeta(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, err
	}
	if m.MaxTime <= o.From || m.MinTime > o.To {
		return nil, nil
	}
	b := &block{from: m.MinTime, to: m.MaxTime - 1, wanted: o.Wanted, stones: tombstones.NewMemTombstones()}
	err = guard(func() error {
		var err error
		if b.index, err = index.NewFileReader(filepath.Join(dir, "index"), index.DecodePostingsRaw); err != nil {
			return err
		}
		if b.chunks, err = chunks.NewDirReader(filepath.Join(dir, "chunks"), nil); err != nil {
			return err
		}
		stones, _, err := tombstones.ReadTombstones(dir)
		if err == nil {
			b.stones = stones
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func readMeta(path string) (meta, error) {
	f, err := os.Open(path)
	if err != nil {
		return meta{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMeta))
	if err != nil {
		return meta{}, err
	}
	var m meta
	if err := json.Unmarshal(data, &m); err != nil {
		return meta{}, fmt.Errorf("reading meta.json: %w", err)
	}
	if m.Version != 1 {
		return meta{}, fmt.Errorf("reading meta.json: got version %d, allowed: 1", m.Version)
	}
	if m.MinTime > m.MaxTime || m.MaxTime == math.MaxInt64 {
		return meta{}, fmt.Errorf("reading meta.json: got a time from %d to %d", m.MinTime, m.MaxTime)
	}
	return m, nil
}

// errDamaged is what a reader's panic over damaged bytes becomes.
var errDamaged = errors.New("it is damaged")

// guard turns what readers do on bytes that nobody wrote like that into an error.
func guard(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return fn()
}

// Bounds implements recording.Part.
func (b *block) Bounds() (from, to int64) { return b.from, b.to }

// Series implements recording.Part.
func (b *block) Series(ctx context.Context, yield func(labels.Labels, uint64) error) error {
	return guard(func() error {
		p, err := b.postings(ctx)
		if err != nil {
			return fmt.Errorf("reading the index: %w", err)
		}
		for p.Next() {
			if err := b.index.Series(p.At(), &b.builder, &b.metas); err != nil {
				return fmt.Errorf("reading the index: %w", err)
			}
			if ls := b.builder.Labels(); b.wanted.Series(ls) {
				if err := yield(ls, uint64(p.At())); err != nil {
					return err
				}
			}
		}
		return p.Err()
	})
}

// postings lists the series whose name is wanted.
func (b *block) postings(ctx context.Context) (index.Postings, error) {
	if b.wanted.AllNames {
		name, value := index.AllPostingsKey()
		return b.index.Postings(ctx, name, value)
	}
	names := append(slices.Collect(maps.Keys(b.wanted.Names)), recording.Up)
	slices.Sort(names)
	return b.index.Postings(ctx, labels.MetricName, slices.Compact(names)...)
}

// Chunks implements recording.Part.
func (b *block) Chunks(ref uint64) (out []recording.Chunk, deleted tombstones.Intervals, err error) {
	err = guard(func() error {
		if err := b.index.Series(storage.SeriesRef(ref), &b.builder, &b.metas); err != nil {
			return fmt.Errorf("reading the index: %w", err)
		}
		for _, m := range b.metas {
			out = append(out, recording.Chunk{Ref: uint64(m.Ref), Min: m.MinTime, Max: m.MaxTime})
		}
		deleted, err = b.stones.Get(storage.SeriesRef(ref))
		return err
	})
	return out, deleted, err
}

// Open implements recording.Part.
func (b *block) Open(c recording.Chunk, last chunkenc.Iterator) (it chunkenc.Iterator, err error) {
	err = guard(func() error {
		chunk, _, err := b.chunks.ChunkOrIterable(chunks.Meta{Ref: chunks.ChunkRef(c.Ref)})
		if err != nil {
			return fmt.Errorf("reading a chunk: %w", err)
		}
		it = chunk.Iterator(last)
		return nil
	})
	return it, err
}

// Close implements recording.Part.
func (b *block) Close() error {
	var errs []error
	if b.index != nil {
		errs = append(errs, b.index.Close())
	}
	if b.chunks != nil {
		errs = append(errs, b.chunks.Close())
	}
	return errors.Join(append(errs, b.stones.Close())...)
}

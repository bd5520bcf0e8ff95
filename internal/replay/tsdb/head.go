package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/assayer-io/assayer/internal/replay/recording"
)

// The folders of the head: the log, and the one of samples that came late.
const (
	walDir     = "wal"
	wblDir     = "wbl"
	checkpoint = "checkpoint."
)

// head is the reading of what is in no block yet. The log holds all of it: what the server has in
// chunks_head is only there to start faster.
type head struct {
	opts    Options
	spool   *recording.Spool
	dec     record.Decoder
	refs    map[chunks.HeadSeriesRef]int // wanted series only
	samples int
	warns   []string

	series []record.RefSeries // reused from record to record
	floats []record.RefSample
	hists  []record.RefHistogramSample
	fhists []record.RefFloatHistogramSample
	stones []tombstones.Stone
}

// readHead gives nil when dir has no log. A log that is damaged is read up to there, with a warning.
func readHead(ctx context.Context, dir string, o Options) (*recording.Spool, []string, error) {
	files, err := segments(filepath.Join(dir, walDir))
	if err != nil || len(files) == 0 {
		return nil, nil, err
	}
	late, err := segments(filepath.Join(dir, wblDir))
	if err != nil {
		return nil, nil, err
	}
	spool, err := recording.NewSpool(o.Temp)
	if err != nil {
		return nil, nil, err
	}
	h := &head{opts: o, spool: spool, dec: record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler)), refs: map[chunks.HeadSeriesRef]int{}}
	err = errors.Join(h.log(ctx, files), h.log(ctx, late))
	if err == nil {
		err = spool.Finish()
	}
	if err != nil || h.samples == 0 {
		return nil, h.warns, errors.Join(err, spool.Close())
	}
	return spool, h.warns, nil
}

// segments lists the files of a log in order: those of the last checkpoint, then those that follow it.
func segments(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []string
	last := -1
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), checkpoint)); err == nil && e.IsDir() && strings.HasPrefix(e.Name(), checkpoint) && n > last {
			last = n
		}
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && !e.IsDir() && n > last {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(files)
	if last < 0 {
		return files, nil
	}
	first, err := segments(filepath.Join(dir, fmt.Sprintf("%s%08d", checkpoint, last)))
	return append(first, files...), err
}

// log reads the segments of one log.
func (h *head) log(ctx context.Context, files []string) error {
	for i, file := range files {
		err := h.segment(ctx, file)
		switch {
		case err == nil:
		case errors.Is(err, errTorn) && i == len(files)-1: // being written, or the server was killed
		case errors.Is(err, errLog):
			h.warns = append(h.warns, fmt.Sprintf("%v; what follows in it is missing", err))
			return nil
		default:
			return err
		}
	}
	return nil
}

// errLog marks what is wrong with a log.
var errLog = errors.New("damaged write-ahead log")

func (h *head) segment(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := newRecords(f)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errLog, file, err)
		}
		if err := h.record(rec); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
}

// record books one record. The errors of the decoder are of errLog, others of the spool.
func (h *head) record(rec []byte) error {
	var err error
	decode := func(fn func() error) {
		if err = guard(fn); err != nil {
			err = fmt.Errorf("%w: %w", errLog, err)
		}
	}
	h.series, h.floats, h.hists, h.fhists, h.stones = h.series[:0], h.floats[:0], h.hists[:0], h.fhists[:0], h.stones[:0]
	switch h.dec.Type(rec) {
	case record.Series:
		decode(func() (err error) { h.series, err = h.dec.Series(rec, h.series); return err })
	case record.Samples, record.SamplesV2:
		decode(func() (err error) { h.floats, err = h.dec.Samples(rec, h.floats); return err })
	case record.HistogramSamples, record.CustomBucketsHistogramSamples, record.HistogramSamplesV2:
		decode(func() (err error) { h.hists, err = h.dec.HistogramSamples(rec, h.hists); return err })
	case record.FloatHistogramSamples, record.CustomBucketsFloatHistogramSamples, record.FloatHistogramSamplesV2:
		decode(func() (err error) { h.fhists, err = h.dec.FloatHistogramSamples(rec, h.fhists); return err })
	case record.Tombstones:
		decode(func() (err error) { h.stones, err = h.dec.Tombstones(rec, h.stones); return err })
	}
	if err != nil {
		return err
	}
	return h.book()
}

func (h *head) book() error {
	for _, s := range h.series {
		if !h.opts.Wanted.Series(s.Labels) {
			continue
		}
		ref, err := h.spool.Add(s.Labels)
		if err != nil {
			return err
		}
		h.refs[s.Ref] = ref
	}
	for _, s := range h.floats {
		if ref, ok := h.wants(s.Ref, s.T); ok {
			if err := h.spool.Float(ref, s.T, s.V); err != nil {
				return err
			}
		}
	}
	for _, s := range h.stones {
		if ref, ok := h.refs[chunks.HeadSeriesRef(s.Ref)]; ok {
			for _, i := range s.Intervals {
				h.spool.Delete(ref, i.Mint, i.Maxt)
			}
		}
	}
	for _, s := range h.hists {
		if err := h.histogram(s.Ref, s.T, s.H.ToFloat(nil)); err != nil {
			return err
		}
	}
	for _, s := range h.fhists {
		if err := h.histogram(s.Ref, s.T, s.FH); err != nil {
			return err
		}
	}
	return nil
}

func (h *head) histogram(of chunks.HeadSeriesRef, t int64, value *histogram.FloatHistogram) error {
	ref, ok := h.wants(of, t)
	if !ok {
		return nil
	}
	return h.spool.Histogram(ref, t, value)
}

func (h *head) wants(of chunks.HeadSeriesRef, t int64) (ref int, ok bool) {
	ref, ok = h.refs[of]
	if ok = ok && t >= h.opts.From && t <= h.opts.To; ok {
		h.samples++
	}
	return ref, ok
}

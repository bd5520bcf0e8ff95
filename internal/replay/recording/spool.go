package recording

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// Bounds of a spool.
const (
	chunkSamples = 240      // in one chunk at most
	openBytes    = 64 << 20 // of chunks that are still in memory, about
	chunkBytes   = 1 << 10  // what one of them is taken to cost
)

// Spool keeps samples that come in any order, compressed, in a temporary file. It is a [Part] once
// everything is in. It is not safe for concurrent use.
type Spool struct {
	file   *os.File
	out    *bufio.Writer
	size   int64
	series []*spooled
	known  map[uint64][]int // by hash of the labels: indexes into series
	open   int              // series with a chunk in memory
	from   int64
	to     int64
	buf    []byte
}

// spooled is one series of a spool.
type spooled struct {
	labels labels.Labels
	chunks []Chunk
	stones tombstones.Intervals
	chunk  chunkenc.Chunk // being filled; nil: none
	app    chunkenc.Appender
	min    int64
	max    int64
}

// NewSpool makes an empty spool with a file in dir, or in the system's folder for temporary files if
// dir is "". The file has no name any more and is gone with the process.
func NewSpool(dir string) (*Spool, error) {
	f, err := os.CreateTemp(dir, "assayer-replay-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("making a temporary file: %w", err), f.Close())
	}
	return &Spool{file: f, out: bufio.NewWriterSize(f, 1<<20), known: map[uint64][]int{}, from: math.MaxInt64, to: math.MinInt64}, nil
}

// Add returns the reference of a series, which it makes known if it is not yet.
func (s *Spool) Add(ls labels.Labels) (int, error) {
	h := ls.Hash()
	for _, i := range s.known[h] {
		if labels.Equal(s.series[i].labels, ls) {
			return i, nil
		}
	}
	if len(s.series) >= MaxSeries {
		return 0, fmt.Errorf("%w: more than %d", ErrTooManySeries, MaxSeries)
	}
	s.known[h] = append(s.known[h], len(s.series))
	s.series = append(s.series, &spooled{labels: ls})
	return len(s.series) - 1, nil
}

// Float takes in one sample of the series ref at t, in Unix milliseconds.
func (s *Spool) Float(ref int, t int64, v float64) error {
	sr := s.series[ref]
	if err := s.ready(sr, t, chunkenc.EncXOR); err != nil {
		return err
	}
	sr.app.Append(0, t, v)
	return s.took(sr, t)
}

// Histogram takes in one sample of a native histogram; it keeps h.
func (s *Spool) Histogram(ref int, t int64, h *histogram.FloatHistogram) error {
	sr := s.series[ref]
	if err := s.ready(sr, t, chunkenc.EncFloatHistogram); err != nil {
		return err
	}
	next, recoded, app, err := sr.app.AppendFloatHistogram(nil, 0, t, h, false)
	if err != nil {
		return fmt.Errorf("keeping a histogram: %w", err)
	}
	if next != nil {
		if !recoded { // the histogram did not fit the chunk, and begins another
			if err := s.cut(sr); err != nil {
				return err
			}
			s.open++
			sr.min = t
		}
		sr.chunk = next
	}
	sr.app = app
	return s.took(sr, t)
}

// Delete takes out the samples of the series ref from one time to another, both included.
func (s *Spool) Delete(ref int, from, to int64) {
	sr := s.series[ref]
	sr.stones = sr.stones.Add(tombstones.Interval{Mint: from, Maxt: to})
}

// ready makes sure that the series has a chunk that can take a sample at t.
func (s *Spool) ready(sr *spooled, t int64, e chunkenc.Encoding) error {
	if sr.chunk != nil && (t <= sr.max || sr.chunk.NumSamples() >= chunkSamples || sr.chunk.Encoding() != e) {
		if err := s.cut(sr); err != nil {
			return err
		}
	}
	if sr.chunk != nil {
		return nil
	}
	c, err := chunkenc.NewEmptyChunk(e)
	if err == nil {
		sr.app, err = c.Appender()
	}
	if err != nil {
		return fmt.Errorf("beginning a chunk: %w", err)
	}
	sr.chunk, sr.min = c, t
	s.open++
	return nil
}

func (s *Spool) took(sr *spooled, t int64) error {
	sr.max = t
	s.from, s.to = min(s.from, t), max(s.to, t)
	if s.open*chunkBytes <= openBytes {
		return nil
	}
	return s.cutAll()
}

// cut writes the chunk of a series that is in memory.
func (s *Spool) cut(sr *spooled) error {
	if sr.chunk == nil {
		return nil
	}
	data := sr.chunk.Bytes()
	head := append(binary.AppendUvarint(s.buf[:0], uint64(len(data))), byte(sr.chunk.Encoding()))
	s.buf = head
	if _, err := s.out.Write(head); err != nil {
		return fmt.Errorf("writing to the temporary file: %w", err)
	}
	if _, err := s.out.Write(data); err != nil {
		return fmt.Errorf("writing to the temporary file: %w", err)
	}
	sr.chunks = append(sr.chunks, Chunk{Ref: uint64(s.size), Min: sr.min, Max: sr.max})
	s.size += int64(len(head) + len(data))
	sr.chunk, sr.app = nil, nil
	s.open--
	return nil
}

func (s *Spool) cutAll() error {
	for _, sr := range s.series {
		if err := s.cut(sr); err != nil {
			return err
		}
	}
	return nil
}

// Finish makes everything that was taken in readable. No sample may follow.
func (s *Spool) Finish() error {
	if err := s.cutAll(); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("writing to the temporary file: %w", err)
	}
	s.known = nil
	return nil
}

// Bounds implements Part.
func (s *Spool) Bounds() (from, to int64) { return s.from, s.to }

// Series implements Part.
func (s *Spool) Series(_ context.Context, yield func(labels.Labels, uint64) error) error {
	for i, sr := range s.series {
		if err := yield(sr.labels, uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

// Chunks implements Part.
func (s *Spool) Chunks(ref uint64) ([]Chunk, tombstones.Intervals, error) {
	return s.series[ref].chunks, s.series[ref].stones, nil
}

// Open implements Part.
func (s *Spool) Open(c Chunk, last chunkenc.Iterator) (chunkenc.Iterator, error) {
	var head [binary.MaxVarintLen64 + 1]byte
	n, err := s.file.ReadAt(head[:], int64(c.Ref))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the temporary file: %w", err)
	}
	length, used := binary.Uvarint(head[:n])
	if used <= 0 || used >= n {
		return nil, errors.New("reading the temporary file: it is damaged")
	}
	data := make([]byte, length)
	if _, err := s.file.ReadAt(data, int64(c.Ref)+int64(used)+1); err != nil {
		return nil, fmt.Errorf("reading the temporary file: %w", err)
	}
	chunk, err := chunkenc.FromData(chunkenc.Encoding(head[used]), data)
	if err != nil {
		return nil, fmt.Errorf("reading the temporary file: %w", err)
	}
	return chunk.Iterator(last), nil
}

// Close implements Part.
func (s *Spool) Close() error { return s.file.Close() }

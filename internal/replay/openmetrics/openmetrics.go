// Package openmetrics reads recordings in OpenMetrics text whose samples carry timestamps, such as
// promtool writes them:
//
//	# TYPE card_auth counter
//	card_auth_total{outcome="technical",job="card",instance="10.0.0.7:9090"} 3 1795003200.000
//	…
//	# EOF
//
// Samples may stand in any order; they go through a spool. Lines of series that nobody wants are not
// looked at behind their names.
package openmetrics

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/internal/replay/recording"
)

// Bounds of one read.
const (
	maxLine    = 1 << 20
	blockBytes = 256 << 10 // of wanted lines, parsed at once
)

var (
	errNoTime  = errors.New("the sample has no timestamp, so nobody knows when it was; allowed: OpenMetrics with a timestamp in seconds behind every value, as promtool tsdb dump-openmetrics writes it")
	errNoEnd   = errors.New(`the file ends without "# EOF", so its end is missing`)
	errMore    = errors.New(`there is more after "# EOF"`)
	errTooLong = fmt.Errorf("the line is longer than %d bytes", maxLine)
	errNUL     = errors.New("the line holds a NUL byte")
)

// Progress is told how many bytes of the file have been read and how many it has.
type Progress func(read, size int64)

// Load reads the file at path, plain or gzipped, into a spool with its file in dir.
func Load(ctx context.Context, path, dir string, w recording.Wanted, p Progress) (_ *recording.Spool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the recording: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the recording: %w", err)
	}
	spool, err := recording.NewSpool(dir)
	if err != nil {
		return nil, err
	}
	in := &counting{r: f, size: info.Size(), told: p, ctx: ctx}
	if err := Read(path, in, w, spool); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	return spool, nil
}

// counting tells of progress, and fails when its context ends.
type counting struct {
	r          io.Reader
	ctx        context.Context
	read, size int64
	told       Progress
}

// Read implements io.Reader.
func (c *counting) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(b)
	c.read += int64(n)
	if c.told != nil {
		c.told(c.read, c.size)
	}
	return n, err
}

// Read reads everything from in, which errors call name, into spool and finishes it.
func Read(name string, in io.Reader, w recording.Wanted, spool *recording.Spool) error {
	buffered := bufio.NewReaderSize(in, maxLine)
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("%s: unpacking: %w", name, err)
		}
		buffered = bufio.NewReaderSize(z, maxLine)
	}
	r := reader{name: name, wanted: w, spool: spool, refs: map[string]int{}}
	if err := r.all(buffered); err != nil {
		return err
	}
	return spool.Finish()
}

// reader is the state of reading one file.
type reader struct {
	name   string
	wanted recording.Wanted
	spool  *recording.Spool
	refs   map[string]int // by the series as written; -1: not wanted
	line   int            // being read, from 1
	block  []byte         // wanted lines not parsed yet
	lines  []int          // their numbers
}

func (r *reader) fail(line int, err error) error { return fmt.Errorf("%s:%d: %w", r.name, line, err) }

func (r *reader) all(in *bufio.Reader) error {
	ended := false
	for {
		line, err := in.ReadSlice('\n')
		r.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return r.fail(r.line, errTooLong)
		case err != nil && !errors.Is(err, io.EOF):
			return r.fail(r.line, fmt.Errorf("reading: %w", err))
		}
		last := err != nil
		if len(line) > 0 {
			if ended {
				return r.fail(r.line, errMore)
			}
			ended = bytes.Equal(bytes.TrimSuffix(line, []byte("\n")), []byte("# EOF"))
			if !ended && last {
				return r.fail(r.line, errNoEnd)
			}
			if err := r.take(line); err != nil {
				return err
			}
		}
		if last {
			break
		}
	}
	if !ended {
		return r.fail(max(1, r.line-1), errNoEnd)
	}
	return r.parse()
}

// take keeps a line if it may be a sample that is wanted.
func (r *reader) take(line []byte) error {
	if line[0] == '#' || line[0] == '\n' && len(line) == 1 {
		if len(line) == 1 {
			return r.fail(r.line, errors.New("the line is empty, which OpenMetrics does not allow"))
		}
		return nil
	}
	if n := nameLength(line); n > 0 && !r.wanted.Name(string(line[:n])) {
		return nil
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return r.fail(r.line, errNUL) // the parser would take it for the end
	}
	r.block, r.lines = append(r.block, line...), append(r.lines, r.line)
	if len(r.block) < blockBytes {
		return nil
	}
	return r.parse()
}

// nameLength is the length of the metric name that a line begins with; 0: it is written otherwise.
func nameLength(b []byte) int {
	for i, c := range b {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(b)
}

// parse reads the lines kept. Each is one sample, so what fails is the line after those that did not.
func (r *reader) parse() error {
	r.block = append(r.block, "# EOF\n"...)
	p := textparse.NewOpenMetricsParser(r.block, labels.NewSymbolTable())
	n := 0
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if n >= len(r.lines) {
			return r.fail(r.line, errors.New("the line is malformed"))
		}
		if err != nil {
			return r.fail(r.lines[n], fmt.Errorf("the line is malformed: %w", err))
		}
		if entry != textparse.EntrySeries {
			return r.fail(r.lines[n], errors.New("the line is malformed"))
		}
		if err := r.sample(p); err != nil {
			return r.fail(r.lines[n], err)
		}
		n++
	}
	if n != len(r.lines) {
		return r.fail(r.lines[n], errors.New("the line is malformed"))
	}
	r.block, r.lines = r.block[:0], r.lines[:0]
	return nil
}

func (r *reader) sample(p textparse.Parser) error {
	written, at, v := p.Series()
	if bytes.IndexByte(written, '\n') >= 0 { // it has swallowed the line after it
		return errors.New("the line is malformed: it breaks off inside a value")
	}
	ref, known := r.refs[string(written)]
	if !known {
		var ls labels.Labels
		p.Labels(&ls)
		ref = -1
		if r.wanted.Series(ls) {
			var err error
			if ref, err = r.spool.Add(ls); err != nil {
				return err
			}
		}
		if len(r.refs) < 2*recording.MaxSeries {
			r.refs[string(written)] = ref
		}
	}
	switch {
	case at == nil:
		return errNoTime
	case ref < 0:
		return nil
	}
	return r.spool.Float(ref, *at, v)
}

package prometheus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/assayer-io/assayer/collector"
)

// scratch is what reading one answer needs; it is reused by whichever target is read next.
type scratch struct {
	gunzip   gzip.Reader
	text     textScan
	proto    protoScan
	samples  []collector.Sample
	unusable []*collector.Series
	starts   []*start
}

// scratches lends scratch space, so that it is bounded by the looks under way and not by targets.
type scratches struct{ pool sync.Pool }

func (s *scratches) get() *scratch {
	if sc, ok := s.pool.Get().(*scratch); ok {
		return sc
	}
	return &scratch{proto: protoScan{in: bufio.NewReaderSize(nil, readSize)}}
}

// maxIdle bounds what a scratch keeps of an unusually large answer.
const maxIdle = 1 << 20

func (s *scratches) put(sc *scratch) {
	sc.text.answer, sc.text.uses, sc.proto.answer, sc.proto.uses = nil, nil, nil, nil
	if len(sc.text.buf) > readSize {
		sc.text.buf = nil
	}
	if cap(sc.text.kept) > maxIdle {
		sc.text.kept = nil
	}
	if sc.proto.family.Cap() > maxIdle {
		sc.proto.family = bytes.Buffer{}
	}
	if cap(sc.samples) > maxIdle/32 {
		sc.samples, sc.starts = nil, nil
	}
	clear(sc.samples) // lets go of the series
	clear(sc.starts)
	s.pool.Put(sc)
}

// limitedReader fails once more than left bytes come out of r.
type limitedReader struct {
	r     io.Reader
	left  int64
	limit int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("body is larger than body_size_limit, %d bytes after decompression", l.limit)
	}
	return n, err
}

// open gives the decompressed body of resp, no longer than limit bytes.
func (sc *scratch) open(resp *http.Response, limit int64) (io.Reader, error) {
	var r io.Reader = resp.Body
	switch enc := resp.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		if err := sc.gunzip.Reset(resp.Body); err != nil {
			return nil, fmt.Errorf("reading gzip header: %w", inMessage(err))
		}
		r = &sc.gunzip
	default:
		return nil, fmt.Errorf("target answers with Content-Encoding %.50q, which was not asked for", enc)
	}
	return &limitedReader{r: r, left: limit, limit: limit}, nil
}

// parse reads an answer of format f.
func (sc *scratch) parse(a *answer, body io.Reader, f format) error {
	uses := a.memory.want.uses
	if a.memory.pool.renames {
		uses = nil
	}
	var err error
	if f == formatProto {
		sc.proto.answer, sc.proto.uses, sc.proto.native = a, uses, a.memory.want.Histograms
		err = sc.proto.read(body)
	} else {
		sc.text.reset(a, uses, f)
		err = sc.text.read(body)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("body is cut off: %w", err)
	}
	return err
}

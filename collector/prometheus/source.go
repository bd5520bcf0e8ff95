package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/assayer-io/assayer/collector"
)

// source scrapes one target. Its Collect is not called twice at once.
type source struct {
	pool   *pool
	target target
	want   *atomic.Pointer[interest]
	memory *memory
	req    *http.Request
}

func newSource(p *pool, t target, want *atomic.Pointer[interest], version string) (*source, error) {
	req, err := http.NewRequest(http.MethodGet, t.url, http.NoBody) //nolint:noctx // each look clones it with its own context
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.id, err)
	}
	req.Header.Set("Accept", p.accept)
	req.Header.Set("Accept-Encoding", "identity")
	if p.cfg.compress(t.address) {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	req.Header.Set("User-Agent", "Assayer/"+version)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64))
	return &source{pool: p, target: t, want: want, memory: newMemory(p, t.public), req: req}, nil
}

// Collect scrapes the target once.
func (s *source) Collect(ctx context.Context, at time.Time, emit func(collector.Cycle)) {
	sc := s.pool.scratches.get()
	defer s.pool.scratches.put(sc)
	cycle := collector.Cycle{Target: s.target.id, At: at, Interval: s.target.interval}
	a := answer{
		memory: s.memory, atMs: at.UnixMilli(), honor: s.pool.cfg.HonorTimestamps,
		samples: sc.samples[:0], unusable: sc.unusable[:0], starts: sc.starts[:0],
	}
	want := s.want.Load()
	cycle.Epoch = want.Epoch
	s.memory.begin(want)
	err := s.scrape(s.request(ctx, want), sc, &a)
	s.memory.end(err == nil)
	sc.samples, sc.unusable, sc.starts = a.samples, a.unusable, a.starts
	cycle.Stats = a.stats
	if err != nil {
		cycle.Err = failure(ctx, err)
	} else {
		cycle.Samples, cycle.Unusable = a.samples, a.unusable
	}
	emit(cycle)
}

// request is what a look by want asks for. Native histograms exist in protobuf only.
func (s *source) request(ctx context.Context, want *interest) *http.Request {
	req := s.req.WithContext(ctx)
	if want.Histograms {
		req.Header = req.Header.Clone()
		req.Header.Set("Accept", s.pool.native)
	}
	return req
}

var errHungUp = errors.New("target closed the connection without an answer")

// scrape asks the target and reads its answer into a.
func (s *source) scrape(req *http.Request, sc *scratch, a *answer) error {
	resp, err := s.pool.client.Do(req)
	if errors.Is(err, io.EOF) {
		return errHungUp
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close() // reading has told what there is to tell
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("target answers HTTP status %s", resp.Status)
	}
	f, err := formatOf(resp.Header.Get("Content-Type"), s.pool.cfg.FallbackScrapeProtocol)
	if err != nil {
		return err
	}
	body, err := sc.open(resp, s.pool.bodyLimit)
	if err != nil {
		return err
	}
	a.link = f == formatOpenMetrics
	if err := sc.parse(a, body, f); err != nil {
		return err
	}
	if limit := int(s.pool.cfg.SampleLimit); limit > 0 && a.stats.Seen-a.dropped > limit {
		return fmt.Errorf("target exposes %d samples, above sample_limit %d", a.stats.Seen-a.dropped, limit)
	}
	a.finish()
	return nil
}

// maxErrorText bounds what a message repeats of an answer.
const maxErrorText = 400

// failure says why a scrape failed: for want of time, if that is so.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err // the URL stands beside the message, and its parameters need not stand in logs
	}
	if text := err.Error(); len(text) > maxErrorText {
		err = errors.New(text[:maxErrorText] + "...")
	}
	return fmt.Errorf("scraping: %w", err)
}

// failing is a source that cannot work; every cycle says why.
type failing struct{ err error }

func (f failing) Collect(_ context.Context, at time.Time, emit func(collector.Cycle)) {
	emit(collector.Cycle{At: at, Err: f.err})
}

// Package promapi fetches recorded samples from a server with Prometheus' HTTP API: raw samples, by instant
// queries with a range selector, a stretch of time after another:
//
//	query={__name__="card_auth_total",outcome="technical"}[1h]&time=1795003200
//
// They go through a spool, for the answer to each query is in order of series. A query that is too big for
// the server or for us is asked again for half the time. Staleness markers and native histograms are not
// in such answers.
package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/replay/recording"
)

// Bounds of one fetch.
const (
	firstChunk  = time.Hour
	leastChunk  = time.Minute
	maxAnswer   = 256 << 20
	maxAttempts = 5
	firstPause  = time.Second
	timeout     = 2 * time.Minute // of one query
)

// Options say what to fetch from where.
type Options struct {
	URL        string
	HTTP       config.HTTPClientConfig
	Wanted     recording.Wanted
	Queries    []string // selectors that together give what is wanted: see Queries
	Start, End time.Time
	Temp       string                                     // folder of the spool's file; "": the system's
	UserAgent  string                                     // sent with each query
	Progress   func(done, whole float64)                  // is told after each stretch of time; nil: nobody is
	Pause      func(context.Context, time.Duration) error // between attempts; nil: waits
}

// fetch is one fetch under way.
type fetch struct {
	Options
	client *http.Client
	base   string
	spool  *recording.Spool
	refs   map[string]int // by labels as answered; -1: not wanted
	warned bool           // of native histograms
}

// Load fetches everything into a spool. The warnings say what could not be had.
func Load(ctx context.Context, o Options) (_ *recording.Spool, warnings []string, err error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, nil, fmt.Errorf("--from-prometheus: got %q, allowed: a URL such as http://127.0.0.1:9090", o.URL)
	}
	client, err := config.NewClientFromConfig(o.HTTP, "replay", config.WithUserAgent(o.UserAgent))
	if err != nil {
		return nil, nil, fmt.Errorf("making the HTTP client: %w", err)
	}
	defer client.CloseIdleConnections()
	spool, err := recording.NewSpool(o.Temp)
	if err != nil {
		return nil, nil, err
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	f := &fetch{Options: o, client: client, base: strings.TrimSuffix(u.String(), "/"), spool: spool, refs: map[string]int{}}
	if err = f.all(ctx); err == nil {
		err = spool.Finish()
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("fetching from %s: %w", u.Redacted(), err), spool.Close())
	}
	if f.warned {
		warnings = append(warnings, "the server has native histograms, which its API does not give as they are; they are left out: replay them with --from-tsdb")
	}
	return spool, warnings, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// all fetches one stretch of time after another, the shorter the more there is in it.
func (f *fetch) all(ctx context.Context) error {
	jobs, err := f.jobs(ctx)
	if err != nil {
		return err
	}
	queries := append(slices.Clone(f.Queries), "{__name__="+strconv.Quote(recording.Up)+`,job=~`+strconv.Quote(anyOf(jobs))+"}")
	chunk, begin := firstChunk, f.Start.Add(-time.Millisecond)
	for from := begin; from.Before(f.End); {
		length := min(chunk, f.End.Sub(from))
		err := f.stretch(ctx, queries, from, length)
		if _, big := errors.AsType[*tooMuch](err); big && length/2 >= leastChunk {
			chunk = (length / 2).Truncate(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		from = from.Add(length)
		if f.Progress != nil {
			f.Progress(from.Sub(begin).Seconds(), f.End.Sub(begin).Seconds())
		}
	}
	return nil
}

// stretch fetches (from, from+length] of every query. What an attempt has brought that then failed is
// brought again by the next; the spool's reader takes it once.
func (f *fetch) stretch(ctx context.Context, queries []string, from time.Time, length time.Duration) error {
	for _, q := range queries {
		form := url.Values{
			"query": {q + "[" + strconv.FormatInt(length.Milliseconds(), 10) + "ms]"},
			"time":  {seconds(from.Add(length))},
		}
		err := f.ask(ctx, "/api/v1/query", form, func(data json.RawMessage) error { return f.matrix(data, from.UnixMilli()) })
		if err != nil {
			return err
		}
	}
	return nil
}

// seconds writes a time as the API reads it, exact to the millisecond.
func seconds(t time.Time) string {
	ms := t.UnixMilli()
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// jobs lists the jobs that have wanted series.
func (f *fetch) jobs(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	form := url.Values{"match[]": f.Queries, "start": {seconds(f.Start)}, "end": {seconds(f.End)}}
	err := f.ask(ctx, "/api/v1/series", form, func(data json.RawMessage) error {
		var series []map[string]string
		if err := json.Unmarshal(data, &series); err != nil {
			return err
		}
		for _, s := range series {
			if f.Wanted.Series(labels.FromMap(s)) {
				found[s["job"]] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, recording.ErrNothing
	}
	var jobs []string
	for job := range found {
		jobs = append(jobs, job)
	}
	slices.Sort(jobs)
	return jobs, nil
}

// matrix books the answer to one query, but for samples up to from: some servers include the edge.
func (f *fetch) matrix(data json.RawMessage, from int64) error {
	var answer struct {
		Type   string `json:"resultType"`
		Result []struct {
			Metric     json.RawMessage   `json:"metric"`
			Values     points            `json:"values"`
			Histograms []json.RawMessage `json:"histograms"`
		} `json:"result"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	if answer.Type != "matrix" {
		return fmt.Errorf("got a result of type %q, allowed: matrix", answer.Type)
	}
	for _, s := range answer.Result {
		ref, err := f.ref(s.Metric)
		if err != nil {
			return err
		}
		if ref < 0 {
			continue
		}
		f.warned = f.warned || len(s.Histograms) > 0
		for _, p := range s.Values {
			if p.at <= from {
				continue
			}
			if err := f.spool.Float(ref, p.at, p.value); err != nil {
				return &broken{err}
			}
		}
	}
	return nil
}

func (f *fetch) ref(metric json.RawMessage) (int, error) {
	ref, known := f.refs[string(metric)]
	if known {
		return ref, nil
	}
	var m map[string]string
	if err := json.Unmarshal(metric, &m); err != nil {
		return 0, err
	}
	ref = -1
	if ls := labels.FromMap(m); f.Wanted.Series(ls) {
		var err error
		if ref, err = f.spool.Add(ls); err != nil {
			return 0, &broken{err}
		}
	}
	if len(f.refs) < 2*recording.MaxSeries {
		f.refs[string(metric)] = ref
	}
	return ref, nil
}

// broken is an error of ours, which asking again does not mend.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// tooMuch is a query that asked for more than the server, or we, can take at once.
type tooMuch struct{ error }

func (t *tooMuch) Unwrap() error { return t.error }

// refused is an answer that asking again does not change.
type refused struct{ error }

// ask asks until there is an answer that read takes, a few times at most.
func (f *fetch) ask(ctx context.Context, path string, form url.Values, read func(json.RawMessage) error) error {
	for attempt := 1; ; attempt++ {
		err := f.once(ctx, path, form, read)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, ours := errors.AsType[*broken](err)
		_, much := errors.AsType[*tooMuch](err)
		_, no := errors.AsType[*refused](err)
		if ours || much || no || attempt == maxAttempts {
			return err
		}
		if err := f.Pause(ctx, firstPause<<(attempt-1)); err != nil {
			return err
		}
	}
}

func (f *fetch) once(ctx context.Context, path string, form url.Values, read func(json.RawMessage) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return &refused{err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := f.client.Do(req)
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err // the address stands beside it
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if len(data) > maxAnswer {
		return &tooMuch{fmt.Errorf("the answer is longer than %d bytes", maxAnswer)}
	}
	var answer struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return f.failed(res, "")
	}
	if res.StatusCode/100 != 2 || answer.Status != "success" {
		return f.failed(res, answer.Error)
	}
	if err := read(answer.Data); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// failed turns an answer that is none into an error.
func (f *fetch) failed(res *http.Response, said string) error {
	err := fmt.Errorf("it answers %s", res.Status)
	if said != "" {
		err = fmt.Errorf("it answers %s: %.300s", res.Status, said)
	}
	switch code := res.StatusCode; {
	case code == http.StatusUnprocessableEntity, strings.Contains(said, "too many samples"), strings.Contains(said, "timed out"):
		return &tooMuch{err}
	case code == http.StatusTooManyRequests, code/100 == 5:
		return err
	case code/100 == 2:
		return &refused{fmt.Errorf("%w, but not what a Prometheus would", err)}
	}
	return &refused{err}
}

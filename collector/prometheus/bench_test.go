package prometheus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/collector"
)

// exposition has 100 families of 1,000 series each, of which one is wanted: 1 %.
func exposition(families, series int) []byte {
	var b bytes.Buffer
	for f := range families {
		fmt.Fprintf(&b, "# HELP payments_family_%02d_total What family %d counts.\n# TYPE payments_family_%02d_total counter\n", f, f, f)
		for s := range series {
			fmt.Fprintf(&b, "payments_family_%02d_total{method=\"POST\",path=\"/v1/payments/%04d\",region=\"eu-west-1\",code=\"%d\"} %d\n", f, s, 200+s%5, s*7919)
		}
	}
	return b.Bytes()
}

const benchWanted = "payments_family_42_total"

const exposed, matched = 100_000, 1000

// each runs once for b.Loop and reports the cost of one exposed series: time, bytes allocated and
// bytes of body, of which there are size in all.
func each(b *testing.B, size int, once func()) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		once()
	}
	runtime.ReadMemStats(&after)
	per := func(total, n float64, unit string) { b.ReportMetric(total/n/exposed, unit) }
	per(float64(b.Elapsed().Nanoseconds()), float64(b.N), "ns/sample")
	per(float64(after.TotalAlloc-before.TotalAlloc), float64(b.N), "B/sample")
	per(float64(size), 1, "wire-B/sample")
}

// BenchmarkScrape compares, in one run, selective scraping with what it is built of: the bare search
// for line breaks as the floor (over HTTP with gunzip, if asked for), and Prometheus' parser over
// everything as the way it replaces. "memory" leaves HTTP out, "http" is a whole cycle over loopback,
// which the time and the bytes allocated by the serving side are part of.
func BenchmarkScrape(b *testing.B) {
	body := exposition(100, 1000)
	b.Run("floor/newlines", func(b *testing.B) {
		each(b, len(body), func() {
			n := 0
			for rest := body; len(rest) > 0; n++ {
				rest = rest[bytes.IndexByte(rest, '\n')+1:]
			}
			if n != exposed+200 {
				b.Fatal(n)
			}
		})
	})
	b.Run("textparse/labels", func(b *testing.B) { benchParser(b, body) })

	zip := zipped(b, func(w io.Writer) { _, _ = w.Write(body) })
	b.Run("selective/memory/plain", func(b *testing.B) { benchMemory(b, body, "", len(body)) })
	b.Run("selective/memory/gzip", func(b *testing.B) { benchMemory(b, zip, "gzip", len(zip)) })
	for _, compress := range []bool{false, true} {
		kind := map[bool]string{false: "plain", true: "gzip"}[compress]
		server, size := benchServer(b, body, zip), map[bool]int{false: len(body), true: len(zip)}[compress]
		b.Run("floor/http/"+kind, func(b *testing.B) { benchHTTPFloor(b, server, compress, size) })
		b.Run("selective/http/"+kind, func(b *testing.B) { benchHTTP(b, server, compress, size) })
	}
}

func benchParser(b *testing.B, body []byte) {
	each(b, len(body), func() {
		p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
		n := 0
		var ls labels.Labels
		for {
			entry, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if entry == textparse.EntrySeries {
				p.Series()
				p.Labels(&ls)
				n++
			}
		}
		if n != exposed {
			b.Fatal(n)
		}
	})
}

func benchMemory(b *testing.B, body []byte, encoding string, size int) {
	p := testPool(b, "scrape_configs: [{job_name: x}]")
	m := newMemory(p, labels.FromStrings("job", "x", "instance", "a:1"))
	want := newInterest(wantNames(benchWanted))
	each(b, size, func() {
		m.begin(want)
		sc := p.scratches.get()
		a := &answer{memory: m, atMs: 1, honor: true, samples: sc.samples[:0]}
		resp := &http.Response{Header: http.Header{"Content-Encoding": {encoding}}, Body: io.NopCloser(bytes.NewReader(body))}
		r, err := sc.open(resp, 1<<30)
		if err != nil {
			b.Fatal(err)
		}
		if err := sc.parse(a, r, formatText); err != nil {
			b.Fatal(err)
		}
		m.end(true)
		if sc.samples = a.samples; len(a.samples) != matched || a.stats.Seen != exposed {
			b.Fatal(len(a.samples), a.stats.Seen)
		}
		p.scratches.put(sc)
	})
}

// benchServer exposes body, or zip to those who ask for gzip.
func benchServer(b *testing.B, body, zip []byte) *httptest.Server {
	return serveFunc(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typeText)
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zip)
			return
		}
		_, _ = w.Write(body)
	})
}

func benchHTTPFloor(b *testing.B, server *httptest.Server, compress bool, size int) {
	req, err := http.NewRequest(http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", map[bool]string{false: "identity", true: "gzip"}[compress])
	sc, buf := (&scratches{}).get(), make([]byte, readSize)
	each(b, size, func() {
		resp, err := server.Client().Do(req)
		if err != nil {
			b.Fatal(err)
		}
		r, err := sc.open(resp, 1<<30)
		if err != nil {
			b.Fatal(err)
		}
		lines := 0
		for err == nil {
			var n int
			n, err = r.Read(buf)
			lines += bytes.Count(buf[:n], []byte("\n"))
		}
		if _ = resp.Body.Close(); !errors.Is(err, io.EOF) || lines != exposed+200 {
			b.Fatal(lines, err)
		}
	})
}

func benchHTTP(b *testing.B, server *httptest.Server, compress bool, size int) {
	j := launch(b, section(server, fmt.Sprint("enable_compression: ", compress)), wantNames(benchWanted)).jobs(1)[0]
	each(b, size, func() {
		j.Source.Collect(context.Background(), time.Now(), func(c collector.Cycle) {
			if c.Err != nil || len(c.Samples) != matched {
				b.Fatal(len(c.Samples), c.Err)
			}
		})
	})
}

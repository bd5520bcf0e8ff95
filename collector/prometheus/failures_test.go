package prometheus

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestHalfReadExpositionsFail(t *testing.T) {
	for _, tt := range []struct{ name, media, body, want string }{
		{"no final newline", typeText, "wanted 1\nwanted{a=\"b\"} 12", "body ends within a line"},
		{"no final newline, unwanted", typeText, "wanted 1\nother 12", "body ends within a line"},
		{"no EOF", typeOM, "wanted 1\n", "does not end with # EOF"},
		{"no EOF, cut in line", typeOM, "wanted 1\nwan", "does not end with # EOF"},
		{"EOF cut", typeOM, "wanted 1\n# EO", "does not end with # EOF"},
		{"empty OpenMetrics", typeOM, "", "does not end with # EOF"},
		{"data after EOF", typeOM, "wanted 1\n# EOF\nwanted 2\n", "data after # EOF"},
		{"same name after EOF", typeOM, "wanted 1\n# EOF\nwanted{a=\"b\"} 2\n", "data after # EOF"},
		{"half a line after EOF", typeOM, "wanted 1\n# EOF\nw", "data after # EOF"},
		{"blank line", typeOM, "wanted 1\n\n# EOF\n", "expected a valid start token"},
		{"comment", typeOM, "# hello\nwanted 1\n# EOF\n", "while parsing"},
		{"value", typeText, "wanted abc\n", "abc"},
		{"no value", typeText, "wanted\n", "expected value"},
		{"labels", typeText, "wanted{a=b} 1\n", "expected label value"},
		{"open quote", typeText, "wanted{a=\"b} 1\nwanted 2\n", ""},
		{"line break in label", typeText, "wanted{a=\"b\nwanted{a=\"} 2\n", "line break inside"},
		{"line break in metadata", typeText, "{\"x\"} 1\n# HELP \"wanted\nwanted{a=\"b\"} 2\n", "line break inside"},
		{"name swallowed", typeText, "wanted!x 1\n", "wanted"},
		{"type", typeText, "# TYPE wanted sausage\nwanted 1\n", "invalid metric type"},
		{"help", typeText, "# HELP wanted \xff\nwanted 1\n", "utf8"},
		{"garbage", typeText, "\x1f\x8b\x08garbage\n", "valid start token"},
		{"web page", typeText, "<html>\n", "valid start token"},
		{"carriage return", typeText, "wanted 1\r\n", "while parsing"},
		{"NUL", typeText, "wanted{a=\"\x00\"} 1\n", "NUL"},
		{"NUL at line start", typeText, "\x00\nwanted 1\n", "NUL"},
		{"not UTF-8", typeText, "wanted{a=\"\xff\"} 1\n", "UTF-8"},
		{"exemplar", typeOM, "wanted_total 1 # {a} 1\n# EOF\n", "while parsing"},
		{"long line", typeText, "other{a=\"" + strings.Repeat("x", maxLine+1) + "\"} 1\n", "line is longer than 1048576 bytes"},
		{"HTML", "text/html; charset=utf-8", "<html></html>\n", `Content-Type "text/html; charset=utf-8"`},
		{"no type", "", "wanted 1\n", `Content-Type ""`},
		{"OpenMetrics 2", "application/openmetrics-text; version=2.0.0", "wanted 1\n# EOF\n", "no metrics format"},
		{"proto as text", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text", "x", "no metrics format"},
		{"proto cut in length", "application/vnd.google.protobuf", "\xff", "cut off"},
		{"proto cut in message", "application/vnd.google.protobuf", "\x20\x0a\x06wanted", "cut off"},
		{"proto cut in unwanted message", "application/vnd.google.protobuf", "\x20\x0a\x05other", "cut off"},
		{"proto too large", "application/vnd.google.protobuf", string(binary.AppendUvarint(nil, 1<<40)), "above the bound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectFailure(t, once(t, serve(t, tt.media, tt.body), wantNames("wanted", "wanted_total")), tt.want)
		})
	}
}

func TestUnwantedLinesAreNotLookedAt(t *testing.T) {
	body := "# TYPE other sausage\nother abc\nother{a=b\nwanted 1\n# TYPE wanted_not gauge\nwanted_not 1 2 3\n"
	expect(t, once(t, serve(t, typeText, body), wantNames("wanted_late", "nothing")))
	body = "# TYPE wanted counter\nwanted 1\n# HELP other \xff\nother abc\nother{a=b\n"
	expect(t, once(t, serve(t, typeText, body), wantNames("wanted")), "wanted 1")
}

func TestFallbackProtocolReadsWhatHasNoType(t *testing.T) {
	for _, media := range []string{"", "application/octet-stream", "text/html", "a/b/c; ="} {
		expect(t, once(t, serve(t, media, "wanted 1\n"), wantNames("wanted"), "fallback_scrape_protocol: PrometheusText0.0.4"), "wanted 1")
		expect(t, once(t, serve(t, media, "wanted 1\n# EOF"), wantNames("wanted"), "fallback_scrape_protocol: OpenMetricsText1.0.0"), "wanted 1")
	}
	// A type that is known goes before the fallback.
	expectFailure(t, once(t, serve(t, typeOM, "wanted 1\n"), wantNames("wanted"), "fallback_scrape_protocol: PrometheusText0.0.4"), "# EOF")
}

func TestStatusAndConnection(t *testing.T) {
	for status, want := range map[int]string{http.StatusInternalServerError: "HTTP status 500 Internal Server Error", http.StatusNoContent: "HTTP status 204", http.StatusUnauthorized: "HTTP status 401"} {
		expectFailure(t, once(t, serveFunc(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), wantNames("wanted")), want)
	}
	gone := serve(t, typeText, "")
	j := launch(t, section(gone), wantNames("wanted")).jobs(1)[0]
	gone.Close()
	expectFailure(t, scrape(t, j), "connection refused")
	expectFailure(t, once(t, serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeText)
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "wanted 1\n") // and then the connection breaks
	}), wantNames("wanted")), "cut off")
	expectFailure(t, once(t, serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeText)
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "wanted 1\n")
	}), wantNames("wanted")), `Content-Encoding "br"`)
}

func zipped(t testing.TB, write func(w io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	write(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func serveGzip(t testing.TB, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Type", typeText)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}
}

func TestBodySizeLimit(t *testing.T) {
	mib := []byte(strings.Repeat("other{a=\""+strings.Repeat("x", 1<<16-14)+"\"} 1\n", 1<<4))
	write := func(w io.Writer, n int) {
		for range n {
			_, _ = w.Write(mib)
		}
	}
	bomb := serveFunc(t, serveGzip(t, zipped(t, func(w io.Writer) { write(w, 20) })))
	expectFailure(t, once(t, bomb, wantNames("wanted"), "enable_compression: true", "body_size_limit: 10MB"), "body_size_limit, 10485760 bytes after decompression")
	c := once(t, bomb, wantNames("wanted"), "enable_compression: true", "body_size_limit: 20MB")
	if c.Err != nil || c.Stats.Bytes != 20<<20 || c.Stats.Seen != 20<<4 {
		t.Errorf("at exactly the limit: error %v, %d bytes, %d samples", c.Err, c.Stats.Bytes, c.Stats.Seen)
	}
	large := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeText)
		write(w, 257)
	})
	// A config without a limit has that of 256 MiB.
	expectFailure(t, once(t, large, wantNames("wanted")), "body_size_limit, 268435456 bytes after decompression")
}

func TestBrokenGzipFails(t *testing.T) {
	good := zipped(t, func(w io.Writer) { _, _ = io.WriteString(w, "wanted 1\n") })
	expect(t, once(t, serveFunc(t, serveGzip(t, good)), wantNames("wanted"), "enable_compression: true"), "wanted 1")
	for name, body := range map[string][]byte{
		"cut": good[:len(good)-3], "empty": {}, "checksum": append(good[:len(good)-8:len(good)-8], 0, 0, 0, 0, 9, 0, 0, 0),
		"garbage after": append(slices.Clip(good), "garbage"...), "plain": []byte("wanted 1\n"),
	} {
		if c := once(t, serveFunc(t, serveGzip(t, body)), wantNames("wanted"), "enable_compression: true"); c.Err == nil {
			t.Errorf("%s: accepted as %v", name, lines(c))
		}
	}
}

func TestSlowDripEndsAtTheTimeout(t *testing.T) {
	server := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typeText)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = io.WriteString(w, "#\n")
				w.(http.Flusher).Flush()
			}
		}
	})
	j := launch(t, section(server), wantNames("wanted")).jobs(1)[0]
	began := time.Now()
	c := scrapeAt(t, j, began, 200*time.Millisecond)
	expectFailure(t, c, "scraping: timed out after 200ms")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestFlappingTargetKeepsItsSeries(t *testing.T) {
	var broken atomic.Bool
	var n atomic.Int64
	server := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeText)
		fmt.Fprintf(w, "wanted{a=\"1\"} %d\n", n.Add(1))
		if broken.Load() {
			fmt.Fprint(w, "wanted{a=")
		}
	})
	j := launch(t, section(server), wantNames("wanted")).jobs(1)[0]
	first := scrape(t, j)
	expect(t, first, `wanted{a="1"} 1`)
	broken.Store(true)
	expectFailure(t, scrape(t, j), "body ends within a line")
	broken.Store(false)
	again := scrape(t, j)
	expect(t, again, `wanted{a="1"} 3`)
	if first.Samples[0].Series != again.Samples[0].Series {
		t.Error("the series was made twice")
	}
}

func TestErrorsAreShort(t *testing.T) {
	c := once(t, serve(t, typeText, "wanted{a=\""+strings.Repeat("x", 100_000)+"\"} abc\n"), wantNames("wanted"))
	if c.Err == nil || len(c.Err.Error()) > 500 {
		t.Errorf("error of %d bytes", len(fmt.Sprint(c.Err)))
	}
}

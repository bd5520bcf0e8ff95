package paysim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/paysim"
)

var signedAt = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// verify is the receiver's half of the signature, written from its description.
func verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	var unix int64
	var mac string
	if _, err := fmt.Sscanf(strings.Replace(header, ",v1=", " ", 1), "t=%d %s", &unix, &mac); err != nil {
		return errors.New("malformed header")
	}
	if age := now.Sub(time.Unix(unix, 0)); age > tolerance || age < -tolerance {
		return errors.New("too old")
	}
	if want := sign(secret, unix, body); !hmac.Equal([]byte(want), []byte(header)) {
		return errors.New("does not match")
	}
	return nil
}

func sign(secret []byte, unix int64, body []byte) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "%d.%s", unix, body)
	return fmt.Sprintf("t=%d,v1=%s", unix, hex.EncodeToString(h.Sum(nil)))
}

// start gives a company that moves only by Step.
func start(t *testing.T, opts paysim.Options) *paysim.Simulator {
	t.Helper()
	opts.Manual = true
	opts.Secret = []byte("between us")
	opts.Verify = verify
	if opts.Now == nil {
		opts.Now = func() time.Time { return signedAt }
	}
	if opts.Seed == 0 {
		opts.Seed = 7
	}
	s, err := paysim.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, url string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, string, http.Header) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func post(t *testing.T, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	code, answer, _ := do(t, req)
	return code, answer
}

// scrape reads a service's metrics with Prometheus' own text parser.
func scrape(t *testing.T, addr string) map[string]*dto.MetricFamily {
	t.Helper()
	code, body, _ := get(t, "http://"+addr+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answered %d", code)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// sumBy adds a counter's series up by the values of some labels, joined by a slash.
func sumBy(f *dto.MetricFamily, by ...string) map[string]int64 {
	out := map[string]int64{}
	for _, m := range f.GetMetric() {
		values := make([]string, len(by))
		for i, name := range by {
			for _, l := range m.GetLabel() {
				if l.GetName() == name {
					values[i] = l.GetValue()
				}
			}
		}
		out[strings.Join(values, "/")] += int64(m.GetCounter().GetValue())
	}
	return out
}

func truth(t *testing.T, s *paysim.Simulator) []paysim.Tally {
	t.Helper()
	_, body, _ := get(t, s.AdminURL()+"/truth")
	var v struct {
		Services []paysim.Tally `json:"services"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v.Services
}

func nonZero(m map[string]int64) map[string]int64 {
	maps.DeleteFunc(m, func(_ string, v int64) bool { return v == 0 })
	return m
}

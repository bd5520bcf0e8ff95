package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// answerer stands in for the network.
type answerer string

func (a answerer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Request: r,
		Header: http.Header{"Content-Type": {typeText}}, Body: io.NopCloser(strings.NewReader(string(a))),
	}, nil
}

// TestReadmeSample scrapes testdata/card-auth/input.txt with the objectives' interest of the README.
func TestReadmeSample(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join("testdata", "card-auth", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	in := wantNames("card_auth_total", "card_auth_seconds_bucket", "card_auth_seconds_count")
	in.Match = func(ls labels.Labels) bool { return ls.Get("le") == "" || ls.Get("le") == "2.0" }
	j := launch(t, read("config.yaml"), in).jobs(1)[0]
	j.Source.(*source).pool.client = &http.Client{Transport: answerer(read("input.txt"))}
	c := scrape(t, j)
	if c.Err != nil {
		t.Fatal(c.Err)
	}
	var got strings.Builder
	for _, s := range c.Samples {
		fmt.Fprintf(&got, "%s %v\n", s.Series.Labels, s.Value)
	}
	if want := read("want.txt"); got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		share float64
		took  time.Duration
		want  string
	}{
		{0, time.Minute, "reading    [>                             ]   0 %"},
		{0.25, time.Second, "reading    [=======>                      ]  25 %"},
		{0.25, time.Minute, "reading    [=======>                      ]  25 %  3m0s left"},
		{1, time.Minute, "reading    [==============================] 100 %  0s left"},
	} {
		if got := progressLine("reading", tt.share, tt.took); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestNoBarWithoutATerminal: what is not a terminal is read by programs.
func TestNoBarWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.show("reading", 1, 2)
	p.clear()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}

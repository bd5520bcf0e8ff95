package prometheus

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDiscoverySaysTheSameOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newQuiet(slog.NewTextHandler(&out, nil)))
		for range 1000 { // ten a second
			log.With("discovery", "file").Error("error reading file", "file", "a.json", "err", errors.New("broken"))
			log.With("discovery", "file").Error("error reading file", "file", "b.json", "err", errors.New("broken"))
			<-time.After(100 * time.Millisecond)
		}
		if a, b := strings.Count(out.String(), "a.json"), strings.Count(out.String(), "b.json"); a != 2 || b != 2 {
			t.Errorf("in 100 seconds said %d and %d times, want 2 and 2", a, b)
		}
	})
}

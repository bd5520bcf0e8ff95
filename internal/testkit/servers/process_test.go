package servers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogsTailBeginsWithAWholeLine(t *testing.T) {
	var l Output
	for _, line := range []string{"first line\n", "second line\n", "third line\n"} {
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		n    int
		want string
	}{
		"everything":         {0, "first line\nsecond line\nthird line\n"},
		"more than there is": {100, "first line\nsecond line\nthird line\n"},
		"cut inside a line":  {20, "third line\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := l.tail(tc.n); got != tc.want {
				t.Errorf("tail is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPollReturnsTheLastErrorAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tries := 0
		err := Poll(ctx, func(context.Context) error {
			tries++
			return errors.New("port is closed")
		})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "port is closed") {
			t.Errorf("error is %q, want the deadline and the last try's error", err)
		}
		if tries < 2 {
			t.Errorf("tried %d times in a second", tries)
		}
	})
}

func TestPollStopsAtTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := Poll(t.Context(), func(context.Context) error {
			if tries++; tries < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || tries != 3 {
			t.Errorf("error %v after %d tries, want none after 3", err, tries)
		}
	})
}

func TestListeningAddressIsReadFromTheLog(t *testing.T) {
	for name, tc := range map[string]struct{ line, want string }{
		"bare words":  {`time=2026-11-21T10:00:00.000Z level=INFO msg=listening component=web address=127.0.0.1:9797`, "127.0.0.1:9797"},
		"quoted":      {`level=INFO msg="listening" address="127.0.0.1:41000"`, "127.0.0.1:41000"},
		"other entry": {`level=INFO msg="stopped listening" address=127.0.0.1:9797`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if found := listening.FindStringSubmatch("level=INFO msg=starting\n" + tc.line + "\n"); found != nil {
				got = found[1]
			}
			if got != tc.want {
				t.Errorf("address is %q, want %q", got, tc.want)
			}
		})
	}
}

package postgresql

import (
	"math"
	"testing"
)

// FuzzPosition: what comes back of a position is what was written, and nothing else is taken for one.
func FuzzPosition(f *testing.F) {
	f.Add("timestamptz 2026-11-21 10:00:01.500000Z")
	f.Add("bigint -9223372036854775808")
	f.Add("timestamptz -infinity")
	f.Add("xid 3")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{timestamps, numbers} {
			v, ok, err := parsePosition(kind, text)
			if err != nil || !ok || v == math.MinInt64 {
				continue
			}
			again, ok, err := parsePosition(kind, position(kind, v))
			if again != v || !ok || err != nil {
				t.Errorf("%q is %d and comes back as %d, %v", text, v, again, err)
			}
		}
	})
}

// FuzzRow: a row of any text makes an event or an error.
func FuzzRow(f *testing.F) {
	f.Add("at", "2026-11-21 10:00:01.5+00")
	f.Add("external", "t")
	f.Add("original_id", "x")
	f.Fuzz(func(t *testing.T, column, text string) {
		m, err := newMapping([]string{"w", column}, "w")
		if err != nil {
			return
		}
		if _, err := m.event([][]byte{[]byte("1"), []byte(text)}); err != nil && len(text) > 40 && len(err.Error()) > 200 {
			t.Errorf("an error that may repeat the value: %v", err)
		}
	})
}

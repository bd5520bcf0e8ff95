package promapi

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// point is one sample as the API writes it: [1795003200.123,"42"].
type point struct {
	at    int64 // Unix milliseconds
	value float64
}

type points []point

// UnmarshalJSON reads a list of points. There are millions of them, and reflection takes ten times as long.
func (p *points) UnmarshalJSON(data []byte) error {
	*p = (*p)[:0]
	rest := data
	eat := func(c byte) bool {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) == 0 || rest[0] != c {
			return false
		}
		rest = rest[1:]
		return true
	}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	bad := func() error { return fmt.Errorf("got samples %.60q, allowed: [[seconds, \"value\"], …]", data) }
	if !eat('[') {
		return bad()
	}
	for first := true; !eat(']'); first = false {
		if !first && !eat(',') || !eat('[') {
			return bad()
		}
		at, after, ok := bytes.Cut(rest, []byte{','})
		if !ok {
			return bad()
		}
		rest = after
		if !eat('"') {
			return bad()
		}
		text, after, ok := bytes.Cut(rest, []byte{'"'})
		if !ok {
			return bad()
		}
		rest = after
		s, err := strconv.ParseFloat(string(bytes.TrimSpace(at)), 64)
		if err != nil || math.Abs(s) > 1e11 || !eat(']') {
			return bad()
		}
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return bad()
		}
		*p = append(*p, point{int64(math.Round(s * 1000)), v})
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return bad()
	}
	return nil
}

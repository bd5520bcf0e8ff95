package iso8583

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// maxLine bounds a line, in bytes.
const maxLine = 64 << 10

// maxValue bounds a value that is kept, in bytes: the longest field read has 42 digits.
const maxValue = 64

func lines(cfg Config, names map[int]string, r io.Reader, tell func(message) error) error {
	in := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d: more than %d bytes", n, maxLine)
		case err != nil && !last:
			return fmt.Errorf("reading ISO 8583 messages: line %d: %w", n, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			m, wrong := object(cfg, names, line)
			if wrong == nil {
				wrong = tell(m)
			}
			if wrong != nil {
				return placed(wrong, "line", n)
			}
		}
		if last {
			return nil
		}
	}
}

// object reads one message. What encoding/json says of a mistake may quote values, so it is not handed on.
func object(cfg Config, names map[int]string, line []byte) (message, error) {
	m := message{fields: map[int]string{}}
	var keys map[string]json.RawMessage
	if json.Unmarshal(line, &keys) != nil || keys == nil {
		return m, errors.New("a line that is not a JSON object")
	}
	var err error
	if m.mti, err = text(keys, cfg.MTIKey); err != nil {
		return m, err
	}
	if at, err := text(keys, cfg.TimeKey); err != nil {
		return m, err
	} else if at != "" {
		if m.at, err = time.Parse(time.RFC3339, at); err != nil {
			return m, fmt.Errorf("%s: allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)", cfg.TimeKey)
		}
		m.at = m.at.UTC()
	}
	if cfg.FieldsKey != "" {
		inner := map[string]json.RawMessage{}
		if raw := keys[cfg.FieldsKey]; raw != nil && json.Unmarshal(raw, &inner) != nil {
			return m, fmt.Errorf("%s: allowed: an object", cfg.FieldsKey)
		}
		keys = inner
	}
	for n, name := range names {
		value, err := text(keys, name)
		if err == nil && value == "" && name == strconv.Itoa(n) {
			value, err = text(keys, fmt.Sprintf("%03d", n))
		}
		if err != nil {
			return m, err
		}
		if value != "" {
			m.fields[n] = value
		}
	}
	return m, nil
}

// text is a string; empty: it is not there. A number is refused: it has lost the zeros that it began with.
func text(keys map[string]json.RawMessage, key string) (string, error) {
	raw := keys[key]
	if key == "" || raw == nil {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%s: allowed: a string", key)
	}
	if len(s) > maxValue {
		return "", fmt.Errorf("%s: more than %d bytes", key, maxValue)
	}
	return s, nil
}

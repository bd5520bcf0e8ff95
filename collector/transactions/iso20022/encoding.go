package iso20022

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoding is how the bytes of a document stand for characters.
type encoding uint8

const (
	utf8Text encoding = iota
	latin1
	ascii
)

// open looks at the first bytes: a mark of UTF-8 is skipped, what is in two or four bytes a character is refused.
func (t *tokens) open() error {
	for t.to < 4 {
		if err := t.more(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	first := t.buf[:min(t.to, 4)]
	switch {
	case bytes.HasPrefix(first, []byte{0xef, 0xbb, 0xbf}):
		t.from = 3
	case bytes.HasPrefix(first, []byte{0xfe, 0xff}), bytes.HasPrefix(first, []byte{0xff, 0xfe}),
		bytes.HasPrefix(first, []byte{0, '<'}), bytes.HasPrefix(first, []byte{'<', 0}), bytes.HasPrefix(first, []byte{0, 0, 0xfe, 0xff}):
		return t.mistake("the encoding UTF-16 or UTF-32; allowed: %s", allowedEncodings)
	}
	return nil
}

const allowedEncodings = "UTF-8, ISO-8859-1, US-ASCII"

// declare sets the encoding that a document says it has.
func (t *tokens) declare(name string) error {
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8":
		t.enc = utf8Text
	case "ISO-8859-1", "ISO8859-1", "LATIN1":
		t.enc = latin1
	case "US-ASCII", "ASCII":
		t.enc = ascii
	default:
		return t.mistake("the encoding %s; allowed: %s", strconv.Quote(shown([]byte(name))), allowedEncodings)
	}
	return nil
}

// check refuses bytes that are no characters of the encoding, and characters that XML does not have.
func (t *tokens) check(raw []byte) error {
	high := false
	for _, c := range raw {
		if c < ' ' && !isSpace(c) {
			return t.mistake("the control character 0x%02x", c)
		}
		high = high || c >= 0x80
	}
	switch {
	case !high || t.enc == latin1:
		return nil
	case t.enc == ascii:
		return t.mistake("a character that is not US-ASCII, as the document says it is")
	case !utf8.Valid(raw):
		return t.mistake("text that is not UTF-8, in a document that names no other encoding")
	}
	return nil
}

// references refuses what begins like a reference to an entity and is none of XML's own.
func (t *tokens) references(raw []byte) error {
	for {
		i := bytes.IndexByte(raw, '&')
		if i < 0 {
			return nil
		}
		_, n := reference(raw[i:])
		if n == 0 {
			return t.mistake("an entity that XML does not have by itself, which is refused")
		}
		raw = raw[i+n:]
	}
}

// reference is the character that b begins with a reference to, and its length; 0: it is none.
func reference(b []byte) (rune, int) {
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := string(b[1:end]); name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	default:
		digits, numeric := strings.CutPrefix(name, "#")
		hex, isHex := strings.CutPrefix(digits, "x")
		base := 10
		if isHex {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 21)
		if r := rune(n); err == nil && numeric && utf8.ValidRune(r) && (r >= ' ' || r == '\t' || r == '\n' || r == '\r') {
			return r, end + 1
		}
		return 0, 0
	}
}

// plain is raw as text.
func (t *tokens) plain(raw []byte, cdata bool) string {
	if !(t.enc == latin1 || bytes.IndexByte(raw, '&') >= 0) {
		return string(raw)
	}
	var b strings.Builder
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '&' && !cdata:
			r, n := reference(raw[i:])
			b.WriteRune(r)
			i += n
			continue
		case c >= 0x80 && t.enc == latin1:
			b.WriteRune(rune(c)) // the first 256 characters of Unicode are those of ISO-8859-1
		default:
			b.WriteByte(c)
		}
		i++
	}
	return b.String()
}

package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// input is a buffer over a reader that hands out whole objects. It holds two of the largest, so that there is
// always room to read into while one is incomplete.
type input struct {
	r        io.Reader
	buf      []byte
	from, to int   // of buf: read and not yet handed out
	line     int   // of from, counting from 1
	err      error // of r: io.EOF or worse, once it has come
}

func (in *input) reset(r io.Reader) {
	*in = input{r: r, buf: in.buf, line: 1}
}

// more reads at least one byte behind those that are there.
func (in *input) more() error {
	if in.to == len(in.buf) {
		in.to = copy(in.buf, in.buf[in.from:in.to])
		in.from = 0
	}
	for tries := 0; in.err == nil; tries++ {
		n, err := in.r.Read(in.buf[in.to:])
		in.to += n
		switch {
		case err != nil:
			in.err = err
		case n == 0 && tries == 100:
			in.err = io.ErrNoProgress
		}
		if n > 0 {
			return nil
		}
	}
	if errors.Is(in.err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("reading events: line %d: %w", in.line, in.err)
}

// next is the first byte that is not white space, which it stays in front of; io.EOF: there is none.
func (in *input) next() (byte, error) {
	for {
		for in.from < in.to {
			switch c := in.buf[in.from]; c {
			case '\n':
				in.line++
			case ' ', '\t', '\r':
			default:
				return c, nil
			}
			in.from++
		}
		in.from, in.to = 0, 0
		if err := in.more(); err != nil {
			return 0, err
		}
	}
}

// rest is what was read and not handed out, from where next has stopped.
func (in *input) rest() []byte { return in.buf[in.from:in.to] }

// skip goes past the byte that next gave.
func (in *input) skip() { in.from++ }

// object hands out the object that begins here, up to its closing brace. It is valid until the next call.
func (in *input) object() ([]byte, error) {
	var s scanner
	for n := 0; ; {
		read, err := s.scan(in.buf[in.from+n : in.to])
		n += read
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", in.line+bytes.Count(in.buf[in.from:in.from+n], []byte{'\n'}), err)
		case n > maxObject || n == maxObject && s.depth > 0:
			return nil, fmt.Errorf("line %d: an object of more than %d bytes", in.line, maxObject)
		case s.depth == 0:
			raw := in.buf[in.from : in.from+n]
			in.from += n
			in.line += bytes.Count(raw, []byte{'\n'})
			return raw, nil
		}
		if err := in.more(); errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("line %d: the input ends within an object", in.line)
		} else if err != nil {
			return nil, err
		}
	}
}

// scanner finds the end of a value of brackets, whatever pieces it comes in.
type scanner struct {
	depth    int
	inString bool
	escaped  bool
}

// scan returns how much of chunk it has read: all of it, or up to where depth fell to 0 or something is wrong.
func (s *scanner) scan(chunk []byte) (int, error) {
	for i := 0; i < len(chunk); i++ {
		c := chunk[i]
		if s.inString {
			for c != '"' && c != '\\' && c >= ' ' && !s.escaped && i+1 < len(chunk) { // most of all that there is
				i++
				c = chunk[i]
			}
			switch {
			case s.escaped:
				s.escaped = false
			case c == '"':
				s.inString = false
			case c == '\\':
				s.escaped = true
			}
			if c < ' ' {
				return i, errors.New("a string that is not closed, or has a control character")
			}
			continue
		}
		switch c {
		case '"':
			s.inString = true
		case '{', '[':
			if s.depth++; s.depth > maxDepth {
				return i, fmt.Errorf("values nested deeper than %d levels", maxDepth)
			}
		case '}', ']':
			if s.depth--; s.depth == 0 {
				return i + 1, nil
			}
		}
	}
	return len(chunk), nil
}

package ndjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Bounds of the names kept between calls: senders use a few dozen.
const (
	maxNames   = 4096
	maxNameLen = 64
)

// parser reads one object. Its raw text has balanced brackets, closed strings and is UTF-8: input saw to it.
type parser struct {
	raw   []byte   // the outermost object, for line numbers
	line  int      // where it begins
	d     *decoder // keeps names
	other bool     // a key of CloudEvents was seen
}

// mistake is what is wrong with an object, and where. It never holds a value.
type mistake struct {
	line int
	path string // of the key: amount.value; empty: not the value of a known key
	text string
}

func (m *mistake) Error() string {
	if m.path == "" {
		return fmt.Sprintf("line %d: %s", m.line, m.text)
	}
	return fmt.Sprintf("line %d: %s: %s", m.line, m.path, m.text)
}

// under places the mistake below a key.
func (m *mistake) under(key []byte) *mistake {
	if m.path == "" {
		m.path = string(key)
	} else {
		m.path = string(key) + "." + m.path
	}
	return m
}

// wrong is a mistake that stands at the start of rest, a tail or a part of the outermost object.
func (p *parser) wrong(rest []byte, text string) *mistake {
	before := cap(p.raw) - cap(rest) // both are slices of one buffer, so they end where it ends
	return &mistake{line: p.line + bytes.Count(p.raw[:before], []byte{'\n'}), text: text}
}

func (p *parser) wrongType(val []byte, allowed string) *mistake {
	return p.wrong(val, "got "+kind(val)+", allowed: "+allowed)
}

// members walks over the members of an object.
type members struct {
	p    *parser
	rest []byte // from behind the opening brace or the last value
	n    int
}

// member is one key and its value as written, without white space around it.
type member struct {
	key, value []byte
}

// walk begins with the members of object, which starts with a brace and ends with its closing bracket.
func (p *parser) walk(object []byte) members { return members{p: p, rest: object[1:]} }

// next is false at the end of the object.
func (m *members) next() (member, bool, *mistake) {
	rest := space(m.rest)
	if rest[0] == '}' {
		return member{}, false, nil
	}
	if m.n > 0 {
		if rest[0] != ',' {
			return member{}, false, m.p.wrongType(rest, "a comma or the object's end")
		}
		rest = space(rest[1:])
	}
	m.n++
	if rest[0] != '"' {
		return member{}, false, m.p.wrongType(rest, "a key in quotes")
	}
	key, rest := split(rest)
	if rest = space(rest); rest[0] != ':' {
		return member{}, false, m.p.wrongType(rest, "a colon behind the key")
	}
	rest = space(rest[1:])
	val, behind := split(rest)
	if len(val) == 0 {
		return member{}, false, m.p.wrongType(rest, "a value behind the key")
	}
	m.rest = behind
	name, wrong := m.p.text(key)
	return member{key: name, value: val}, wrong == nil, wrong
}

// space leaves out white space. There is a bracket at the end of what it gets.
func space(b []byte) []byte {
	i := 0
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return b[i:]
}

// split cuts b behind the value that it begins with; of what cannot be a value the first part is empty.
func split(b []byte) (val, rest []byte) {
	var n int
	switch b[0] {
	case '"':
		n = stringLen(b)
	case '{', '[':
		var s scanner
		n, _ = s.scan(b)
	default:
		n = bytes.IndexAny(b, ",:]}[{\" \n\t\r")
	}
	return b[:n], b[n:]
}

// stringLen is how long the string is that b begins with, quotes included.
func stringLen(b []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

func isNull(val []byte) bool { return string(val) == "null" }

// ignored checks the syntax of a value that nobody asks for.
func (p *parser) ignored(val []byte) *mistake {
	if val[0] == '"' && bytes.IndexByte(val, '\\') < 0 || json.Valid(val) {
		return nil
	}
	return p.wrong(val, "a value that is not JSON")
}

// string is the text of a string or null.
func (p *parser) string(val []byte) (string, *mistake) {
	text, wrong := p.text(val)
	return string(text), wrong
}

// name is the text of a string of which there are few different ones.
func (p *parser) name(val []byte) (string, *mistake) {
	text, wrong := p.text(val)
	return p.d.name(text), wrong
}

// text is the text of a string, or nothing for null. It is valid as long as the object is.
func (p *parser) text(val []byte) ([]byte, *mistake) {
	switch {
	case isNull(val):
		return nil, nil
	case val[0] != '"':
		return nil, p.wrongType(val, "a string")
	case bytes.IndexByte(val, '\\') < 0:
		return val[1 : len(val)-1], nil
	}
	var text string
	if err := json.Unmarshal(val, &text); err != nil {
		return nil, p.wrong(val, "a string with an escape that JSON does not have")
	}
	return []byte(text), nil
}

func (p *parser) time(val []byte) (time.Time, *mistake) {
	text, wrong := p.text(val)
	if wrong != nil || isNull(val) {
		return time.Time{}, wrong
	}
	var t time.Time
	if err := t.UnmarshalText(text); err != nil {
		return time.Time{}, p.wrong(val, "allowed: a time such as 2026-11-21T10:00:00Z (RFC 3339)")
	}
	return t.UTC(), nil
}

func (p *parser) boolean(val []byte) (bool, *mistake) {
	switch string(val) {
	case "true":
		return true, nil
	case "false", "null":
		return false, nil
	}
	return false, p.wrongType(val, "true or false")
}

// object calls each for every member of an object, and not at all for null.
func (p *parser) object(val []byte, each func(member) *mistake) *mistake {
	if isNull(val) {
		return nil
	}
	if val[0] != '{' {
		return p.wrongType(val, "an object")
	}
	m := p.walk(val)
	for {
		f, ok, wrong := m.next()
		if wrong != nil || !ok {
			return wrong
		}
		if wrong := each(f); wrong != nil {
			return wrong
		}
	}
}

// Package ndjson reads events of movements of money written as JSON: one object a line, one object over several
// lines, arrays of objects, and CloudEvents 1.0 in structured mode, single and batch, whose data is the object.
//
//	{"id":"a1","rail":"sct-inst","state":"received","at":"2026-11-21T10:00:00Z","amount":{"value":"12.34","currency":"EUR"}}
//
// It decodes by hand: this is the way most events come in, and encoding/json into a struct takes twice the CPU
// without saying which key stands twice or on which line. Tests hold it to encoding/json.
package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/assayer-io/assayer/collector/transactions"
)

// maxObject bounds one object, white space in it included, in bytes. Nothing that tells of one payment comes
// near it, and one line of a broken sender must not take the memory of others.
const maxObject = 64 << 10

// maxDepth bounds how deep values may be nested in unknown keys, in levels.
const maxDepth = 64

// New returns a decoder. It may be used by several goroutines at once; between calls it keeps buffers, the names of rails,
// states and currencies, and how keys were written last, all bounded.
//
// An object is an event; its keys are those of DESIGN's events and uetr, end_to_end_id, reference, role,
// external and original, an object with the same keys. Unknown keys are ignored, null counts as absent. A known
// key that has a value of the wrong type or stands twice, and text that is not JSON, is an error naming line
// and key, never the value: that may identify somebody. What an event has to say is left to the sink.
func New() transactions.Decoder {
	pool := &sync.Pool{New: func() any {
		return &decoder{in: input{buf: make([]byte, 2*maxObject)}, names: map[string]string{}}
	}}
	return func(r io.Reader, emit func(transactions.Event) error) error {
		d := pool.Get().(*decoder)
		d.in.reset(r)
		err := d.run(emit)
		d.in.reset(nil)
		pool.Put(d)
		return err
	}
}

type decoder struct {
	in    input
	names map[string]string
	days  days
	keys  []written                                                                                 // of the last event that quick has read
	last  struct{ rail, state, direction, role, counterparty, currency, scheme, list, code string } // names as they were told last
}

// name is a name of which there are few different ones.
func (d *decoder) name(text []byte) string {
	if known, ok := d.names[string(text)]; ok {
		return known
	}
	name := string(text)
	if len(d.names) < maxNames && len(name) <= maxNameLen {
		d.names[name] = name
	}
	return name
}

// run reads values one after another: objects, or arrays of objects.
func (d *decoder) run(emit func(transactions.Event) error) error {
	for {
		c, err := d.in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c == '[':
			err = d.array(emit)
		case c == '{':
			err = d.object(emit)
		default:
			err = fmt.Errorf("line %d: got %s, allowed: an object or an array of objects", d.in.line, kind(d.in.rest()))
		}
		if err != nil {
			return err
		}
	}
}

func (d *decoder) array(emit func(transactions.Event) error) error {
	d.in.skip()
	for n := 0; ; n++ {
		c, err := d.in.next()
		if err == nil && c == ']' && n == 0 {
			d.in.skip()
			return nil
		}
		if err == nil && c != '{' {
			err = fmt.Errorf("line %d: got %s in an array, allowed: an object", d.in.line, kind(d.in.rest()))
		}
		if err == nil {
			if err := d.object(emit); err != nil {
				return err
			}
			c, err = d.in.next()
		}
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("line %d: the input ends within an array", d.in.line)
		case err != nil:
			return err
		case c == ']':
			d.in.skip()
			return nil
		case c != ',':
			return fmt.Errorf("line %d: got %s after an object of an array, allowed: a comma or the array's end", d.in.line, kind(d.in.rest()))
		}
		d.in.skip()
	}
}

func (d *decoder) object(emit func(transactions.Event) error) error {
	var e transactions.Event
	if n := d.quick(d.in.rest(), &e); n > 0 && n <= maxObject {
		d.in.from += n
		return emit(e)
	}
	line := d.in.line
	raw, err := d.in.object()
	if err != nil {
		return err
	}
	if !utf8.Valid(raw) {
		return fmt.Errorf("line %d: text that is not UTF-8", line)
	}
	p := parser{raw: raw, line: line, d: d}
	e = transactions.Event{}
	if wrong := p.outermost(&e); wrong != nil {
		return wrong
	}
	return emit(e)
}

// kind says what a value is that begins text, in words for a message.
func kind(text []byte) string {
	switch c := text[0]; {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case bytes.HasPrefix(text, []byte("true")), bytes.HasPrefix(text, []byte("false")):
		return "a boolean"
	case bytes.HasPrefix(text, []byte("null")):
		return "null"
	case c == '-', c >= '0' && c <= '9':
		return "a number"
	case c > ' ' && c < 0x7f:
		return strconv.Quote(string(rune(c)))
	default:
		return fmt.Sprintf("the byte 0x%02x", c)
	}
}

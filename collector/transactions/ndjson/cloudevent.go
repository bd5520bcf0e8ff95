package ndjson

import (
	"github.com/assayer-io/assayer/collector/transactions"
)

// envelope is what is of use in a CloudEvent, as written; nil: the key is not there.
type envelope struct {
	version, id, source, time, data, base64 []byte
	twice                                   *mistake
}

// envelope looks at the keys of the outermost object, but not yet at their values.
func (p *parser) envelope() (envelope, *mistake) {
	var c envelope
	wrong := p.object(p.raw, func(f member) *mistake {
		var into *[]byte
		switch string(f.key) {
		case "specversion":
			into = &c.version
		case "id":
			into = &c.id
		case "source":
			into = &c.source
		case "time":
			into = &c.time
		case "data":
			into = &c.data
		case "data_base64":
			into = &c.base64
		default:
			return p.ignored(f.value)
		}
		if *into != nil && c.twice == nil {
			c.twice = p.wrong(f.value, twice).under(f.key)
		}
		*into = f.value
		return nil
	})
	return c, wrong
}

// cloudEvent reads the event that is an envelope's data. Where that says neither, it is as of the envelope's
// time, and identified by its source and id: CloudEvents makes those two unique only together.
func (p *parser) cloudEvent(e *transactions.Event, c envelope) *mistake {
	if c.twice != nil {
		return c.twice
	}
	version, wrong := p.text(c.version)
	if wrong == nil && string(version) != "1.0" {
		wrong = p.wrong(c.version, "allowed: 1.0, as a string")
	}
	if wrong != nil {
		return wrong.under([]byte("specversion"))
	}
	if c.base64 != nil {
		return p.wrong(c.base64, "allowed: an event as JSON, in data").under([]byte("data_base64"))
	}
	if c.data == nil || isNull(c.data) {
		return p.wrong(c.version, "has no value; allowed: an event").under([]byte("data"))
	}
	if wrong := p.event(e, c.data, true); wrong != nil {
		return wrong.under([]byte("data"))
	}
	return p.defaults(e, c)
}

func (p *parser) defaults(e *transactions.Event, c envelope) *mistake {
	var id, source string
	at := e.At
	for _, f := range []struct {
		key  string
		val  []byte
		read func(val []byte) *mistake
	}{
		{"id", c.id, func(val []byte) (wrong *mistake) { id, wrong = p.string(val); return wrong }},
		{"source", c.source, func(val []byte) (wrong *mistake) { source, wrong = p.string(val); return wrong }},
		{"time", c.time, func(val []byte) (wrong *mistake) { at, wrong = p.time(val); return wrong }},
	} {
		if f.val == nil {
			continue
		}
		if wrong := f.read(f.val); wrong != nil {
			return wrong.under([]byte(f.key))
		}
	}
	if e.At.IsZero() {
		e.At = at
	}
	if e.ID == "" && e.UETR == "" && e.EndToEndID == "" && e.Reference == "" && id != "" {
		e.ID = source + " " + id
	}
	return nil
}

package postgresql

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// setter puts one column's text into an event.
type setter func(e *transactions.Event, text string) error

// fields says which columns a query may have, by their names.
func fields() map[string]setter {
	text := func(field func(*transactions.Event) *string) setter {
		return func(e *transactions.Event, v string) error { *field(e) = v; return nil }
	}
	at := func(field func(*transactions.Event) *time.Time) setter {
		return func(e *transactions.Event, v string) (err error) { *field(e), err = parseTime(v); return err }
	}
	all := map[string]setter{
		"rail":          text(func(e *transactions.Event) *string { return &e.Rail }),
		"state":         text(func(e *transactions.Event) *string { return &e.State }),
		"at":            at(func(e *transactions.Event) *time.Time { return &e.At }),
		"amount":        text(func(e *transactions.Event) *string { return &e.Amount }),
		"currency":      text(func(e *transactions.Event) *string { return &e.Currency }),
		"reason_scheme": text(func(e *transactions.Event) *string { return &e.Reason.Scheme }),
		"reason_list":   text(func(e *transactions.Event) *string { return &e.Reason.List }),
		"reason_code":   text(func(e *transactions.Event) *string { return &e.Reason.Code }),
		"direction":     text(func(e *transactions.Event) *string { return &e.Direction }),
		"role":          text(func(e *transactions.Event) *string { return &e.Role }),
		"counterparty":  text(func(e *transactions.Event) *string { return &e.Counterparty }),
		"parties":       text(func(e *transactions.Event) *string { return &e.Parties }),
		"deadline":      at(func(e *transactions.Event) *time.Time { return &e.Deadline }),
		"external": func(e *transactions.Event, v string) error {
			if v != "t" && v != "f" {
				return errors.New("allowed: a boolean")
			}
			e.External = v == "t"
			return nil
		},
	}
	for prefix, of := range map[string]func(*transactions.Event) *transactions.Event{
		"": func(e *transactions.Event) *transactions.Event { return e },
		"original_": func(e *transactions.Event) *transactions.Event {
			if e.Original == nil {
				e.Original = &transactions.Event{}
			}
			return e.Original
		},
	} {
		all[prefix+"id"] = text(func(e *transactions.Event) *string { return &of(e).ID })
		all[prefix+"uetr"] = text(func(e *transactions.Event) *string { return &of(e).UETR })
		all[prefix+"end_to_end_id"] = text(func(e *transactions.Event) *string { return &of(e).EndToEndID })
		all[prefix+"reference"] = text(func(e *transactions.Event) *string { return &of(e).Reference })
	}
	all["original_rail"] = func(e *transactions.Event, v string) error {
		if e.Original == nil {
			e.Original = &transactions.Event{}
		}
		e.Original.Rail = v
		return nil
	}
	return all
}

// mapping says what each column of a result is for.
type mapping struct {
	names []string
	set   []setter // nil: the watermark, if that is no field too
	mark  int      // column of the watermark
}

// newMapping finds the columns of a query among the fields.
func newMapping(columns []string, watermark string) (mapping, error) {
	known := fields()
	m := mapping{names: columns, mark: -1}
	for i, c := range columns {
		if slices.Contains(columns[:i], c) {
			return m, fmt.Errorf("the query has two columns called %q", c)
		}
		set, ok := known[c]
		if c == watermark {
			m.mark = i
		} else if !ok {
			return m, fmt.Errorf("the query has a column %q, allowed: %s and %s; name it with AS", c, watermark, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		m.set = append(m.set, set)
	}
	if m.mark < 0 {
		return m, fmt.Errorf("the query has no column %q, which is the watermark", watermark)
	}
	return m, nil
}

// event makes an event of one row, as text; nil is NULL. The error names the column and never the value.
func (m mapping) event(row [][]byte) (transactions.Event, error) {
	var e transactions.Event
	for i, v := range row {
		if v == nil || m.set[i] == nil {
			continue
		}
		if err := m.set[i](&e, string(v)); err != nil {
			return e, fmt.Errorf("column %s: %w", m.names[i], err)
		}
	}
	return e, nil
}

// parseTime reads a timestamptz as the server writes it under DateStyle ISO, or RFC 3339.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999Z07:00", time.RFC3339Nano} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("allowed: a finite timestamptz, or text such as 2026-11-21T10:00:00Z")
}

// parseMark reads a watermark: microseconds since 1970 of a timestamptz, or the number itself.
func parseMark(kind, text string) (int64, error) {
	if kind == numbers {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, errors.New("the watermark is no bigint")
		}
		return n, nil
	}
	at, err := parseTime(text)
	if err != nil {
		return 0, errors.New("the watermark is no finite timestamptz")
	}
	return at.UnixMicro(), nil
}

// formatMark writes a watermark for the server; the least of all is before everything.
func formatMark(kind string, v int64) string {
	switch {
	case kind == numbers:
		return strconv.FormatInt(v, 10)
	case v == math.MinInt64:
		return "-infinity"
	}
	return time.UnixMicro(v).UTC().Format("2006-01-02 15:04:05.000000Z07:00")
}

// parsePosition reads what position wrote; of the empty text it says that there is none.
func parsePosition(kind, text string) (v int64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	written, value, _ := strings.Cut(text, " ")
	if written != kind {
		return 0, false, fmt.Errorf("it is not of a watermark of type %s", kind)
	}
	v, err = parseMark(kind, value)
	return v, err == nil, err
}

func position(kind string, v int64) string { return kind + " " + formatMark(kind, v) }

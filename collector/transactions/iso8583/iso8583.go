// Package iso8583 reads events of card payments from ISO 8583 messages: as JSON, one object a line, the way
// switches publish them, or as they are on the wire.
//
//	{"mti":"0100","fields":{"4":"000000001234","7":"1121100000","37":"632510000001","49":"978"}} → received, 12.34 EUR
//	{"mti":"0110","fields":{"7":"1121100000","37":"632510000001","39":"51"}}                     → declined, iso8583/f39 51
//
// Card numbers, tracks, PINs and chip data are passed over while reading; no field but those of [Fields] is kept.
package iso8583

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Config says what messages do not say themselves.
type Config struct {
	Rail      string `yaml:"rail"`
	Direction string `yaml:"direction"` // of the payments: out when we send the requests; empty: not told
	Role      string `yaml:"role"`      // ours, see reason.Context; empty: the rail's
	// Encoding is json, one object a line; or ascii: messages of the 1987 edition in ASCII, the bitmap in
	// hexadecimal; or ascii_binary_bitmap: with the bitmap as bytes.
	Encoding string `yaml:"encoding"`
	// Length is how the length of a message is written that is not JSON: binary2, ascii4, or none if an input is
	// one message.
	Length string `yaml:"length"`
	// IDFields identify a payment together, in its request and its answer alike; of a message that tells none
	// of them, fields 11 and 7 do. An issuer, to whom many acquirers number alike, takes 32 and 37.
	IDFields []int `yaml:"id_fields"`
	// Approved are the response codes of success. Those of three digits are approved when they begin with 0.
	Approved []string `yaml:"approved"`

	// Of JSON: the keys of the message type, of the object that holds the fields (empty: they stand beside it)
	// and of the time (RFC 3339; empty or missing: field 7, in UTC), and names of fields by number, where they are others.
	MTIKey    string            `yaml:"mti_key"`
	FieldsKey string            `yaml:"fields_key"`
	TimeKey   string            `yaml:"time_key"`
	Names     map[string]string `yaml:"field_names"`
}

// Default is the configuration when nothing is written.
func Default() Config {
	return Config{
		Rail: "card", Encoding: "json", Length: "binary2", IDFields: []int{37}, Approved: []string{"00", "08", "10", "11", "85"},
		MTIKey: "mti", FieldsKey: "fields", TimeKey: "at",
	}
}

// Fields are the data elements that are read: amount, transmission time, STAN, acquirer, reference, response,
// terminal, merchant, currency, and the original of a reversal.
func Fields() []int { return []int{4, 7, 11, 32, 37, 39, 41, 42, 49, 90} }

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	if c.Rail == "" {
		errs = append(errs, errors.New("rail: has no value, allowed: the name of a rail, such as card"))
	}
	for _, one := range []struct {
		key, got string
		allowed  []string
	}{
		{"direction", c.Direction, []string{"in", "out", ""}},
		{"encoding", c.Encoding, []string{"json", "ascii", withBytes}},
		{"length", c.Length, []string{"binary2", "ascii4", "none"}},
	} {
		if !slices.Contains(one.allowed, one.got) {
			errs = append(errs, fmt.Errorf("%s: got %q, allowed: %v", one.key, one.got, one.allowed))
		}
	}
	for i, n := range c.IDFields {
		if !slices.Contains(Fields(), n) || n == 39 {
			errs = append(errs, fmt.Errorf("id_fields[%d]: got %d, allowed: %v but 39", i, n, Fields()))
		}
	}
	if len(c.IDFields) == 0 {
		errs = append(errs, errors.New("id_fields: has no value, allowed: numbers of fields, such as 37"))
	}
	for number, name := range c.Names {
		if n, err := strconv.Atoi(number); err != nil || !slices.Contains(Fields(), n) || name == "" {
			errs = append(errs, fmt.Errorf("field_names: got %s: %q, allowed: names of %v", number, name, Fields()))
		}
	}
	if c.MTIKey == "" {
		errs = append(errs, errors.New("mti_key: has no value, allowed: the key of the message type, such as mti"))
	}
	return errors.Join(errs...)
}

// New returns a decoder. A message that is not one is an error naming its line, or its number in the stream. It may
// be used by several goroutines at once.
func New(cfg Config) (transactions.Decoder, error) { return newAt(cfg, time.Now) }

// newAt is New with a clock: field 7 has no year.
func newAt(cfg Config, now func() time.Time) (transactions.Decoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	read := readerOf(cfg)
	return func(r io.Reader, emit func(transactions.Event) error) error {
		return read(r, func(m message) error {
			e, told, err := event(cfg, m, now)
			if err != nil || !told {
				return err
			}
			if err := emit(e); err != nil {
				return &refused{err}
			}
			return nil
		})
	}, nil
}

// refused is an error of the sink's, which is given back as it is.
type refused struct{ error }

// placed says where a mistake is; errors of the sink's have no place.
func placed(err error, where string, n int) error {
	if sink, is := errors.AsType[*refused](err); is {
		return sink.error
	}
	return fmt.Errorf("%s %d: %w", where, n, err)
}

// message is the fields that are read of one, by number, and when its teller says it was.
type message struct {
	mti    string
	fields map[int]string
	at     time.Time
}

// readerOf is how messages of an encoding are read: each calls tell in order and stops at its first error.
func readerOf(cfg Config) func(r io.Reader, tell func(message) error) error {
	if cfg.Encoding == "json" {
		names := map[int]string{}
		for _, n := range Fields() {
			names[n] = strconv.Itoa(n)
			if own := cfg.Names[names[n]]; own != "" {
				names[n] = own
			}
		}
		return func(r io.Reader, tell func(message) error) error { return lines(cfg, names, r, tell) }
	}
	return wire(cfg)
}

// Package fixlog reads events of orders from logs of FIX messages, whatever stands before a message in its line:
//
//	NewOrderSingle                     → received
//	ExecutionReport, ExecType 0        → acknowledged
//	ExecutionReport, ExecType 8, 103=3 → rejected, fix/ord_rej_reason 3
//
// It joins no session. Accounts, parties, prices, quantities and texts are not kept.
//
// The scanner is our own: the parser of quickfix, which tests hold it to, runs past its fields on a message that
// is cut off, and logs have such messages.
package fixlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/assayer-io/assayer/collector/transactions"
)

// maxLine bounds a line, in bytes.
const maxLine = 64 << 10

// Config says what messages do not say themselves.
type Config struct {
	Rail string `yaml:"rail"`
	// Direction of the orders, out when we send them; empty: from the session's CompIDs, by Own.
	Direction string   `yaml:"direction"`
	Own       []string `yaml:"own_comp_ids"` // CompIDs that are ours
	Role      string   `yaml:"role"`         // ours, see reason.Context; empty: the rail's
	// DailyIDs says that ClOrdIDs and OrderIDs begin anew each day, as FIX allows: the day of SendingTime, in
	// UTC, is then part of them. Orders of several days are then several.
	DailyIDs bool `yaml:"daily_ids"`
}

// Default is the configuration when nothing is written.
func Default() Config { return Config{Rail: "fix"} }

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	if c.Rail == "" {
		errs = append(errs, errors.New("rail: has no value, allowed: the name of a rail, such as fix"))
	}
	if c.Direction != "" && c.Direction != "in" && c.Direction != "out" {
		errs = append(errs, fmt.Errorf("direction: got %q, allowed: in, out, or nothing", c.Direction))
	}
	for i, own := range c.Own {
		if own == "" {
			errs = append(errs, fmt.Errorf("own_comp_ids[%d]: has no value, allowed: a CompID", i))
		}
	}
	return errors.Join(errs...)
}

// New returns a decoder of lines. Messages are fields tag=value separated by SOH, a bar, or ^A as pagers show it;
// a line may hold several, and lines without any are passed over. A message that is cut off, or lacks what its
// type has to have, is an error naming line and tag. It may be used by several goroutines at once.
func New(cfg Config) (transactions.Decoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return func(r io.Reader, emit func(transactions.Event) error) error {
		in := bufio.NewReaderSize(r, maxLine)
		for n := 1; ; n++ {
			line, err := in.ReadSlice('\n')
			last := errors.Is(err, io.EOF)
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				return fmt.Errorf("line %d: more than %d bytes", n, maxLine)
			case err != nil && !last:
				return fmt.Errorf("reading FIX messages: line %d: %w", n, err)
			}
			if wrong := messages(cfg, line, emit); wrong != nil {
				if m, is := errors.AsType[*mistake](wrong); is {
					return fmt.Errorf("line %d: %w", n, m)
				}
				return wrong
			}
			if last {
				return nil
			}
		}
	}, nil
}

// mistake is what is wrong with a message. It never holds a value.
type mistake struct{ text string }

func (m *mistake) Error() string { return m.text }

// messages hands on what the messages of one line tell.
func messages(cfg Config, line []byte, emit func(transactions.Event) error) error {
	for {
		m, rest, found, err := next(line)
		if !found || err != nil {
			return err
		}
		o := order{cfg: cfg, message: m, emit: emit}
		if err := o.tell(); err != nil {
			return err
		}
		line = rest
	}
}

// institution is a CompID that can stand in a label, else empty.
func institution(compID string) string {
	if len(compID) > 35 || strings.ContainsFunc(compID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return compID
}

// Package nacha reads events of movements of money from ACH files in NACHA's format: entries that were sent,
// returns and notifications of change.
//
//	an entry, trace 091000010000001             → sent, reference 091000010000001
//	an entry with addenda 99, R01, original …17 → returned, nacha/return R01: a movement of its own, of reference …17
//	an entry with addenda 98, C01, original …17 → corrected, reference …17
//
// Names, account numbers and addenda texts are not kept.
package nacha

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moov-io/ach"
	"github.com/moov-io/base"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Config says what files do not say themselves.
type Config struct {
	Rail string `yaml:"rail"`
	// Direction of the entries, out when we originate them. Returns and corrections go the other way.
	Direction string `yaml:"direction"`
	Role      string `yaml:"role"` // ours, see reason.Context; empty: the rail's
	// TimeZone is that of the time at which a file was made.
	TimeZone string `yaml:"time_zone"`
	// MaxBytes bounds a file. The library holds all of it, in several times as much memory.
	MaxBytes int64 `yaml:"max_bytes"`
}

// maxBytes is the default of MaxBytes, and its most: some 600,000 entries.
const maxBytes = 64 << 20

// minLine is how long lines are on average, in bytes: they have 94, some without the spaces at their end. The
// library keeps an error for each that is none, so many short ones would take far more memory than the file.
const minLine = 80

// Default is the configuration when nothing is written.
func Default() Config {
	return Config{Rail: "ach", Direction: "out", TimeZone: "America/New_York", MaxBytes: maxBytes}
}

// Validate finds values that cannot be.
func (c Config) Validate() error {
	var errs []error
	if c.Rail == "" {
		errs = append(errs, errors.New("rail: has no value, allowed: the name of a rail, such as ach"))
	}
	if c.Direction != "in" && c.Direction != "out" {
		errs = append(errs, fmt.Errorf("direction: got %q, allowed: in, out", c.Direction))
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		errs = append(errs, fmt.Errorf("time_zone: got %q, allowed: a name such as America/New_York", c.TimeZone))
	}
	if c.MaxBytes < 1000 || c.MaxBytes > maxBytes {
		errs = append(errs, fmt.Errorf("max_bytes: got %d, allowed: 1000 to %d", c.MaxBytes, maxBytes))
	}
	return errors.Join(errs...)
}

// New returns a decoder of one file. It reads all of it, at most MaxBytes, before it hands anything on. Of a file
// with records that cannot be, the others are handed on, and the error names the first by line. It may be used by
// several goroutines at once.
func New(cfg Config) (transactions.Decoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("loading the time zone: %w", err)
	}
	return func(r io.Reader, emit func(transactions.Event) error) error {
		in := &bounded{r: r, most: cfg.MaxBytes}
		file, err := parse(in, int(cfg.MaxBytes/minLine))
		switch {
		case in.bytes == 0 && in.err == nil:
			return nil
		case in.err != nil:
			return in.err
		}
		d := decoder{cfg: cfg, at: made(file.Header, zone), emit: emit}
		if err := d.file(&file); err != nil {
			return err
		}
		return told(err)
	}, nil
}

// parse leaves out what an observer need not hold others to: who may exchange files with whom, and how
// carefully fields are filled that it does not read.
func parse(r io.Reader, maxLines int) (ach.File, error) {
	lib := ach.NewReader(r)
	lib.SetMaxLines(maxLines)
	lib.SetValidation(&ach.ValidateOpts{
		BypassOriginValidation: true, BypassDestinationValidation: true, SkipFileCreationValidation: true,
		BypassCompanyIdentificationMatch: true, SkipBatchHeaderCompanyValidation: true, AllowUnorderedBatchNumbers: true,
		CustomTraceNumbers: true, CustomReturnCodes: true, AllowInvalidCheckDigit: true, AllowSpecialCharacters: true,
		AllowEmptyIndividualName: true, AllowZeroEntryAmount: true, AllowZeroBatches: true,
	})
	return lib.Read()
}

// bounded ends with an error behind the bound. It remembers what the library would only mention, or not at all.
type bounded struct {
	r           io.Reader
	most, bytes int64
	err         error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.most+1-b.bytes)])
	b.bytes += int64(n)
	switch {
	case b.bytes > b.most:
		b.err = fmt.Errorf("a file of more than %d bytes", b.most)
		return 0, b.err
	case err != nil && !errors.Is(err, io.EOF):
		b.err = fmt.Errorf("reading an ACH file: %w", err)
		return n, b.err
	}
	return n, err
}

// told says which record the library stumbled over, and nothing of what stands there.
func told(err error) error {
	if err == nil {
		return nil
	}
	var list base.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		err = list[0]
	}
	var at *base.ParseError
	switch {
	case errors.Is(err, ach.ErrFileHeader):
		return errors.New("a file without its first record, the file header")
	case errors.Is(err, ach.ErrFileControl):
		return errors.New("a file without its last record, the file control: it is cut off")
	case !errors.As(err, &at):
		return errors.New("a file that is not an ACH file of NACHA's format")
	}
	record := at.Record
	if record == "" {
		record = "record"
	}
	if field, is := errors.AsType[*ach.FieldError](at.Err); is {
		return fmt.Errorf("line %d: %s: %s: not as NACHA's rules have it", at.Line, record, field.FieldName)
	}
	return fmt.Errorf("line %d: %s: missing, misplaced or not as NACHA's rules have it", at.Line, record)
}

// made is when a file was made, as its header says; zero: it does not.
func made(h ach.FileHeader, zone *time.Location) time.Time {
	at, err := time.ParseInLocation("0601021504", h.FileCreationDate+h.FileCreationTime, zone)
	if err != nil {
		if at, err = time.ParseInLocation("060102", h.FileCreationDate, zone); err != nil {
			return time.Time{}
		}
	}
	return at.UTC()
}

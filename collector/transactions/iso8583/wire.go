package iso8583

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	lib "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// maxMessage bounds a message, in bytes: what a length of four digits can say.
const maxMessage = 9999

// withBytes is the encoding whose bitmap is bytes and not their hexadecimal digits.
const withBytes = "ascii_binary_bitmap"

// wire reads messages with moov-io/iso8583, as far as the last field that is wanted.
func wire(cfg Config) func(r io.Reader, tell func(message) error) error {
	layout := &lib.MessageSpec{Name: lib.Spec87.Name, Fields: maps.Clone(lib.Spec87.Fields)}
	if cfg.Encoding == withBytes {
		layout.Fields[1] = field.NewBitmap(&field.Spec{Length: 8, Description: "Bitmap", Enc: encoding.Binary, Pref: prefix.Binary.Fixed})
	}
	return func(r io.Reader, tell func(message) error) error {
		in := bufio.NewReader(r)
		for n := 1; ; n++ {
			raw, err := framed(in, cfg.Length)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err == nil:
				var m message
				if m, err = scan(layout, raw); err == nil {
					err = tell(m)
				}
			}
			if err != nil {
				return placed(err, "message", n)
			}
		}
	}
}

// framed is the next message of a stream; io.EOF: there is none.
func framed(in *bufio.Reader, length string) ([]byte, error) {
	var size int
	switch length {
	case "none":
		raw, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading ISO 8583 messages: %w", err)
		case len(raw) == 0:
			return nil, io.EOF
		case len(raw) > maxMessage:
			return nil, fmt.Errorf("more than %d bytes", maxMessage)
		}
		return raw, nil
	case "ascii4":
		var head [4]byte
		if err := full(in, head[:], true); err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(string(head[:]), 10, 16)
		if err != nil {
			return nil, errors.New("a length that is not four digits")
		}
		size = int(n)
	default:
		var head [2]byte
		if err := full(in, head[:], true); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(head[:]))
	}
	if size > maxMessage {
		return nil, fmt.Errorf("a length of %d bytes, allowed: up to %d", size, maxMessage)
	}
	raw := make([]byte, size)
	return raw, full(in, raw, false)
}

// full fills b; io.EOF: there is nothing, where a message may begin.
func full(in io.Reader, b []byte, begins bool) error {
	n, err := io.ReadFull(in, b)
	switch {
	case err == nil:
		return nil
	case begins && n == 0 && errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the input ends within it")
	}
	return fmt.Errorf("reading ISO 8583 messages: %w", err)
}

// scan reads the fields that are wanted. The library's errors hold the message, card number and all, so only the
// field's number is told.
func scan(layout *lib.MessageSpec, raw []byte) (message, error) {
	m := message{fields: map[int]string{}}
	s := lib.NewMessageScanner(layout, raw)
	mti, err := s.ScanField(0)
	if err != nil {
		return m, errors.New("no message type")
	}
	if m.mti, err = mti.String(); err != nil {
		return m, errors.New("no message type")
	}
	bits, err := s.ScanField(1)
	if err != nil {
		return m, errors.New("no bitmap")
	}
	bitmap, ok := bits.(interface{ IsSet(n int) bool })
	if !ok {
		return m, errors.New("no bitmap")
	}
	for _, n := range Fields() {
		if !bitmap.IsSet(n) {
			continue
		}
		f, err := s.ScanField(n)
		if err != nil {
			return m, fmt.Errorf("field %d, or one before it, is not as the layout has it", n)
		}
		if m.fields[n], err = f.String(); err != nil {
			return m, fmt.Errorf("field %d is not as the layout has it", n)
		}
	}
	return m, nil
}

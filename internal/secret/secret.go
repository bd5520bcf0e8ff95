// Package secret holds text that must not be seen: wherever a [String] is printed, logged or
// marshalled it shows as
//
//	***
//
// and only Reveal gives it out. A [Source] says where the text comes from: written inline, or in a
// file that is read again at each use, so that a rotated secret takes effect without a restart.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

const mask = "***"

// MaxFileBytes bounds what is read from a secret's file.
const MaxFileBytes = 64 << 10

// String is a secret. The zero value is the empty secret. The text sits behind a pointer, so that
// not even reflection over a struct's unexported fields, as %+v does it, prints it.
type String struct{ text *string }

// New makes a secret of text.
func New(text string) String { return String{&text} }

// Reveal gives the text itself.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty; YAML and JSON encoders ask it for omitempty and omitzero.
func (s String) IsZero() bool { return s.Reveal() == "" }

// String gives *** for a secret and nothing for the empty one.
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// Format prints String whatever the verb is: for verbs it does not know, fmt would print the fields.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText serves JSON, YAML and every other encoder that asks for text.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it stands.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}

// Source is where a secret comes from: Inline, or the file named by File. Not both.
type Source struct {
	Inline String
	File   string
}

// ErrNone: neither an inline secret nor a file is set.
var ErrNone = errors.New("no secret is set")

// Load gives the secret as it is now. A file's one trailing line break is not part of the secret.
// An empty file, or one over MaxFileBytes, is an error; errors never hold the file's content.
func (s Source) Load() (String, error) {
	switch {
	case s.File != "" && !s.Inline.IsZero():
		return String{}, errors.New("both an inline secret and a secret file are set")
	case s.File != "":
		return readFile(s.File)
	case s.Inline.IsZero():
		return String{}, ErrNone
	}
	return s.Inline, nil
}

func readFile(path string) (String, error) {
	f, err := os.Open(path)
	if err != nil {
		return String{}, fmt.Errorf("reading secret: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return String{}, fmt.Errorf("reading secret: %w", err)
	}
	if len(data) > MaxFileBytes {
		return String{}, fmt.Errorf("reading secret: %s is larger than %d bytes", path, MaxFileBytes)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return String{}, fmt.Errorf("reading secret: %s is empty", path)
	}
	return New(text), nil
}

// Package promtool makes unit tests of generated rules, for `promtool test rules`.
package promtool

import "github.com/assayer-io/assayer/alerts"

// File is one file of unit tests.
type File struct {
	Name string // with its extension, without folder; unique
	Data []byte
}

// Tests is not finished.
func Tests([]alerts.File, []alerts.Objective, alerts.Options) ([]File, error) { return nil, nil }

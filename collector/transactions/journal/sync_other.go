//go:build !linux || !(amd64 || arm64)

package journal

import (
	"errors"
	"os"
)

// kernelSync is what only Linux has.
type kernelSync struct{}

func newKernelSync(*os.File) (*kernelSync, error) { return nil, errors.ErrUnsupported }

func (*kernelSync) close() error { return nil }

func (*kernelSync) begin(*os.File) bool { return false }

func (*kernelSync) wait(string) error { return errors.ErrUnsupported }

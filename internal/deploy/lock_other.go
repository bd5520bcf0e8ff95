//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package deploy

import (
	"os"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// lock does nothing here: two applies to one folder at a time are for the operator to avoid.
func lock(*os.File) error { return nil }

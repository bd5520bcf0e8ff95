//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package deploy

import (
	"io/fs"
	"os"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// lock does nothing here: two applies to one folder at a time are for the operator to avoid.
func lock(*os.File) error { return nil }

// busy cannot tell.
func busy(*os.File) (bool, error) { return false, nil }

// owner says nothing here: new files belong to who applies.
func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

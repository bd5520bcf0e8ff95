//go:build linux || darwin || freebsd || netbsd || openbsd

package deploy

import (
	"os"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// lock takes a folder for this process until it is closed, or fails at once.
func lock(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

//go:build linux || darwin || freebsd || netbsd || openbsd

package deploy

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// lock takes a folder for this process until it is closed, or fails at once.
func lock(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// busy reports whether another process has the folder locked. It has it itself until it is closed, which keeps applies
// out for that moment: ask only when an apply has begun and not ended.
func busy(dir *os.File) (bool, error) {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// owner gives the user and group that a file belongs to.
func owner(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}

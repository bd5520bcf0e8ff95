package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncData waits for a file's bytes to be on disk, and of what the file system keeps about it only the size.
func syncData(f *os.File) error { return onFile("fdatasync", f, syscall.Fdatasync) }

// reserve makes f size bytes long, so that writing there does not find the disk full. A file system that
// cannot promise that only gets the size.
func reserve(f *os.File, has, size int64) error {
	err := onFile("fallocate", f, func(fd int) error { return syscall.Fallocate(fd, 0, has, size-has) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.Truncate(size)
	}
	return err
}

const hugePage = 2 << 20

// allocate gets zeroed memory that the garbage collector neither scans nor lets grow to twice its size before it
// looks: the journal's tables would otherwise cost the agent double.
func allocate(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size)
	}
	if size >= hugePage {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // every look-up is at a random place: fewer page tables to walk
	}
	return b
}

// release gives memory from allocate back. What came from the heap is not known there, and left to the collector.
func release(b []byte) {
	if len(b) > 0 {
		_ = syscall.Munmap(b) // EINVAL: it came from the heap
	}
}

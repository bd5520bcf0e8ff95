//go:build !linux

package journal

import "os"

func syncData(f *os.File) error { return f.Sync() }

func reserve(f *os.File, _, size int64) error { return f.Truncate(size) }

func allocate(size int) []byte { return make([]byte, size) }

func release([]byte) {}

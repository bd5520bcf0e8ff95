//go:build linux && (amd64 || arm64)

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// makeFile makes a file with something to sync, in a folder that the kernel syncs for.
func makeFile(t *testing.T) (*folder, osFile) {
	t.Helper()
	d, err := openFolder(t.TempDir())
	check(t, err)
	if d.kernel == nil {
		t.Fatalf("the kernel does not sync here: %v", d.threads)
	}
	opened, err := d.Open("log", true)
	check(t, err)
	f, _ := opened.(osFile)
	_, err = f.WriteAt([]byte("payments"), 0)
	check(t, err)
	return d, f
}

// The kernel takes one sync at a time, and the next when the one before has been waited for.
func TestKernelSyncs(t *testing.T) {
	d, f := makeFile(t)
	for range 3 {
		if !d.kernel.begin(f.File) {
			t.Fatal("the kernel does not sync")
		}
		if d.kernel.begin(f.File) {
			t.Fatal("a second sync was begun beside the first")
		}
		check(t, d.kernel.wait(f.Name()))
	}
	for _, mode := range []int{os.O_RDONLY, os.O_WRONLY} { // what works on both neither reads nor writes
		one, err := os.OpenFile(filepath.Join(d.dir, "log"), mode, 0)
		check(t, err)
		if !d.kernel.begin(one) {
			t.Fatalf("mode %d: not begun", mode)
		}
		check(t, d.kernel.wait(one.Name()))
		check(t, one.Close())
	}
	check(t, f.Close())
	check(t, d.Close())
	wantError(t, d.kernel.event.Close(), os.ErrClosed)
	wantError(t, d.kernel.destroy(), syscall.EINVAL) // there is none any more
}

// What the kernel does not take is synced all the same, and what cannot be synced is told.
func TestSyncBeside(t *testing.T) {
	d, f := makeFile(t)
	begun := make(chan error)
	begin := func(f file) { syncBeside(f, func(err error) { begun <- err }) }
	for range 5 {
		begin(f)
	}
	for range 5 {
		check(t, <-begun)
	}
	r, w, err := os.Pipe()
	check(t, err)
	begin(osFile{w, d.kernel})
	wantError(t, <-begun, syscall.EINVAL) // as fdatasync(2) has it
	_, err = newKernelSync(w)
	wantError(t, err, syscall.EINVAL)
	check(t, r.Close())
	check(t, w.Close())
	begin(osFile{f.File, nil})
	check(t, <-begun)
	check(t, f.Close())
	begin(f)
	if err := <-begun; err == nil {
		t.Fatal("a closed file was synced")
	}
	if d.kernel.busy.Load() {
		t.Fatal("a sync that could not be begun is under way")
	}
	check(t, d.Close())
}

// What the kernel has begun and cannot end is told: a log whose bytes may be lost must not be taken for one whose bytes
// are there. A disk that fails cannot be had here, but a read into memory that does not exist can.
func TestKernelFailsUnderway(t *testing.T) {
	d, f := makeFile(t)
	for range 3 {
		const pread = 0
		check(t, d.kernel.submit(f.File, iocb{operation: pread, buffer: 8, length: 8}))
		wantError(t, d.kernel.wait(f.Name()), syscall.EFAULT)
	}
	// And when it cannot be known how it has ended.
	check(t, d.kernel.event.SetReadDeadline(time.Unix(1, 0)))
	ended := make(chan error)
	(&redoLog{f: f, number: 3}).sync(func(err error) { ended <- err })
	err := <-ended
	wantError(t, err, os.ErrDeadlineExceeded)
	if !errors.As(err, new(unsureError)) {
		t.Fatalf("got %v, want an error that says what is on disk is not known", err)
	}
	check(t, f.Close())
	check(t, d.Close())
}

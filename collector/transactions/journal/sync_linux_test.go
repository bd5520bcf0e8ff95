//go:build linux && (amd64 || arm64)

package journal

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// makeFile makes a file with something to sync, in a folder that the kernel syncs for.
func makeFile(t *testing.T) (*folder, osFile) {
	t.Helper()
	d, err := openFolder(t.TempDir())
	check(t, err)
	t.Cleanup(func() { check(t, d.Close()) })
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
			t.Fatal("the kernel does not sync: has the sandbox forbidden io_setup?")
		}
		if d.kernel.begin(f.File) {
			t.Fatal("a second sync was begun beside the first")
		}
		check(t, d.kernel.wait(f.Name()))
	}
	check(t, f.Close())
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
}

// A sync that has failed says so, with the file and the reason: a log whose bytes may be lost must not be taken for one
// whose bytes are there. No disk that fails can be had here, so what the kernel says of one is written down.
func TestKernelSyncFails(t *testing.T) {
	name := filepath.Join("data", logName(3))
	check(t, (&ioEvent{}).outcome(name))
	err := (&ioEvent{result: -int64(syscall.EIO)}).outcome(name)
	wantError(t, err, syscall.EIO)
	if !strings.Contains(err.Error(), name) {
		t.Fatalf("got %q, want the file's name in it", err)
	}
}

//go:build linux && (amd64 || arm64)

package journal

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelSync has the kernel do a file's fdatasync beside us, by its asynchronous I/O: io_submit(2), IOCB_CMD_FDSYNC, since
// Linux 4.18. A thread that waits for the disk itself counts for the Go runtime as one that works, of which there are as
// many as processors, until the runtime notices; that takes a good part of the time that a sync takes. And a goroutine
// that is to begin a sync first waits for its turn.
type kernelSync struct {
	context uintptr  // aio_context_t
	event   *os.File // an eventfd: the kernel says that a sync has ended
	eventFd uint32
	busy    atomic.Bool
}

// newKernelSync has the kernel sync f, for a trial. An error says why that cannot be had: a sandbox forbids it, f's file
// system has no sync, or what the kernel keeps for it is used up.
func newKernelSync(f *os.File) (*kernelSync, error) {
	k := &kernelSync{}
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&k.context)), 0); errno != 0 { //nolint:gosec // where the kernel writes
		return nil, os.NewSyscallError("io_setup", errno)
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd2", err), k.destroy())
	}
	k.event, k.eventFd = os.NewFile(uintptr(fd), "eventfd"), uint32(fd)
	if err = k.submit(f, iocb{operation: iocbFdatasync}); err == nil {
		err = k.wait(f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// destroy gives back the kernel's context, and waits for what is under way.
func (k *kernelSync) destroy() error {
	if _, _, errno := syscall.Syscall(unix.SYS_IO_DESTROY, k.context, 0, 0); errno != 0 {
		return os.NewSyscallError("io_destroy", errno)
	}
	return nil
}

// close gives back what the kernel keeps.
func (k *kernelSync) close() error {
	if k == nil {
		return nil
	}
	return errors.Join(k.destroy(), k.event.Close())
}

// iocb is struct iocb of linux/aio_abi.h. What has no name here is for operations that are not asked for.
type iocb struct {
	_         uint64
	_, _      uint32
	operation uint16
	_         int16
	fd        uint32
	buffer    uint64
	length    uint64
	_         int64
	_         uint64
	flags     uint32
	resultTo  uint32 // an eventfd
}

// ioEvent is struct io_event.
type ioEvent struct {
	_, _   uint64
	result int64
	_      int64
}

// These do not compile when the two are not as long as the kernel's.
const (
	_ = -(unsafe.Sizeof(iocb{}) ^ 64)
	_ = -(unsafe.Sizeof(ioEvent{}) ^ 32)
)

const (
	iocbFdatasync = 3 // IOCB_CMD_FDSYNC
	iocbEventFd   = 1 // IOCB_FLAG_RESFD
)

var errBusy = errors.New("another operation is under way")

// begin begins to sync f, unless another sync is under way or f's file system has none to begin: then it reports false, and
// nothing has been done. After true, wait must be called.
func (k *kernelSync) begin(f *os.File) bool {
	return k != nil && k.submit(f, iocb{operation: iocbFdatasync}) == nil
}

// submit begins any operation on f, after which wait must be called, unless it gives an error.
func (k *kernelSync) submit(f *os.File, call iocb) error {
	if !k.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	err := onFile("io_submit", f, func(fd int) error {
		at := &call
		at.fd, at.flags, at.resultTo = uint32(fd), iocbEventFd, k.eventFd
		_, _, errno := syscall.Syscall(unix.SYS_IO_SUBMIT, k.context, 1, uintptr(unsafe.Pointer(&at))) //nolint:gosec // the kernel copies it before it returns
		runtime.KeepAlive(at)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		k.busy.Store(false)
	}
	return err
}

// wait returns how the sync ended that begin has begun.
func (k *kernelSync) wait(name string) error {
	defer k.busy.Store(false)
	var count [8]byte
	if _, err := k.event.Read(count[:]); err != nil {
		return err
	}
	var done ioEvent
	n, _, errno := syscall.Syscall6(unix.SYS_IO_GETEVENTS, k.context, 1, 1, uintptr(unsafe.Pointer(&done)), 0, 0) //nolint:gosec // where the kernel writes
	switch {
	case errno != 0:
		return os.NewSyscallError("io_getevents", errno)
	case n != 1:
		return errors.New("io_getevents: nothing has ended")
	case done.result < 0:
		return &os.PathError{Op: "fdatasync", Path: name, Err: syscall.Errno(-done.result)}
	}
	return nil
}

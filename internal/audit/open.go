package audit

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// tailBytes is how much of an existing log Open reads: enough for the last two lines at least.
const tailBytes = 2 * MaxLineBytes

// ErrLocked: another process has the log open.
var ErrLocked = errors.New("audit log is in use by another process")

// Open opens the log at path for writing, or begins a new one, and keeps it locked until Close. What
// a crash left half-written at the end is moved to path.torn and an entry says so. A log whose end
// is not what was signed is refused: the error says what is wrong and what to do. Only the end is
// read; [VerifyFile] checks all of it.
func Open(path string, opts Options) (*Log, error) {
	if opts.AgentID == "" || opts.Now == nil {
		return nil, errors.New("opening audit log: AgentID and Now are required")
	}
	if opts.CheckpointEvery <= 0 {
		opts.CheckpointEvery = checkpointEvery
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening audit log: %w", err)
	}
	l := &Log{path: path, opts: opts, f: f}
	if err := l.resume(f); err != nil {
		return nil, errors.Join(fmt.Errorf("opening audit log %s: %w", path, err), f.Close())
	}
	return l, nil
}

// resume locks the file and finds where the log left off.
func (l *Log) resume(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ErrLocked
		}
		return fmt.Errorf("locking: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	signed, err := l.identity(size)
	if err != nil {
		return err
	}
	c, err := readTail(f, size, l.key.Public().(ed25519.PublicKey), signed)
	if err != nil {
		return err
	}
	l.head, l.size, l.lastCheckpoint = c.report.Head, c.offset, c.lastCheckpoint
	var repairs []Entry
	if c.offset < size {
		e, err := l.moveAside(f, size)
		if err != nil {
			return fmt.Errorf("moving a half-written end aside: %w", err)
		}
		repairs = append(repairs, e)
	}
	if n := l.head.Seq - signed.Seq; n > 0 {
		repairs = append(repairs, repairEntry(fmt.Sprintf("%d entries after the last signature were taken over", n),
			map[string]any{"entries": n, "signed_seq": signed.Seq}))
	}
	return l.append(repairs)
}

// identity reads the log's key and signed head, or makes them for a log that has no entry yet.
func (l *Log) identity(size int64) (SignedHead, error) {
	const startAnew = "restore it, or move the log and every file that begins with its name aside to begin a new log"
	signed, headErr := readHead(l.path + ".head")
	if headErr != nil && !errors.Is(headErr, fs.ErrNotExist) {
		return signed, fmt.Errorf("reading signed head: %w; %s", headErr, startAnew)
	}
	empty := size == 0 && headErr != nil
	var err error
	if l.key, err = readKey(l.path + ".key"); errors.Is(err, fs.ErrNotExist) && empty {
		l.key, err = createKey(l.path)
	}
	if err != nil {
		return signed, fmt.Errorf("reading signing key: %w; %s", err, startAnew)
	}
	if empty {
		signed = signHead(l.key, Head{0, zeroHash}, l.opts.Now())
		if err := writeHead(l.path, signed); err != nil {
			return signed, fmt.Errorf("writing signed head: %w", err)
		}
		return signed, syncDir(filepath.Dir(l.path))
	}
	if headErr != nil {
		return signed, fmt.Errorf("the signed head %s.head is missing though the log has entries; %s", l.path, startAnew)
	}
	if !signed.Verify(l.key.Public().(ed25519.PublicKey)) {
		return signed, fmt.Errorf("the signed head %s.head was changed or is not signed by the key beside it; %s", l.path, startAnew)
	}
	return signed, nil
}

// readTail checks the log's end against its signed head. The chain it returns stands at the end of
// what is good; what follows there was never acknowledged to anybody.
func readTail(f *os.File, size int64, pub ed25519.PublicKey, signed SignedHead) (*chain, error) {
	if start := size - tailBytes; start > 0 {
		c := newTail(pub)
		c.watch(signed.Head)
		skipped, err := bufio.NewReaderSize(io.NewSectionReader(f, start, tailBytes), MaxLineBytes).ReadSlice('\n')
		if err == nil {
			c.offset = start + int64(len(skipped))
			err = c.stream(io.NewSectionReader(f, c.offset, size-c.offset))
		}
		if c.report.Entries > 0 && c.first <= signed.Seq && usable(c, err, signed) {
			return c, nil
		}
		// Either much was appended since the signature, or something is wrong. Reading all of it tells.
	}
	c := newChain(pub)
	c.watch(signed.Head)
	err := c.stream(io.NewSectionReader(f, 0, size))
	if usable(c, err, signed) {
		return c, nil
	}
	if err == nil {
		err = c.missing()
	}
	return nil, fmt.Errorf("%w; keep the log and every file that begins with its name as evidence: move them aside, and a new log begins at the next start", err)
}

// usable reports whether a chain reached the signed head. What is wrong after it is what a crash left.
func usable(c *chain, err error, signed SignedHead) bool {
	var broken *BrokenError
	return (err == nil || errors.As(err, &broken)) && c.report.Head.Seq >= signed.Seq
}

// moveAside takes the bytes after the last whole entry out of the log and keeps them in path.torn.
func (l *Log) moveAside(f *os.File, size int64) (Entry, error) {
	torn, err := os.OpenFile(l.path+".torn", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Entry{}, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(torn, h), io.NewSectionReader(f, l.size, size-l.size))
	if err == nil {
		err = torn.Sync()
	}
	if err = errors.Join(err, torn.Close()); err != nil {
		return Entry{}, err
	}
	if err := errors.Join(f.Truncate(l.size), f.Sync()); err != nil {
		return Entry{}, err
	}
	return repairEntry(fmt.Sprintf("%d bytes of an unfinished entry were moved aside", n), map[string]any{
		"bytes": n, "sha256": hex.EncodeToString(h.Sum(nil)), "moved_to": filepath.Base(l.path) + ".torn",
	}), nil
}

func repairEntry(what string, evidence map[string]any) Entry {
	data, err := json.Marshal(evidence)
	if err != nil {
		data = nil // unreachable: numbers and texts
	}
	return Entry{
		Category: CategoryHigh, Type: repairType, Risk: RiskMedium, Outcome: Success, ValidationRequired: true,
		Description: what, ImpactAssessment: "the agent or its machine stopped while it wrote an entry", Evidence: data,
	}
}

package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"

	"github.com/assayer-io/assayer/collector/transactions"
)

// readWhole reads the documents and archives that have come to rest, each once.
func (s *Source) readWhole(ctx context.Context, files []found) error {
	now := time.Now()
	there, places := map[uint64]bool{}, map[place]bool{}
	for _, f := range files {
		k := key(f)
		there[k], places[f.place] = true, true
		if s.seen[f.place].key != k {
			s.seen[f.place] = sighting{k, now}
		}
		if !s.pos.done[k] && !s.pos.failed[k] {
			if now.Sub(s.seen[f.place].since) < s.cfg.Settle {
				continue
			}
			if err := s.readOne(ctx, f, k); err != nil {
				return err
			}
		}
		if s.pos.done[k] || s.pos.failed[k] {
			delete(s.waiting, f.place)
			s.moveAway(f, k)
		}
	}
	gone := func(k uint64, _ bool) bool { return !there[k] }
	maps.DeleteFunc(s.pos.done, gone)
	maps.DeleteFunc(s.pos.failed, gone)
	maps.DeleteFunc(s.seen, func(p place, _ sighting) bool { return !places[p] })
	return nil
}

// readOne reads one document or archive. Its error is that ctx has ended.
func (s *Source) readOne(ctx context.Context, f found, k uint64) error {
	if len(s.pos.done)+len(s.pos.failed) >= s.cfg.MaxFiles {
		s.complain.Tell("files are not read: as many as max_files were read and are still there; remove them, or set done_dir and failed_dir", "max_files", s.cfg.MaxFiles, "file", f.path)
		delete(s.waiting, f.place)
		return nil
	}
	var n int
	var err error
	if s.lines {
		n, err = s.readArchive(ctx, f.path)
	} else {
		n, err = s.readDocument(ctx, f.path)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, system := errors.AsType[*os.PathError](err); system {
		s.complain.Tell("a file cannot be read, trying again", "file", f.path, "err", err)
		delete(s.waiting, f.place)
		return nil
	}
	if err != nil {
		s.complain.Tell("a file cannot be read to its end", "file", f.path, "events", n, "err", err)
		s.pos.failed[k] = true
	} else {
		s.log.Info("a file was read", "file", f.path, "events", n)
		s.pos.done[k] = true
	}
	// Now, so that a file is moved away only after what it brought is known to have been put.
	return s.put(ctx, nil, nil)
}

// content opens a file, inflated if it is compressed, and bounds it.
func (s *Source) content(path string) (io.Reader, io.Closer, error) {
	file, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	var r io.Reader = file
	if filepath.Ext(path) == ".gz" {
		if r, err = gzip.NewReader(bufio.NewReader(file)); err != nil {
			_ = file.Close()
			return nil, nil, fmt.Errorf("inflating: %w", err)
		}
	}
	return &bounded{r: r, left: s.cfg.MaxBytes, most: s.cfg.MaxBytes}, file, nil
}

// bounded fails when there is more than may be, and remembers why reading failed: decoders tell of it in words
// of their own.
type bounded struct {
	r          io.Reader
	left, most int64
	err        error
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		n, err = 0, fmt.Errorf("larger than %d bytes, see max_bytes", b.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// readDocument puts the events of a document and returns how many. What comes before a mistake is put too.
func (s *Source) readDocument(ctx context.Context, path string) (n int, err error) {
	in, closer, err := s.content(path)
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	var events []transactions.Event
	flush := func() error {
		if len(events) == 0 {
			return nil
		}
		first := n
		n += len(events)
		err := s.put(ctx, events, func(r transactions.Rejection) {
			s.complain.Tell("an event cannot be used", "file", path, "event", first+r.Index+1, "err", r.Err)
		})
		events = events[:0]
		return err
	}
	err = s.dec(in, func(e transactions.Event) error {
		if events = append(events, e); len(events) < maxLines {
			return nil
		}
		return flush()
	})
	if ctx.Err() != nil {
		return n, context.Cause(ctx)
	}
	if b := in.(*bounded); b.err != nil {
		err = b.err
	}
	return n, errors.Join(err, flush())
}

// readArchive puts the events of a compressed log, but for what was read before it was compressed.
func (s *Source) readArchive(ctx context.Context, path string) (int, error) {
	known := s.marks()
	slices.SortFunc(known, func(a, b mark) int { return int(min(max(b.offset-a.offset, -1), 1)) })
	for _, m := range append(known, mark{}) {
		if m.offset > 0 && m.offset < sumLeast {
			continue
		}
		in, closer, err := s.content(path)
		if err != nil {
			return 0, err
		}
		holds, err := m.skim(in)
		if err == nil && !holds {
			_ = closer.Close()
			continue
		}
		n := 0
		if err == nil {
			n, err = s.archiveLines(ctx, path, in, m.line)
		}
		_ = closer.Close()
		if err == nil && m.offset > 0 {
			s.pos.left = slices.DeleteFunc(s.pos.left, func(o mark) bool { return o == m })
		}
		return n, err
	}
	return 0, nil
}

// skim reads r up to the mark and reports whether it holds it.
func (m mark) skim(r io.Reader) (bool, error) {
	if m.offset == 0 {
		return true, nil
	}
	head := make([]byte, m.headLen)
	if _, err := io.ReadFull(r, head); err != nil || xxhash.Sum64(head) != m.head {
		return false, unlessShort(err)
	}
	n := min(m.offset, sumBytes)
	last := head // what ends at the mark is at least partly behind the head
	if skip := m.offset - n - int64(len(head)); skip > 0 {
		if _, err := io.CopyN(io.Discard, r, skip); err != nil {
			return false, unlessShort(err)
		}
		last = nil
	}
	rest := make([]byte, m.offset-max(int64(len(head)), m.offset-n))
	if _, err := io.ReadFull(r, rest); err != nil {
		return false, unlessShort(err)
	}
	last = append(slices.Clip(last), rest...)
	return xxhash.Sum64(last[len(last)-int(n):]) == m.tail, nil
}

func unlessShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// archiveLines puts the lines of r, of which before lines are before.
func (s *Source) archiveLines(ctx context.Context, path string, r io.Reader, before int64) (n int, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	var part []byte
	lines := 0
	flush := func() error {
		n += lines
		err := s.putLines(ctx, path, part, before)
		before += int64(lines)
		part, lines = part[:0], 0
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if err := flush(); err != nil {
				return n, err
			}
			s.complain.Tell("a line is too long and was left out", "file", path, "line", before+1, "allowed_bytes", maxLine)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			before++
			line = nil
		}
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return n, errors.Join(err, flush())
		}
		if len(line) > 0 {
			part = append(part, line...)
			lines++
		}
		if lines >= maxLines || len(part) >= maxLine || over {
			if err := flush(); err != nil {
				return n, err
			}
		}
		if over {
			return n, nil
		}
	}
}

// moveAway takes a document that was read out of the way.
func (s *Source) moveAway(f found, k uint64) {
	dir := s.cfg.DoneDir
	if s.pos.failed[k] {
		dir = s.cfg.FailedDir
	}
	if dir == "" || time.Now().Before(s.moveAgain) {
		return
	}
	to := filepath.Join(dir, filepath.Base(f.path))
	for i := 1; i < 1000; i++ {
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			break
		}
		to = filepath.Join(dir, fmt.Sprintf("%s.%d", filepath.Base(f.path), i))
	}
	if err := os.Rename(f.path, to); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.complain.Tell("a file that was read cannot be moved away, trying again in a minute", "file", f.path, "to", dir, "err", err)
		s.moveAgain = time.Now().Add(time.Minute)
	}
}

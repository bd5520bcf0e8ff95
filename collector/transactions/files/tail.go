package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

const (
	// maxLine bounds a line, and what is read at once.
	maxLine = 1 << 20
	// maxLines is how many are put at once.
	maxLines = 1000
	// turn is how many times a log is read before the next one has its turn.
	turn = 16
)

// tailed is one log being followed. Its file stays open until it has left the paths and nothing more has come
// for a while, so what is written just before a rotation is read too.
type tailed struct {
	place
	mark
	path     string
	f        *os.File
	size     int64 // when the mark was last held against the file
	changed  time.Time
	searched int64     // the end of an overlong line has been looked for up to here
	gone     time.Time // since when it has been out of the paths without a change; zero: it is not
	over     bool      // out of the paths, and read to its end
}

func (t *tailed) close() { _ = t.f.Close() } // it was only read

// open opens a file for reading; one that is no regular file does not block.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// meet goes through the logs of a look: known ones, new ones, and those that are no longer there.
func (s *Source) meet(grow []found) {
	for _, t := range s.logs {
		i := slices.IndexFunc(grow, func(f found) bool { return f.place == t.place })
		switch {
		case i >= 0:
			t.path, t.gone = grow[i].path, time.Time{}
		case t.gone.IsZero():
			t.gone = time.Now()
		}
	}
	restored := map[place]mark{}
	for _, p := range s.pos.files {
		restored[p.place] = p.mark
	}
	for _, f := range grow {
		if slices.ContainsFunc(s.logs, func(t *tailed) bool { return t.place == f.place }) {
			continue
		}
		if len(s.logs) >= s.cfg.MaxFiles {
			s.complain.Tell("more logs than max_files are not read", "max_files", s.cfg.MaxFiles, "file", f.path)
			delete(s.waiting, f.place)
			continue
		}
		if s.begin(f, restored[f.place]) {
			delete(restored, f.place)
		}
	}
	s.pos.files = nil
	for _, m := range restored {
		s.lost(m)
	}
}

// begin follows a log that was not known, from where kept or any other mark that it holds says; it reports
// whether kept was the one.
func (s *Source) begin(f found, kept mark) bool {
	file, err := open(f.path)
	if err != nil {
		s.complain.Tell("a file cannot be read", "file", f.path, "err", err)
		delete(s.waiting, f.place)
		return false
	}
	t := &tailed{place: f.place, path: f.path, f: file}
	s.logs = append(s.logs, t)
	if ok, err := kept.holds(file, f.size); err == nil && ok && kept.offset > 0 {
		t.mark = kept
		return true
	}
	t.mark = s.recall(file, f.size)
	return false
}

// recall finds how far this content was read when it lay elsewhere; the zero mark: it was not.
func (s *Source) recall(r io.ReaderAt, size int64) (best mark) {
	for _, m := range s.marks() {
		if m.offset < sumLeast || m.offset <= best.offset {
			continue
		}
		if ok, err := m.holds(r, size); err == nil && ok {
			best = m
		}
	}
	return best
}

// marks lists every content that has been read.
func (s *Source) marks() []mark {
	all := slices.Clone(s.pos.left)
	for _, t := range s.logs {
		all = append(all, t.mark)
	}
	for _, p := range s.pos.files {
		all = append(all, p.mark)
	}
	return all
}

// lost is told of a content that is no longer where it was. If it lies beside, under a name that is not among
// the paths, the rest of it is read there.
func (s *Source) lost(m mark) {
	s.pos.leave(m)
	if m.offset < sumLeast {
		return
	}
	dirs := map[string]bool{}
	for _, pattern := range s.cfg.Paths {
		names, _ := filepath.Glob(filepath.Dir(pattern)) // Validate finds bad patterns
		for _, dir := range names {
			dirs[dir] = true
		}
	}
	for dir := range dirs {
		s.eachIn(dir, func(path string, info os.FileInfo) {
			f, err := foundAt(path, info)
			if err != nil || !info.Mode().IsRegular() || f.size <= m.offset || isArchive(f) ||
				slices.ContainsFunc(s.logs, func(t *tailed) bool { return t.place == f.place }) {
				return
			}
			file, err := open(path)
			if err != nil {
				return // not ours to read
			}
			if ok, err := m.holds(file, f.size); err != nil || !ok {
				_ = file.Close()
				return
			}
			s.logs = append(s.logs, &tailed{place: f.place, path: path, f: file, mark: m, gone: time.Now()})
		})
	}
}

// readLogs reads what is new in every log.
func (s *Source) readLogs(ctx context.Context) (more bool, err error) {
	// A log that is lost on the way may add one.
	for i := 0; i < len(s.logs); {
		t := s.logs[i]
		i++
		again, err := s.readLog(ctx, t)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			s.complain.Tell("a file cannot be read", "file", t.path, "err", err)
		}
		if err != nil || !again || t.offset >= s.waiting[t.place] {
			delete(s.waiting, t.place)
		}
		more = more || again
	}
	s.logs = slices.DeleteFunc(s.logs, func(t *tailed) bool {
		if t.over {
			s.pos.leave(t.mark)
			s.moved = true
			t.close()
		}
		return t.over
	})
	return more, nil
}

// readLog reads a log for its turn. again: there may be more.
func (s *Source) readLog(ctx context.Context, t *tailed) (again bool, err error) {
	info, err := t.f.Stat()
	if err != nil {
		return false, err
	}
	if size := info.Size(); size != t.size || !info.ModTime().Equal(t.changed) {
		holds, err := t.holds(t.f, size)
		if err != nil {
			return false, err
		}
		if !holds {
			s.log.Info("a log begins anew", "file", t.path)
			old := t.mark
			t.mark, t.searched, s.moved = mark{}, 0, true
			s.lost(old)
		}
		t.size, t.changed = size, info.ModTime()
		if !t.gone.IsZero() {
			t.gone = time.Now()
		}
	}
	final := !t.gone.IsZero() && time.Since(t.gone) >= s.cfg.Settle
	for range turn {
		if again, err = s.readPart(ctx, t, final); err != nil || !again {
			t.over = final && err == nil
			return false, err
		}
	}
	return true, nil
}

// readPart puts the next lines of a log. A line that is not whole yet waits, unless this is the log's final look.
func (s *Source) readPart(ctx context.Context, t *tailed, final bool) (again bool, err error) {
	buf := s.buf
	n, err := t.f.ReadAt(buf, t.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	data, lines := wholeLines(buf[:n])
	if lines == 0 {
		switch {
		case n == len(buf):
			return s.skipLine(t, final)
		case n == 0 || !final:
			return false, nil
		}
		data, lines = buf[:n], 1
	}
	before := t.line
	if t.mark, err = t.at(t.f, t.offset+int64(len(data)), t.line+int64(lines)); err != nil {
		return false, err
	}
	s.moved = true
	return true, s.putLines(ctx, t.path, data, before)
}

// wholeLines cuts data after its last line break, and after maxLines lines.
func wholeLines(data []byte) ([]byte, int) {
	end, n := 0, 0
	for n < maxLines {
		i := bytes.IndexByte(data[end:], '\n')
		if i < 0 {
			break
		}
		end += i + 1
		n++
	}
	return data[:end], n
}

// skipLine goes past a line that is too long, once its end is there.
func (s *Source) skipLine(t *tailed, final bool) (again bool, err error) {
	buf := s.buf
	for at := max(t.offset+maxLine, t.searched); ; {
		n, err := t.f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		i := bytes.IndexByte(buf[:n], '\n')
		if i < 0 && n > 0 {
			at += int64(n)
			t.searched = at
			continue
		}
		if i < 0 && !final {
			return false, nil
		}
		s.complain.Tell("a line is too long and was left out", "file", t.path, "line", t.line+1, "allowed_bytes", maxLine)
		t.mark, err = t.at(t.f, at+int64(i+1), t.line+1)
		s.moved = true
		return i >= 0 && err == nil, err
	}
}

// putLines decodes whole lines, of which before lines are before, and puts them.
func (s *Source) putLines(ctx context.Context, path string, data []byte, before int64) error {
	events, bad := transactions.DecodeLines(s.dec, data, nil)
	for _, b := range bad {
		s.complain.Tell("a line cannot be read and was left out", "file", path, "line", before+int64(b.Line)+1, "err", b.Err)
	}
	if len(events) == 0 {
		return nil // how far it was read is told with the next events, or at the end of the look
	}
	return s.put(ctx, events, func(r transactions.Rejection) {
		line := before + int64(transactions.LineOf(s.dec, data, r.Index)) + 1
		s.complain.Tell("an event cannot be used", "file", path, "line", line, "err", r.Err)
	})
}

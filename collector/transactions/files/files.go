// Package files brings events from files: logs that grow, whatever rotates them, and documents that are read
// once, when they are complete. What a log's writer does is followed, from one look to the next and over
// restarts of the agent:
//
//	switch.log       grows: new whole lines are events
//	switch.log.1     renamed from switch.log, or a copy of it: read on from where switch.log had been read to
//	switch.log       truncated, or another file of that name: read from its beginning
//	switch.log.2.gz  compressed from switch.log.1: only what had not been read
package files

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions"
)

// Deps is what a source needs.
type Deps struct {
	Decoders map[string]transactions.Decoder // by format
	Log      *slog.Logger
}

// Source reads the files of one configuration.
type Source struct {
	cfg   Config
	dec   transactions.Decoder
	lines bool // the format is one of lines
	log   *slog.Logger
	buf   []byte // what is read of a log at once

	// Of one Run:
	sink      transactions.Sink
	complain  *transactions.Complaints
	pos       position // but for files, which save takes from logs
	moved     bool     // something has been read that no batch has told the sink of
	logs      []*tailed
	seen      map[place]sighting
	waiting   map[place]int64 // sizes at the start of what has not been read since
	first     bool            // no look has been finished
	moveAgain time.Time
}

// sighting is since when a file that is read whole has been as it is.
type sighting struct {
	key   uint64
	since time.Time
}

// New makes a source; it opens nothing yet.
func New(cfg Config, d Deps) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("making source %s: %w", cfg.Name, err)
	}
	dec := d.Decoders[cfg.Format]
	if dec == nil {
		return nil, fmt.Errorf("making source %s: no decoder for the format %s", cfg.Name, cfg.Format)
	}
	return &Source{cfg: cfg, dec: dec, lines: formats()[cfg.Format], log: d.Log.With("source", cfg.Name)}, nil
}

// Run implements transactions.Source. It returns nil when ctx ends, and does not give up before. It is for one
// call at a time.
func (s *Source) Run(ctx context.Context, sink transactions.Sink, caughtUp func()) error {
	s.buf = make([]byte, maxLine)
	s.sink, s.complain = sink, &transactions.Complaints{Log: s.log}
	s.seen, s.waiting, s.first = map[place]sighting{}, map[place]int64{}, true
	var err error
	if s.pos, err = parsePosition(sink.Position(s.cfg.Name)); err != nil {
		s.log.Error("the position kept cannot be read, reading every file from its beginning", "err", err)
	}
	defer s.close()
	for told := false; ; {
		more, err := s.look(ctx)
		if !told && err == nil && len(s.waiting) == 0 {
			told = true
			caughtUp()
		}
		if err == nil && !more {
			err = transactions.Pause(ctx, s.cfg.PollInterval)
		}
		if err != nil {
			return nil // ctx has ended
		}
	}
}

func (s *Source) close() {
	for _, t := range s.logs {
		t.close()
	}
	s.logs = nil
}

// look finds the files there are and reads what is new in them. more tells that there is more to read at once.
// Its error is that ctx has ended.
func (s *Source) look(ctx context.Context) (more bool, err error) {
	all := s.find()
	var grow, whole []found
	for _, f := range all {
		if s.lines && !isArchive(f) {
			grow = append(grow, f)
		} else {
			whole = append(whole, f)
		}
	}
	if s.first {
		for _, f := range all {
			s.waiting[f.place] = f.size
		}
	}
	s.meet(grow)
	s.first = false
	if more, err = s.readLogs(ctx); err == nil {
		err = s.readWhole(ctx, whole)
	}
	if err == nil && s.moved {
		err = s.put(ctx, nil, nil)
	}
	if len(s.waiting) > 0 {
		s.forget(all)
	}
	return more, err
}

// forget waits no more for files that are gone.
func (s *Source) forget(all []found) {
	there := map[place]bool{}
	for _, f := range all {
		there[f.place] = true
	}
	for _, t := range s.logs {
		there[t.place] = true
	}
	maps.DeleteFunc(s.waiting, func(p place, _ int64) bool { return !there[p] })
}

func isArchive(f found) bool { return strings.HasSuffix(f.path, ".gz") }

// find lists the files of the paths, those changed longest ago first.
func (s *Source) find() []found {
	var all []found
	known := map[place]bool{}
	add := func(path string, info os.FileInfo) {
		name := info.Name()
		if !info.Mode().IsRegular() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".part") {
			return
		}
		f, err := foundAt(path, info)
		if err != nil {
			s.complain.Tell("a file cannot be read", "file", path, "err", err)
			return
		}
		if !known[f.place] {
			known[f.place] = true
			all = append(all, f)
		}
	}
	for _, pattern := range s.cfg.Paths {
		names, _ := filepath.Glob(pattern) // its one error is a bad pattern, which Validate finds
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				continue // gone since
			}
			if !info.IsDir() {
				add(name, info)
				continue
			}
			s.eachIn(name, add)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.changed.Compare(b.changed), cmp.Compare(a.path, b.path)) })
	return all
}

// eachIn calls do with every file of a folder.
func (s *Source) eachIn(dir string, do func(string, os.FileInfo)) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.complain.Tell("a folder cannot be read", "folder", dir, "err", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil { // else it is gone since
			do(path, info)
		}
	}
}

// put hands events over together with how far everything has been read. refused is told which were refused.
func (s *Source) put(ctx context.Context, events []transactions.Event, refused func(transactions.Rejection)) error {
	p := s.pos
	p.files = nil
	for _, t := range s.logs {
		p.files = append(p.files, placed{t.place, t.mark})
	}
	b := transactions.Batch{Events: events, Source: s.cfg.Name, Position: p.String()}
	receipt, err := transactions.PutWhenFree(ctx, s.sink, b, s.log)
	if err != nil {
		return err
	}
	s.moved = false
	for _, r := range receipt.Rejected {
		refused(r)
	}
	return nil
}

package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// FileSession changes the files of a folder. It implements [Session].
type FileSession struct {
	files    Files
	root     *os.Root
	lock     *os.File
	manifest manifest
	mu       sync.Mutex      // of changed
	changed  map[string]bool // folders whose entries are not synced yet
	wasRaw   []byte          // the manifest before; nil: there was none
	undo     *undo           // nil: nothing is kept, or all is in force
}

// Begin locks the folder against other applies, clears away what killed ones left half written, and notes in the
// manifest what the plan will make.
func (f Files) Begin(p Plan) (_ *FileSession, err error) {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil { //nolint:gosec // servers of other users read it
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	s := &FileSession{files: f, root: root, changed: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.End())
		}
	}()
	if s.lock, err = root.Open("."); err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	if err := lock(s.lock); err != nil {
		return nil, fmt.Errorf("locking %s: %w; another apply works there: wait for its end", f.Dir, err)
	}
	if s.manifest, s.wasRaw, err = f.readManifest(root); err != nil {
		return nil, err
	}
	if version(s.wasRaw) != p.Version {
		return nil, fmt.Errorf("another apply has worked here since this one was planned: %w", ErrChanged)
	}
	if err := s.checkOwners(p); err != nil {
		return nil, err
	}
	if f.Undo {
		if err := s.keep(p); err != nil {
			return nil, err
		}
	}
	s.manifest.Pending = true
	planned := map[string]bool{}
	for _, step := range p.Steps {
		planned[step.Name] = true
		s.intend(step)
	}
	// The rest is gone: who makes a file of that name later, its file is not ours.
	maps.DeleteFunc(s.manifest.Files, func(name string, _ entry) bool { return !planned[name] })
	if err := s.clean(p); err != nil {
		return nil, fmt.Errorf("clearing away what is half written: %w", err)
	}
	return s, s.writeManifest()
}

// checkOwners tries, before anything is changed, whether files can be given the owners of those that they replace.
func (s *FileSession) checkOwners(p Plan) error {
	type place struct {
		dir string
		bits
	}
	tried := map[place]bool{}
	for _, step := range p.Steps {
		if step.Op != Update && (step.Op != Delete || !s.files.Undo) { // what is deleted may have to come back
			continue
		}
		name := filepath.FromSlash(step.Name)
		info, err := s.root.Lstat(name)
		if err != nil {
			continue // Do sees it and tells
		}
		as := bitsOf(info)
		if tried[place{filepath.Dir(name), as}] {
			continue
		}
		tried[place{filepath.Dir(name), as}] = true
		temp, _, err := stage(s.root, name, nil, as)
		if err != nil {
			return fmt.Errorf("nothing was changed: %s belongs to user %d and group %d, and what replaces it has to, too: %w; apply as a user that may give it to them", step.Name, as.UID, as.GID, err)
		}
		if err := s.root.Remove(temp); err != nil {
			return err
		}
	}
	return nil
}

// intend notes what a step is going to make of a file.
func (s *FileSession) intend(step Step) {
	e := s.manifest.Files[step.Name]
	switch step.Op {
	case Create, Update:
		next := Sum(step.Want.Text)
		e.Next = &next
	case Delete:
		next := ""
		e.Next = &next
	case Kept:
		if e.Next != nil && *e.Next == step.Was.Version { // made by an apply that was killed
			e.SHA256 = *e.Next
		}
		s.manifest.Files[step.Name] = entry{SHA256: e.SHA256}
		return
	case Adopt: // ours from Commit on; until then only while it is as it is
		s.manifest.Files[step.Name] = entry{Next: &step.Was.Version}
		return
	case Unchanged:
		e = entry{SHA256: step.Was.Version} // an apply that was killed may have made it
	default:
		return
	}
	if step.Was != nil {
		e.SHA256 = step.Was.Version
	} else {
		e.SHA256 = ""
	}
	s.manifest.Files[step.Name] = e
}

// clean removes temporary files from the folders that the plan is about.
func (s *FileSession) clean(p Plan) error {
	dirs := map[string]bool{".": true}
	for _, step := range p.Steps {
		dirs[filepath.Dir(filepath.FromSlash(step.Name))] = true
	}
	for dir := range dirs {
		list, err := fs.ReadDir(s.root.FS(), filepath.ToSlash(dir))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Type().IsRegular() && strings.Contains(e.Name(), tempMark) {
				if err := ignoreMissing(s.root.Remove(filepath.Join(dir, e.Name()))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *FileSession) writeManifest() error {
	data, err := json.MarshalIndent(s.manifest, "", "  ")
	if err == nil {
		err = write(s.root, s.files.manifestName(), append(data, '\n'), newBits(0o644))
	}
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// Do implements [Session]. Several files may be changed at the same time.
func (s *FileSession) Do(_ context.Context, step Step) error {
	name := filepath.FromSlash(step.Name)
	is, err := s.version(step.Name)
	if err != nil {
		return err
	}
	was := ""
	if step.Was != nil {
		was = step.Was.Version
	}
	if is != was {
		return ErrChanged
	}
	switch step.Op {
	case Adopt:
		return nil
	case Delete:
		if err := ignoreMissing(s.root.Remove(name)); err != nil {
			return err
		}
		s.note(filepath.Dir(name))
		return nil
	}
	as := newBits(cmp.Or(step.Want.Mode, s.files.mode()))
	if step.Was != nil {
		info, err := s.root.Lstat(name)
		if err != nil {
			return err
		}
		as = bitsOf(info)
	}
	changed, err := place(s.root, name, step.Want.Text, as)
	s.note(changed...)
	return err
}

// note remembers folders to sync. Once for all files is enough: until then the manifest says that an apply is under way.
func (s *FileSession) note(folders ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range folders {
		s.changed[f] = true
	}
}

// Keep copies a file of the folder, if it is there, with its mode and owner.
func (s *FileSession) Keep(name, as string) error {
	info, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := readFile(s.root, name)
	if err != nil {
		return err
	}
	return write(s.root, as, data, bitsOf(info))
}

func (s *FileSession) remove(name string) error {
	if err := ignoreMissing(s.root.Remove(name)); err != nil {
		return err
	}
	return syncFolder(s.root, filepath.Dir(name))
}

// Commit implements [Session]: what was intended is what is.
func (s *FileSession) Commit(context.Context) error {
	for _, f := range slices.Sorted(maps.Keys(s.changed)) {
		if err := syncFolder(s.root, f); err != nil {
			return fmt.Errorf("syncing the folder: %w", err)
		}
	}
	for name, e := range s.manifest.Files {
		switch {
		case e.Next == nil:
		case *e.Next == "":
			delete(s.manifest.Files, name)
		default:
			s.manifest.Files[name] = entry{SHA256: *e.Next}
		}
	}
	s.manifest.Pending = false
	if err := s.writeManifest(); err != nil || s.undo == nil {
		return err
	}
	s.undo = nil
	return s.remove(s.files.undoName())
}

// End implements [Session].
func (s *FileSession) End() error {
	var err error
	if s.lock != nil {
		err = s.lock.Close() // and with it the lock
	}
	return errors.Join(err, s.root.Close())
}

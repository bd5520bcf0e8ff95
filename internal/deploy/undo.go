package deploy

import (
	"bytes"
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
)

const (
	undoVersion  = 1
	maxUndoBytes = 1 << 30
	fewNames     = 5 // names in one message
)

// undo is what was there when everything was last in force, written before an apply changes any of it and removed once
// it is in force. An apply that takes up after one that was killed goes on with it, so that what a server refuses is
// taken back even when it has been in place since an earlier apply:
//
//	{"version": 1, "manifest": "eyJ2…", "files": {"card.yaml": {"data": "Z3Jv…", "mode": 416, "uid": 0, "gid": 107, "made": ["9f2c…"]}}}
type undo struct {
	Version  int             `json:"version"`
	Manifest []byte          `json:"manifest"` // nil: there was none
	Files    map[string]kept `json:"files"`
}

// kept is one file as it was.
type kept struct {
	Data []byte   `json:"data"` // nil: it was not there
	bits          // of the file
	Made []string `json:"made"` // hashes of what applies have made of it or are going to; "": it is gone
}

// version is its hash; empty: it was not there.
func (k kept) version() string {
	if k.Data == nil {
		return ""
	}
	return Sum(k.Data)
}

// undoName is the name of the file with what was there before. No server takes it for a rule file.
func (f Files) undoName() string {
	return strings.TrimSuffix(f.manifestName(), "manifest.json") + "undo.json"
}

func (f Files) readUndo(root *os.Root) (*undo, error) {
	raw, err := readUpTo(root, f.undoName(), maxUndoBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u undo
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(&u)
	if err == nil && u.Version != undoVersion {
		err = fmt.Errorf("it has version %d, allowed: %d", u.Version, undoVersion)
	}
	for name := range u.Files {
		err = errors.Join(err, f.checkName(name))
	}
	return &u, err
}

// keep notes what the plan is going to replace, beside what an apply that was killed has left to undo.
func (s *FileSession) keep(p Plan) error {
	u := &undo{undoVersion, s.wasRaw, map[string]kept{}}
	if s.manifest.Pending { // else what is there is of an apply that was killed when it had nothing left to do
		left, err := s.files.readUndo(s.root)
		if err != nil {
			return fmt.Errorf("reading %s, where an apply that was interrupted kept what was there before: %w; remove it to go on without", filepath.Join(s.files.Dir, s.files.undoName()), err)
		}
		if left != nil {
			u.Manifest = left.Manifest
			if err := s.goOn(u, left); err != nil {
				return err
			}
		}
	}
	for _, step := range p.Steps {
		if !step.Changes() {
			continue
		}
		next := ""
		if step.Want != nil {
			next = Sum(step.Want.Text)
		}
		k, there := u.Files[step.Name]
		if !there && step.Was != nil {
			info, err := s.root.Lstat(filepath.FromSlash(step.Name))
			if err != nil {
				return fmt.Errorf("reading %s: %w", step.Name, err)
			}
			k.Data, k.bits = step.Was.Text, bitsOf(info)
		}
		k.Made = append(k.Made, next)
		u.Files[step.Name] = k
	}
	data, err := json.Marshal(u)
	if err == nil && len(data) > maxUndoBytes {
		err = fmt.Errorf("it would be larger than %d bytes", maxUndoBytes)
	}
	if err == nil {
		err = write(s.root, s.files.undoName(), data, bits{0o600, -1, -1}) // as secret as the most secret of them
	}
	if err != nil {
		return fmt.Errorf("keeping what is there in %s: %w", s.files.undoName(), err)
	}
	s.undo = u
	return nil
}

// goOn takes over what an apply that was killed has kept, of all files that nobody else has changed since.
func (s *FileSession) goOn(u, left *undo) error {
	for name, k := range left.Files {
		is, err := s.version(name)
		if err != nil {
			return err
		}
		if is == k.version() || slices.Contains(k.Made, is) {
			k.Made = []string{is}
			u.Files[name] = k
		}
	}
	return nil
}

// version is the hash of a file as it is; empty: it is not there.
func (s *FileSession) version(name string) (string, error) {
	found, err := look(s.root, name, s.manifest)
	if found == nil || err != nil {
		return "", err
	}
	return found.Version, nil
}

// putBack makes everything as it was when it was last in force, with the manifest, and names what it changed for that and
// what it left, since somebody else has changed it.
func (s *FileSession) putBack() (back, left []string, err error) {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.undo.Files)) {
		k := s.undo.Files[name]
		is, err := s.version(name)
		switch {
		case err != nil:
		case is == k.version():
			continue
		case !slices.Contains(k.Made, is):
			left = append(left, name)
			continue
		case k.Data == nil:
			err = s.remove(filepath.FromSlash(name))
		default:
			err = write(s.root, filepath.FromSlash(name), k.Data, k.bits)
		}
		if err == nil {
			back = append(back, name)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return back, left, err // the manifest still says what was intended
	}
	if s.undo.Manifest == nil {
		err = s.remove(s.files.manifestName())
	} else {
		err = write(s.root, s.files.manifestName(), s.undo.Manifest, newBits(0o644))
	}
	if err == nil {
		err = s.remove(s.files.undoName())
	}
	return back, left, err
}

// TakeBack puts back what was there when everything was last in force, for an apply that failed for the reason why, and
// has the server reload it, also when ctx has ended. What it gives is that reason with what was done. When everything is
// in force it does nothing, and neither does it to files that somebody else has changed meanwhile.
func (s *FileSession) TakeBack(ctx context.Context, why error, reload func(context.Context) error) error {
	if s.undo == nil {
		return why
	}
	back, left, err := s.putBack()
	if err != nil {
		return errors.Join(why, fmt.Errorf("putting back what was there before: %w; it is kept in %s, and the next apply goes on from there", err, filepath.Join(s.files.Dir, s.files.undoName())))
	}
	s.undo = nil
	if len(left) > 0 {
		why = fmt.Errorf("%w; %s: changed by somebody else meanwhile and left so", why, Some(left))
	}
	if len(back) == 0 {
		return fmt.Errorf("%w; no file had been changed, so none was put back", why)
	}
	if err := reload(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w; put back as before: %s; the server has not reloaded it: %w", why, Some(back), err)
	}
	return fmt.Errorf("%w; put back as before, and reloaded: %s", why, Some(back))
}

// Some lists the first few names.
func Some(names []string) string {
	if len(names) > fewNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:fewNames], ", "), len(names)-fewNames)
	}
	return strings.Join(names, ", ")
}

package deploy

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// KindFile is the kind of objects that are files.
const KindFile = "file"

const (
	// ManifestName is the file that lists which files of a folder are ours.
	ManifestName    = ".assayer-manifest.json"
	manifestVersion = 1
	tempMark        = ".assayer-tmp-" // in the names of files that are being written
	maxFileBytes    = 64 << 20
	maxPathBytes    = 1024
)

// Files is a folder of which some files are ours: those in its manifest,
//
//	{"version": 1, "pending": false, "files": {"rules/card.yaml": {"sha256": "9f2c…"}}}
//
// Before an apply writes anything it notes in the manifest, for each file, what it will be, so that files written by an
// apply that was killed are known to be ours. A file is written beside its place, synced, and moved there.
type Files struct {
	Dir      string
	Manifest string      // name of the manifest; empty is ManifestName
	Mode     fs.FileMode // of new files; the bits and owners of existing ones are kept. 0 is 0644
	// Undo keeps what is replaced until Commit, for [FileSession.TakeBack].
	Undo bool
}

// bits are what a file has beside its content.
type bits struct {
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"` // -1, and GID likewise: as new files have it
	GID  int         `json:"gid"`
}

func newBits(mode fs.FileMode) bits { return bits{mode, -1, -1} }

func bitsOf(info fs.FileInfo) bits {
	uid, gid := owner(info)
	return bits{info.Mode().Perm(), uid, gid}
}

// manifest is what is written into Files.Manifest.
type manifest struct {
	Version int              `json:"version"`
	Pending bool             `json:"pending"` // an apply has begun and not ended
	Files   map[string]entry `json:"files"`
}

// entry is one file of ours.
type entry struct {
	SHA256 string  `json:"sha256"`         // what was applied last; empty: nothing yet
	Next   *string `json:"next,omitempty"` // hash of what an apply is making of it, "" to delete it; nil: none is under way
}

// mode is that of new files.
func (f Files) mode() fs.FileMode {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode
}

func (f Files) manifestName() string {
	if f.Manifest == "" {
		return ManifestName
	}
	return f.Manifest
}

// Objects makes objects of files. Names that lead out of the folder, or clash, are refused.
func (f Files) Objects(names []string, data func(i int) []byte) ([]Object, error) {
	seen := map[string]bool{}
	out := make([]Object, 0, len(names))
	for i, name := range names {
		if err := f.checkName(name); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("two files are called %q", name)
		}
		seen[name] = true
		out = append(out, Object{Kind: KindFile, Name: name, Text: data(i)})
	}
	for name := range seen {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if seen[dir] {
				return nil, fmt.Errorf("%q is to be a file and a folder", dir)
			}
		}
	}
	return out, nil
}

func (f Files) checkName(name string) error {
	local, err := filepath.Localize(name)
	bad := err != nil || !filepath.IsLocal(local) || path.Clean(name) != name || name == "." || len(name) > maxPathBytes ||
		strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, tempMark) ||
		slices.Contains([]string{f.manifestName(), f.undoName()}, path.Base(name))
	if bad {
		return fmt.Errorf("file name %.200q, allowed: a relative path inside the folder, without .. and control characters, other than %s", name, f.manifestName())
	}
	return nil
}

// version is the hash of a manifest; empty: there is none.
func version(raw []byte) string {
	if raw == nil {
		return ""
	}
	return Sum(raw)
}

// Deployed reads the files of ours, and those that are wanted. A folder that does not exist is empty.
func (f Files) Deployed(wanted []Object) (State, error) {
	root, err := os.OpenRoot(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("opening the folder: %w", err)
	}
	defer root.Close()
	m, raw, err := f.readManifest(root)
	if err != nil {
		return State{}, err
	}
	s := State{Version: version(raw)}
	if m.Pending {
		if s.Busy, err = locked(root); err != nil {
			return State{}, fmt.Errorf("asking whether an apply is under way: %w", err)
		}
		s.Pending = "an apply was interrupted before it had ended"
		if s.Busy {
			s.Pending = "an apply is under way"
		}
	}
	names := map[string]bool{}
	for name := range m.Files {
		names[name] = true
	}
	for _, w := range wanted {
		names[w.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found, err := look(root, name, m)
		if err != nil {
			return State{}, err
		}
		if found != nil {
			s.Found = append(s.Found, *found)
		}
	}
	_, now, err := f.readManifest(root)
	if err != nil {
		return State{}, err
	}
	s.Busy = s.Busy || version(now) != s.Version
	return s, nil
}

// locked reports whether an apply has the folder locked.
func locked(root *os.Root) (bool, error) {
	dir, err := root.Open(".")
	if err != nil {
		return false, err
	}
	defer dir.Close()
	return busy(dir)
}

// look reads one file; nil: it is not there.
func look(root *os.Root, name string, m manifest) (*Found, error) {
	local := filepath.FromSlash(name)
	info, err := root.Lstat(local)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	f := &Found{Object: Object{Kind: KindFile, Name: name}, Version: "no plain file"}
	if !info.Mode().IsRegular() {
		f.Foreign = "it is no plain file but " + whatIs(info.Mode()) + "; move it away, or deploy to another folder"
		return f, nil
	}
	if f.Text, err = readFile(root, local); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	f.Version = Sum(f.Text)
	e, known := m.Files[name]
	interrupted := known && e.Next != nil
	switch {
	case interrupted && f.Version != e.SHA256 && f.Version != *e.Next && (e.SHA256 == "" || *e.Next == ""):
		known = false // it was written by somebody else after an apply was killed
	case known && f.Version != e.SHA256 && (!interrupted || f.Version != *e.Next):
		f.Edited = "at " + info.ModTime().UTC().Format("2006-01-02T15:04:05Z") + ", since it was last applied"
	}
	f.Ours, f.Free = known, !known
	if !known {
		f.Foreign = "a file of this name is there that assayer has not written; move it away, or deploy to another folder"
	}
	return f, nil
}

func whatIs(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "something else"
}

func readFile(root *os.Root, name string) ([]byte, error) { return readUpTo(root, name, maxFileBytes) }

func readUpTo(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return data, nil
}

// readManifest gives an empty one when there is none.
func (f Files) readManifest(root *os.Root) (m manifest, raw []byte, err error) {
	m = manifest{Version: manifestVersion, Files: map[string]entry{}}
	raw, err = readFile(root, f.manifestName())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil, nil
	}
	if err != nil {
		return m, nil, fmt.Errorf("reading the manifest: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(&m)
	switch {
	case err == nil && m.Version != manifestVersion:
		err = fmt.Errorf("it has version %d, allowed: %d", m.Version, manifestVersion)
	case err == nil && m.Files == nil:
		m.Files = map[string]entry{}
	}
	for name := range m.Files {
		err = errors.Join(err, f.checkName(name))
	}
	if err != nil {
		return m, nil, fmt.Errorf("reading the manifest %s, which says what of the folder is ours: %w; restore it, or deploy to an empty folder", filepath.Join(f.Dir, f.manifestName()), err)
	}
	return m, raw, nil
}

// write puts data at name: a new file beside it, synced, then moved there, then the folder synced.
func write(root *os.Root, name string, data []byte, as bits) error {
	changed, err := place(root, name, data, as)
	if err != nil {
		return err
	}
	for _, d := range changed {
		if err := syncFolder(root, d); err != nil {
			return err
		}
	}
	return nil
}

// place is write without the folders' part of it: they are changed, and it depends on them whether a power failure undoes that.
func place(root *os.Root, name string, data []byte, as bits) (changed []string, err error) {
	temp, changed, err := stage(root, name, data, as)
	if err != nil {
		return nil, err
	}
	if err := root.Rename(temp, name); err != nil {
		return nil, errors.Join(err, ignoreMissing(root.Remove(temp)))
	}
	return changed, nil
}

// stage writes data beside name, to be moved there, and gives the folders that change by that.
func stage(root *os.Root, name string, data []byte, as bits) (temp string, changed []string, err error) {
	dir := filepath.Dir(name)
	made, err := makeFolders(root, dir)
	if err != nil {
		return "", nil, err
	}
	temp = filepath.Join(dir, "."+filepath.Base(name)+tempMark+rand.Text()[:8])
	if len(filepath.Base(temp)) > 255 { // the longest name most file systems take
		temp = filepath.Join(dir, tempMark+rand.Text())
	}
	out, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, err
	}
	half := temp // an error clears temp
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(root.Remove(half)))
		}
	}()
	_, err = out.Write(data)
	if err == nil {
		err = own(out, as)
	}
	if err == nil {
		err = out.Chmod(as.Mode) // whatever the mask of new files is
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", nil, err
	}
	return temp, append(made, dir), nil
}

// own gives a new file its owner, if it has another.
func own(f *os.File, as bits) error {
	if as.UID < 0 {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if uid, gid := owner(info); uid == as.UID && gid == as.GID {
		return nil
	}
	return f.Chown(as.UID, as.GID)
}

// makeFolders makes dir and gives the folders that got a new entry.
func makeFolders(root *os.Root, dir string) (changed []string, err error) {
	for d := dir; d != "."; d = filepath.Dir(d) {
		if _, err := root.Stat(d); err == nil {
			break
		}
		changed = append(changed, filepath.Dir(d))
	}
	return changed, root.MkdirAll(dir, 0o755) //nolint:gosec // as the files in it, others may read it
}

func syncFolder(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

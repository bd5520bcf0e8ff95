package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// WriteAll puts files, made by Objects, into the folder without a manifest: they belong to whoever asked for them. Every
// one is written beside its place and synced before the first is moved there, so that one that cannot be written leaves
// none; only who is killed while they are moved leaves some. A file that is there is an error that is fs.ErrExist, unless
// replace is set; what is there and no plain file is one always.
func (f Files) WriteAll(objects []Object, replace bool) (err error) {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil { //nolint:gosec // as the files in it, others may read it
		return fmt.Errorf("making the folder: %w", err)
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	all := make([]bits, len(objects))
	for i, o := range objects {
		all[i] = newBits(f.mode())
		switch info, err := root.Lstat(filepath.FromSlash(o.Name)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !replace:
			return &fs.PathError{Op: "writing", Path: filepath.Join(f.Dir, o.Name), Err: fs.ErrExist}
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is no plain file but %s", filepath.Join(f.Dir, o.Name), whatIs(info.Mode()))
		default:
			all[i] = bitsOf(info)
		}
	}
	var temps, changed []string
	defer func() {
		for _, t := range temps {
			err = errors.Join(err, ignoreMissing(root.Remove(t)))
		}
	}()
	for i, o := range objects {
		temp, made, err := stage(root, filepath.FromSlash(o.Name), o.Text, all[i])
		if err != nil {
			return fmt.Errorf("writing %s: %w", filepath.Join(f.Dir, o.Name), err)
		}
		temps, changed = append(temps, temp), append(changed, made...)
	}
	for i, o := range objects {
		if err := root.Rename(temps[i], filepath.FromSlash(o.Name)); err != nil {
			return fmt.Errorf("moving %s to its place: %w", filepath.Join(f.Dir, o.Name), err)
		}
	}
	slices.Sort(changed)
	for _, d := range slices.Compact(changed) {
		if err := syncFolder(root, d); err != nil {
			return err
		}
	}
	return nil
}

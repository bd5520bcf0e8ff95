//go:build linux || darwin || freebsd || netbsd || openbsd

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/testkit/applied"
)

const ownerVariable = "ASSAYER_TEST_OWNER_IN"

// owned gives the owner of a file, and its bits.
func owned(t *testing.T, name string) (uid, gid uint32, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T", info.Sys())
	}
	return stat.Uid, stat.Gid, info.Mode().Perm()
}

// A file that is replaced stays its owner's and its group's: a server that reads it by its group still can.
func TestOwnersAreKept(t *testing.T) {
	dir := t.TempDir()
	one := target(t, dir)
	apply(t, one, set(map[string]string{"a": "1"}))
	uid, gid := os.Getuid(), os.Getgid()
	if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		gid = groups[len(groups)-1]
	}
	if uid == 0 { // who may give files away
		uid, gid = 65533, 65532
	}
	name := filepath.Join(dir, "a")
	if err := os.Chown(name, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	apply(t, one, set(map[string]string{"a": "2"}))
	if u, g, mode := owned(t, name); int(u) != uid || int(g) != gid || mode != 0o640 {
		t.Errorf("it belongs to %d and %d with %v, want %d and %d with 0640", u, g, mode, uid, gid)
	}
	applied.WantTree(t, dir, map[string]string{"a": "2"})
}

// Who may not keep the owner of what is replaced changes nothing at all. Only who may give files away can try this, by a process that may not.
func TestOwnersThatCannotBeKept(t *testing.T) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		one := target(t, dir)
		err := deploy.Apply(t.Context(), one, plan(t, one, set(map[string]string{"a": "2", "b": "2"})), deploy.ApplyOptions{})
		if err == nil || !strings.Contains(err.Error(), "nothing was changed: b belongs to user 65533 and group 65532, and what replaces it has to, too") {
			t.Errorf("error is %v", err)
		}
		applied.WantTree(t, dir, map[string]string{"a": "1", "b": "1"})
		if p := plan(t, one, set(map[string]string{"a": "1", "b": "1"})); p.Drifted() {
			t.Errorf("left is %+v", p)
		}
		apply(t, one, set(map[string]string{"a": "2"})) // what is deleted needs no owner
		return
	}
	if os.Getuid() != 0 {
		return
	}
	open, err := os.MkdirTemp("", "owners") // the folders of the test itself are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(open) })
	binary, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(filepath.Join(open, "test"), binary, 0o755)
	}
	dir := filepath.Join(open, "out")
	apply(t, target(t, dir), set(map[string]string{"a": "1", "b": "1"}))
	for _, name := range []string{".", "a", deploy.ManifestName} {
		if err == nil {
			err = os.Chown(filepath.Join(dir, name), 65531, 65531)
		}
	}
	if err == nil {
		err = os.Chown(filepath.Join(dir, "b"), 65533, 65532)
	}
	if err == nil {
		err = os.Chmod(open, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(open, "test"), "-test.run", "^TestOwnersThatCannotBeKept$")
	cmd.Dir, cmd.Env = open, append(os.Environ(), ownerVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65531, Gid: 65531}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	applied.WantTree(t, dir, map[string]string{"a": "2"})
}

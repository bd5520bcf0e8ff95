package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

// Agent is a running Assayer.
type Agent struct {
	*Server

	t         testing.TB
	binary    string
	configDir string
}

// BuildAssayer builds the agent of the module that the working directory is in, as it is shipped,
// into dir, and returns the binary's path.
func BuildAssayer(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "assayer")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/assayer-io/assayer/cmd/assayer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("building assayer: " + err.Error() + "\n" + string(out))
	}
	return binary, nil
}

// StartAssayer runs binary with configDir/assayer.yaml on a free port, from configDir, so that
// relative paths in the configuration lie there. It returns when the agent says it is ready.
func StartAssayer(t testing.TB, binary, configDir string) *Agent {
	t.Helper()
	a := &Agent{t: t, binary: binary, configDir: configDir}
	a.Restart()
	return a
}

// Restart starts the agent again, after Stop or Kill, on its old data; its address is a new one.
func (a *Agent) Restart() {
	a.t.Helper()
	a.Server = &Server{}
	a.Process = launch(a.t, command{
		name:   "assayer",
		binary: a.binary,
		args:   []string{"run", "--config", "assayer.yaml", "--web.listen-address", "127.0.0.1:0"},
		dir:    a.configDir,
	}, nil)
	a.await(func(ctx context.Context) error {
		found := listening.FindStringSubmatch(a.Logs())
		if found == nil {
			return errors.New("it has not said where it listens")
		}
		a.Address = found[1]
		return httpOK(a.URL("/-/ready"))(ctx)
	})
}

// Reload makes the agent read its configuration again. It returns at once.
func (a *Agent) Reload() { a.Signal(syscall.SIGHUP) }

var listening = regexp.MustCompile(`(?m)\bmsg="?listening"? .*\baddress="?([0-9.]+:[0-9]+)`)

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assayer-io/assayer/internal/cli"
)

// patience bounds every wait of a script.
const patience = 90 * time.Second

// noSleep keeps the commands that tests run from sleeping a second at their end, as they do under the race detector.
const noSleep = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", noSleep); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testscript.Main(m, map[string]func(){"assayer": func() {
		ctx, stop := cli.UntilSignal(context.Background())
		code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}})
}

// TestScripts runs testdata/script/*.txtar: what a person at a terminal sees. UPDATE_SCRIPTS=1
// writes what is seen now into the scripts. Beside testscript's own commands there are:
//
//	exits CODE COMMAND...    runs COMMAND, which must end with CODE
//	target NAME FILE         serves FILE to scrapes, as it is at that moment; $NAME is host:port
//	looked NAME              waits until two more looks at the target have been answered
//	fill FILE...             replaces $NAME in files by its value
//	agent NAME FLAG...       starts assayer run; $NAME is its URL once it is ready
//	signal NAME SIGNAL       sends HUP or TERM to the agent
//	ends NAME CODE           waits for the agent's end, which must be with CODE
//	logs NAME REGEXP         waits until the agent's log has a match
//	until REGEXP COMMAND...  runs COMMAND until its output has a match
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("USER", "ops")
			e.Setenv("GORACE", noSleep)
			e.Values[worldKey{}] = &world{targets: map[string]*target{}, agents: map[string]*agent{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "target": serve, "looked": looked, "fill": fill, "agent": start, "signal": send,
			"ends": ends, "logs": logs, "until": until, "post": post,
		},
	})
}

// world is what one script has started.
type world struct {
	targets map[string]*target
	agents  map[string]*agent
}

type worldKey struct{}

type target struct{ looks atomic.Int64 }

type agent struct {
	cmd  *exec.Cmd
	log  string // file
	done chan struct{}
}

func of(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// post sends a file to a URL, with $now as the present time.
func post(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "post FILE URL")
	ts.Setenv("now", time.Now().UTC().Format(time.RFC3339))
	body := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Post(args[1], "application/json", strings.NewReader(body))
	ts.Check(err)
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s %v", res.Status, answer, err)
	}
}

// need fails the script unless it gives at least n arguments.
func need(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

// await tries until try returns nil.
func await(ts *testscript.TestScript, try func() error) {
	deadline := time.After(patience)
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("waited in vain: %v", err)
		case <-ticker.C:
		}
	}
}

// run runs a command as exec does and returns its output and exit code.
func run(ts *testscript.TestScript, args []string) (stdout, stderr string, code int) {
	err := ts.Exec(args[0], args[1:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[0], err)
	}
	return ts.ReadFile("stdout"), ts.ReadFile("stderr"), code
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "exits CODE COMMAND...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if _, _, code := run(ts, args[1:]); code != want {
		ts.Fatalf("exit code is %d, want %d", code, want)
	}
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "target NAME FILE")
	file, one := ts.MkAbs(args[1]), &target{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		data, err := os.ReadFile(file)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if _, err := w.Write(data); err == nil && r.Context().Err() == nil {
			one.looks.Add(1)
		}
	}))
	ts.Defer(server.Close)
	of(ts).targets[args[0]] = one
	ts.Setenv(args[0], server.Listener.Addr().String())
}

func looked(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "looked NAME")
	one := of(ts).targets[args[0]]
	from := one.looks.Load()
	await(ts, func() error {
		if n := one.looks.Load() - from; n < 2 {
			return fmt.Errorf("%d looks", n)
		}
		return nil
	})
}

func fill(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "fill FILE...")
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

var listening = regexp.MustCompile(`"?msg"?[=:]"?listening"?[ ,]"?address"?[=:]"?([0-9.:]+)`)

func start(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "agent NAME FLAG...")
	binary, err := exec.LookPath("assayer")
	ts.Check(err)
	a := &agent{log: ts.MkAbs(args[0] + ".log"), done: make(chan struct{})}
	log, err := os.Create(a.log)
	ts.Check(err)
	defer log.Close() // the process has its own
	a.cmd = exec.Command(binary, append([]string{"run", "--web.listen-address", "127.0.0.1:0"}, args[1:]...)...)
	a.cmd.Dir, a.cmd.Stdout, a.cmd.Stderr = ts.MkAbs("."), log, log
	ts.Check(a.cmd.Start())
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait() // ends looks at how it ended
	}()
	ts.Defer(func() {
		_ = a.cmd.Process.Kill() // has ended already, if the script is complete
		<-a.done
	})
	of(ts).agents[args[0]] = a
	await(ts, func() error {
		text := ts.ReadFile(a.log)
		found := listening.FindStringSubmatch(text)
		if found == nil {
			return fmt.Errorf("it is not listening:\n%s", text)
		}
		ts.Setenv(args[0], "http://"+found[1])
		return ready("http://" + found[1])
	})
}

func ready(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/-/ready", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s/-/ready answers %s", url, res.Status)
	}
	return nil
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "signal NAME SIGNAL")
	ts.Check(of(ts).agents[args[0]].cmd.Process.Signal(map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[args[1]]))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "ends NAME CODE")
	a := of(ts).agents[args[0]]
	await(ts, func() error {
		select {
		case <-a.done:
			return nil
		default:
			return errors.New("it has not ended")
		}
	})
	if code := a.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("exit code is %d, want %s:\n%s", code, args[1], ts.ReadFile(a.log))
	}
}

func logs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "logs NAME REGEXP")
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	await(ts, func() error {
		if text := ts.ReadFile(of(ts).agents[args[0]].log); !want.MatchString(text) {
			return fmt.Errorf("log has no match for %s:\n%s", args[1], text)
		}
		return nil
	})
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "until REGEXP COMMAND...")
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	await(ts, func() error {
		if stdout, stderr, _ := run(ts, args[1:]); !want.MatchString(stdout) {
			return fmt.Errorf("output has no match for %s:\n%s%s", args[0], stdout, stderr)
		}
		return nil
	})
}

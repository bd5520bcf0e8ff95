//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// demo is the demo as a newcomer runs it, in a process of its own.
type demo struct {
	cmd *exec.Cmd
	out servers.Output
}

func (d *demo) said() string { return d.out.String() }

func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	d := &demo{}
	d.cmd = exec.CommandContext(t.Context(), binary, append([]string{"demo", "--web.listen-address", "127.0.0.1:0"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = 20 * time.Second
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// await waits until the demo has said something that matches, and returns the first group.
func (d *demo) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	found := ""
	deadline := time.Now().Add(3 * time.Minute)
	eventuallyUntil(t, deadline, func(context.Context) error {
		m := re.FindStringSubmatch(d.said())
		if m == nil {
			return fmt.Errorf("the demo has not said %q:\n%s", pattern, d.said())
		}
		found = m[len(m)-1]
		return nil
	})
	return found
}

// TestDemo runs the demo to its end as the README says.
func TestDemo(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	dir := t.TempDir()
	d := startDemo(t, "--exit-when-recovered", "--data", dir)
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, d.said())
	}
	for _, want := range []string{"fires", "hook rollback called", "verified on data from after the action", "recovered",
		"settlement stops", "the first deadlines pass", "fires for instant-settlement-errors", "the service's own error rate is 0%", "overdue is down to 0", "settled, "} {
		if !strings.Contains(d.said(), want) {
			t.Errorf("the demo never said %q:\n%s", want, d.said())
		}
	}
	counted := regexp.MustCompile(`faults counted\s+(\d+)\s+card-auth itself says (\d+)`).FindStringSubmatch(d.said())
	if counted == nil || counted[1] != counted[2] || counted[1] == "0" {
		t.Errorf("the agent's and the service's counts of faults: %q", counted)
	}
	for _, what := range []string{"settled in time", "settled late", "declined"} {
		counted := regexp.MustCompile(what + `\s+([\d,]+)\s+the company says ([\d,]*\d)`).FindStringSubmatch(d.said())
		if counted == nil || counted[1] != counted[2] || counted[1] == "0" {
			t.Errorf("the agent's and the company's counts of what is %s: %q", what, counted)
		}
	}
	if took := time.Since(begin); took > 90*time.Second {
		t.Errorf("the story took %v", took)
	}
	t.Logf("the story took %v", time.Since(begin).Round(time.Second))
	out, err := exec.CommandContext(t.Context(), binary, "audit", "verify", filepath.Join(dir, "data", "audit.jsonl")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "intact") {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
}

// TestPage drives the page in a real browser while the demo's story unfolds.
func TestPage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	url := "http://" + d.await(t, `agent at http://(127\.0\.0\.1:\d+)`)
	ctx, complaints, foreign := browser(t)

	var before, after, title string
	var marked bool
	if err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(1280, 900, 1, false),
		chromedp.Navigate(url+"/"),
		chromedp.WaitVisible("#verdict"),
		chromedp.Title(&title),
		// A reload would lose this mark.
		chromedp.Evaluate(`window.notReloaded = true; window.firstNow = document.querySelector("main").dataset.now`, &before),
		poll(`document.querySelector("main").dataset.now !== window.firstNow`),
		chromedp.Evaluate(`document.querySelector("main").dataset.now`, &after),
		chromedp.Evaluate(`window.notReloaded === true`, &marked),
	); err != nil {
		t.Fatal(err)
	}
	if title == "" || !marked || before == after {
		t.Errorf("live update: title %q, before %s, after %s, page kept: %v", title, before, after, marked)
	}
	fits(ctx, t, 1280)
	fits(ctx, t, 390)

	d.await(t, `(hook rollback called)`)
	if err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(1280, 900, 1, false),
		poll(`[...document.querySelectorAll("#o-card-auth-errors")].some(e => /burning|exhausted/i.test(e.innerText))`)); err != nil {
		t.Errorf("the page never showed card-auth-errors burning: %v", err)
	}
	if path := os.Getenv("SCREENSHOTS"); path != "" {
		shoot(ctx, t, path)
	}
	d.await(t, `(recovered, )`)
	if err := chromedp.Run(ctx, poll(`[...document.querySelectorAll("[id^='a-']")].some(e => /verified/i.test(e.innerText))`)); err != nil {
		t.Errorf("the page never showed the verified action: %v", err)
	}
	settlementStops(ctx, t, d)
	if err := chromedp.Run(ctx, chromedp.Navigate(url+"/slo/card-auth-errors"), poll(`document.querySelectorAll("main svg path").length > 0`)); err != nil {
		t.Errorf("the objective's own page has no chart: %v", err)
	}
	fits(ctx, t, 390)
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complained: %s", strings.Join(got, "\n"))
	}
	if got := foreign(url); len(got) > 0 {
		t.Errorf("the page asked elsewhere for: %s", strings.Join(got, "\n"))
	}
}

// settlementStops looks at the page while transfers are overdue, which it says by more than a colour, and afterwards.
func settlementStops(ctx context.Context, t *testing.T, d *demo) {
	t.Helper()
	const overdue = `#r-sct-inst .late b`
	d.await(t, `(first deadlines pass)`)
	var mark, color, usual string
	if err := chromedp.Run(ctx,
		poll(`document.querySelector("`+overdue+`")`),
		chromedp.Evaluate(`getComputedStyle(document.querySelector("`+overdue+`"), "::before").content`, &mark),
		chromedp.Evaluate(`getComputedStyle(document.querySelector("`+overdue+`")).color`, &color),
		chromedp.Evaluate(`getComputedStyle(document.querySelector("#r-sct-inst b")).color`, &usual),
	); err != nil {
		t.Fatalf("the page never showed that transfers are overdue: %v", err)
	}
	if !strings.Contains(mark, "▲") || color == usual {
		t.Errorf("overdue transfers are marked %s in %s, other text is %s", mark, color, usual)
	}
	fits(ctx, t, 1280)
	fits(ctx, t, 390)
	d.await(t, `(overdue is down to 0)`)
	if err := chromedp.Run(ctx, poll(`document.querySelector("#r-sct-inst") && !document.querySelector("`+overdue+`")`)); err != nil {
		t.Errorf("the page still shows transfers as overdue: %v", err)
	}
}

// browser starts a headless one; complaints yields console errors and exceptions, foreign the
// requests that did not go to the agent.
func browser(t *testing.T) (ctx context.Context, complaints func() []string, foreign func(origin string) []string) {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var bad, urls []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			bad = append(bad, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				bad = append(bad, fmt.Sprintf("console %s: %s", e.Type, e.Args[0].Value))
			}
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
				bad = append(bad, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			urls = append(urls, e.Request.URL)
		}
	})
	if err := chromedp.Run(ctx, network.Enable(), cdplog.Enable(), runtime.Enable()); err != nil {
		t.Fatal(err)
	}
	return ctx, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return bad
		}, func(origin string) (out []string) {
			mu.Lock()
			defer mu.Unlock()
			if len(urls) == 0 {
				return []string{"nothing at all: requests were not seen"}
			}
			for _, u := range urls {
				if !strings.HasPrefix(u, origin+"/") && !strings.HasPrefix(u, "data:") {
					out = append(out, u)
				}
			}
			return out
		}
}

// poll waits until a condition holds in the page.
func poll(condition string) chromedp.Action {
	return chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(100*time.Millisecond))
}

// fits checks that nothing makes the page scroll sideways at a width.
func fits(ctx context.Context, t *testing.T, width int64) {
	t.Helper()
	var inner, scroll int64
	if err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		chromedp.Evaluate(`document.documentElement.clientWidth`, &inner),
		chromedp.Evaluate(`document.documentElement.scrollWidth`, &scroll),
	); err != nil {
		t.Fatal(err)
	}
	if inner == 0 || scroll > inner {
		t.Errorf("at %d pixels the page is %d wide in a window of %d", width, scroll, inner)
	}
}

// shoot writes the pictures that the README shows.
func shoot(ctx context.Context, t *testing.T, dir string) {
	t.Helper()
	for name, width := range map[string]int64{"page.png": 1280, "phone.png": 390} {
		var png []byte
		if err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(width, 844, 1, width < 500), chromedp.CaptureScreenshot(&png)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), png, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func eventuallyUntil(t *testing.T, deadline time.Time, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	if err := servers.Poll(ctx, try); err != nil {
		t.Fatal(err)
	}
}

// Package demo tells two stories with the real agent. A payment company takes money, a bad release
// goes out, the agent notices, rolls it back and verifies, and the company recovers. Then settlement
// stops: nothing fails, nothing completes, and the budget burns all the same. The company is
// internal/paysim; what the agent thinks is read from its HTTP API and from nowhere else.
//
//	[  0.3s] agent at http://127.0.0.1:9797 — open it
//	[ 28.0s] the agent has seen a whole window: card-auth-errors is ok. 100 % of the budget left
//	[ 33.3s] card-auth: release v2 goes out. It fails one payment in five; nobody knows yet.
//	[ 36.5s] errors rise: 6.2% of card payments fail, 5.0% may
//	[ 38.3s] page-5s fires 4.8 s after the release.
//	[ 38.3s] hook rollback called: v2 back to v1, action 46bb15b73e21055dfe217e9d
//	[ 40.3s] rollback done: 4 of 4 instances run v1 again
//	[ 44.3s] verified on data from after the action
//	[ 44.3s] recovered, 11.0 s after the release
//	[ 47.3s] instant-transfer: settlement stops.
//	[ 57.5s] 10.2 s after the stop the first deadlines pass: 2 (EUR 553) overdue.
//	[ 57.8s] page-5s fires for instant-settlement-errors 0.2 s after the first deadline.
//	[ 62.8s] settlement resumes; 130 (EUR 28,123) overdue have to go out now
//	[ 71.3s] settled, 24.0 s after the stop
package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/assayer-io/assayer/internal/paysim"
)

// StartFunc starts the agent on a configuration file. baseURL is where its page is; stop ends it and
// waits until its context ends.
type StartFunc func(ctx context.Context, configPath, listenAddress string) (baseURL string, stop func(context.Context) error, err error)

// Options say where the story is told. Out, Start and Verify are required.
type Options struct {
	Out   io.Writer
	Color bool // Out shows colours
	Live  bool // Out is a terminal: a status block at its foot is redrawn
	Width int  // columns; default 80

	ListenAddress     string // of the agent; default 127.0.0.1:9797
	ExitWhenRecovered bool   // end when the story is told; otherwise run until interrupted
	DataDir           string // where files go and stay; default a temporary folder, removed at the end

	Start  StartFunc
	Verify paysim.VerifyFunc // checks the signature of the agent's webhook
	Now    func() time.Time  // default time.Now

	plan plan // tests hurry
}

// plan is when things happen.
type plan struct {
	poll    time.Duration // between two looks
	table   time.Duration // from when the agent is ready to the first look at the money
	bake    time.Duration // from when the agent knows the service to the bad release; longer than the hook's
	rollout time.Duration // of any revision
	calm    time.Duration // between two lines when all is well
	pause   time.Duration // between the two stories
	stall   time.Duration // from the alert of the settlement stop to its end
	bound   time.Duration // to end in
}

func defaultPlan() plan {
	return plan{
		poll: 250 * time.Millisecond, table: 6 * time.Second, bake: 5 * time.Second,
		rollout: 2 * time.Second, calm: 30 * time.Second, pause: 3 * time.Second, stall: 5 * time.Second, bound: 3 * time.Minute,
	}
}

const (
	readyTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

func (o *Options) defaults() error {
	if o.Out == nil || o.Start == nil || o.Verify == nil {
		return errors.New("the demo needs somewhere to write, an agent to start and a check of signatures")
	}
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.ListenAddress == "" {
		o.ListenAddress = "127.0.0.1:9797"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.plan == (plan{}) {
		o.plan = defaultPlan()
	}
	return nil
}

// Run tells both stories. It returns nil when ctx ends after them, or once they are told with
// ExitWhenRecovered, and otherwise an error that says how far the story came.
func Run(ctx context.Context, opts Options) (err error) {
	if err := opts.defaults(); err != nil {
		return fmt.Errorf("starting demo: %w", err)
	}
	var cleanup []func(context.Context) error
	defer func() {
		// The end must not hang on, and must not be cut short by, what ended the demo.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		for _, c := range slices.Backward(cleanup) {
			err = errors.Join(err, c(end))
		}
	}()

	dir, temporary, err := dataDir(opts.DataDir)
	if err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}
	if temporary {
		cleanup = append(cleanup, func(context.Context) error { return os.RemoveAll(dir) })
	}
	secret, err := newSecret()
	if err != nil {
		return fmt.Errorf("making a secret: %w", err)
	}
	company, err := paysim.Start(ctx, paysim.Options{
		Seed: uint64(opts.Now().UnixNano()), TimeOfDay: 10 * time.Hour, Revision: goodRevision, RolloutTime: opts.plan.rollout,
		Secret: []byte(secret), Verify: opts.Verify, Now: opts.Now,
	})
	if err != nil {
		return err
	}
	cleanup = append(cleanup, company.Close)
	config, err := writeFiles(dir, secret, company)
	if err != nil {
		return fmt.Errorf("writing the demo's configuration: %w", err)
	}
	base, stop, err := opts.Start(ctx, config, opts.ListenAddress)
	if err != nil {
		return fmt.Errorf("starting the agent: %w", err)
	}
	cleanup = append(cleanup, stop)
	company.TellTo(base + "/api/v1/transactions")

	t := &teller{
		opts: opts, company: company,
		agent:  &agent{base: base, client: &http.Client{Timeout: 5 * time.Second}},
		screen: &screen{out: opts.Out, color: opts.Color, live: opts.Live, width: opts.Width, start: opts.Now()},
		files:  files{dir: dir, temporary: temporary},
	}
	cleanup = append(cleanup, func(context.Context) error { t.agent.client.CloseIdleConnections(); return nil })
	return t.tell(ctx)
}

// dataDir makes dir, or a temporary folder when dir is empty.
func dataDir(dir string) (path string, temporary bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "assayer-demo-")
		return path, true, err
	}
	path, err = filepath.Abs(dir)
	if err != nil {
		return "", false, err
	}
	return path, false, os.MkdirAll(path, 0o700)
}

func newSecret() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

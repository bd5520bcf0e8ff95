package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/internal/version"
	"github.com/assayer-io/assayer/slo"
	"github.com/prometheus/exporter-toolkit/web"
)

func (a *App) loaded() *Loaded { return a.current.Load() }

// Start begins to serve, collect and evaluate. It does not block; ctx must outlive the agent's work
// only in its values, since Stop ends everything in order. A second call does nothing.
func (a *App) Start(ctx context.Context) {
	if a.started {
		return
	}
	a.started = true
	// Whoever ends ctx calls Stop next; the parts must not end before that, all at once.
	ctx = context.WithoutCancel(ctx)
	a.auditLife("agent_start", fmt.Sprintf("assayer %s started; objectives: %d, scrape configs: %d, hooks: %d",
		version.Version, len(a.loaded().Objectives), a.loaded().Jobs(), a.loaded().HookCount()))
	// Since when each objective is kept is on disk before anything can be counted: what begins after that counts
	// from its first event on, also when the agent is killed before its next checkpoint.
	a.save()
	a.serve()
	a.background(ctx, "evaluation", a.evaluateAlways)
	a.background(ctx, "checkpoints", a.checkpointAlways)
	a.background(ctx, "drift watch", a.drift.Run)
	a.startTransactions(ctx)
	for name, p := range a.providers {
		a.background(ctx, "collector "+name, func(ctx context.Context) {
			if err := a.runner.Run(ctx, name, p); err != nil {
				a.fail(fmt.Errorf("running collector %s: %w", name, err))
			}
		})
	}
	a.log.Info("listening", "address", a.Addr())
}

// background runs fn until Stop.
func (a *App) background(ctx context.Context, name string, fn func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(ctx)
	}()
	a.onStop(name, func(end context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-end.Done():
			return context.Cause(end)
		}
	})
}

func (a *App) serve() {
	done := make(chan struct{})
	addresses, systemd := []string{a.opts.ListenAddress}, false
	go func() {
		defer close(done)
		err := web.Serve(a.listener, a.server, &web.FlagConfig{
			WebListenAddresses: &addresses, WebSystemdSocket: &systemd, WebConfigFile: &a.opts.WebConfigFile,
		}, a.log.With("component", "web"))
		if !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serving: %w", err))
		}
	}()
	a.onStop("web server", func(end context.Context) error {
		err := a.server.Shutdown(end)
		<-done
		return err
	})
}

// observe takes one cycle in.
func (a *App) observe(c collector.Cycle) {
	a.engine.Observe(c)
	if a.engine.Alarmed() {
		a.evaluateSoon()
	}
}

// evaluateSoon asks for an evaluation before the next one is due. It does not block.
func (a *App) evaluateSoon() {
	select {
	case a.alarms <- struct{}{}:
	default: // one is waiting already
	}
}

// evaluateAlways judges every objective each evaluation interval, soon after bad events or another
// configuration have come, and once more at the end.
func (a *App) evaluateAlways(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var schedule slo.Schedule
	for {
		select {
		case <-ctx.Done():
			a.evaluate(context.WithoutCancel(ctx), true)
			return
		case <-a.alarms:
			schedule.Alarm(a.now())
			timer.Reset(max(0, schedule.Next().Sub(a.now())))
			continue
		case <-timer.C:
		}
		interval := a.loaded().Config.Global.EvaluationInterval
		now, due := a.now(), schedule.Next()
		all := schedule.Begin(now, interval)
		a.evaluate(ctx, all)
		if late := now.Sub(due); !due.IsZero() && late > 2*interval {
			a.health.Set(health.EvaluationLate, "", fmt.Sprintf("an evaluation came %v late", late.Round(time.Millisecond)))
		} else {
			a.health.Clear(health.EvaluationLate, "")
		}
		timer.Reset(max(0, schedule.Next().Sub(a.now())))
	}
}

// evaluate makes one evaluation, of every objective or of those with bad events, and hands its result to everybody who wants it.
func (a *App) evaluate(ctx context.Context, all bool) {
	if a.engine.Urgent() {
		a.save()
	}
	now := a.now()
	judge := a.engine.Reconsider
	if all {
		judge = a.engine.Evaluate
	}
	statuses := judge(now)
	a.statuses.Store(&statuses)
	a.judgePolicies(statuses, now)
	if err := a.exporter.Export(ctx, statuses); err != nil {
		a.log.Error("exporting", "err", err)
	}
	if err := a.queue.Consider(ctx, statuses); err != nil {
		a.log.Error("considering actions", "err", err)
	}
	targets := a.runner.Targets()
	a.told.statuses(statuses)
	a.told.targets(targets, a.now())
	a.observeHealth(statuses, targets)
	a.health.Clear(health.Starting, "")
}

// checkpointAlways makes what was counted durable each checkpoint interval.
func (a *App) checkpointAlways(ctx context.Context) {
	timer := time.NewTimer(a.loaded().Config.Storage.CheckpointInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		a.save()
		timer.Reset(a.loaded().Config.Storage.CheckpointInterval)
	}
}

// save makes a checkpoint. That it fails is logged once, since the log may be on the same full disk.
func (a *App) save() {
	err := a.checkpoint()
	switch was := a.saveFailed.Swap(err != nil); {
	case err != nil && !was:
		a.log.Error("checkpoint failed, keeping everything in memory until one succeeds", "err", err)
	case err == nil && was:
		a.log.Info("checkpoint written again")
	}
	a.health.Report(health.StoreFailing, "", err)
}

// checkpoint is called from several goroutines; the lock keeps what was encoded first first on disk.
func (a *App) checkpoint() error {
	a.saving.Lock()
	defer a.saving.Unlock()
	var b storage.Batch
	err := a.engine.Checkpoint(&b)
	if err == nil && b.Len() > 0 { // else nothing has changed since the last one
		err = a.db.Apply(&b)
	}
	a.engine.Settle(err)
	return err
}

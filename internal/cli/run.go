package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/version"
)

// stopTimeout bounds a graceful stop: last looks, running hooks, the last checkpoint.
const stopTimeout = 15 * time.Second

type runFlags struct {
	app              app.Options
	role             string
	logLevel, logFmt string
}

func newRun(s Streams) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run", Short: "Run the agent until it is told to stop",
		Long: `Run the agent: collect, evaluate, serve the page, the API and /metrics, and call hooks. SIGHUP or
POST /-/reload reads the configuration again; SIGTERM and Ctrl-C stop it gracefully.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, s) },
	}
	cmd.Flags().StringVar(&f.app.ConfigPath, "config", "assayer.yaml", "agent file")
	cmd.Flags().StringVar(&f.app.ListenAddress, "web.listen-address", "127.0.0.1:9797", "address of the page, the API and /metrics")
	cmd.Flags().StringVar(&f.app.WebConfigFile, "web.config.file", "", "TLS and basic authentication, in Prometheus' web configuration format")
	cmd.Flags().StringVar(&f.role, "role", "all", "all; node and controller are not in this version")
	cmd.Flags().BoolVar(&f.app.Repair, "repair", false, "rebuild a damaged store from what can be read")
	cmd.Flags().StringVar(&f.logLevel, "log.level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&f.logFmt, "log.format", "text", "text or json")
	oneOf(cmd, "role", "all")
	oneOf(cmd, "log.level", "debug", "info", "warn", "error")
	oneOf(cmd, "log.format", "text", "json")
	return cmd
}

// oneOf makes a shell offer the values that a flag may have.
func oneOf(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func run(ctx context.Context, f runFlags, s Streams) error {
	if f.role != "all" {
		return fmt.Errorf("--role: got %q, allowed in this version: all", f.role)
	}
	log, err := newLogger(f, s)
	if err != nil {
		return err
	}
	f.app.Log = log
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	log.Info("starting", "version", version.Version, "revision", version.Revision(), "config", f.app.ConfigPath)
	a, err := app.New(ctx, f.app)
	if err != nil {
		return err
	}
	a.Start(ctx)
	for {
		select {
		case <-hup:
			if err := a.Reload(ctx); err != nil {
				log.Error("reload failed", "err", err)
			}
		case err := <-a.Failed():
			return joinStop(ctx, a, err)
		case <-ctx.Done():
			log.Info("stopping")
			return joinStop(ctx, a, nil)
		}
	}
}

// joinStop stops a, with time of its own although ctx has ended.
func joinStop(ctx context.Context, a *app.App, err error) error {
	end, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), stopTimeout, fmt.Errorf("stopping took longer than %v", stopTimeout))
	defer cancel()
	if stop := a.Stop(end); stop != nil && err == nil {
		return stop
	}
	return err
}

func newLogger(f runFlags, s Streams) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log.level: got %q, allowed: debug, info, warn, error", f.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch f.logFmt {
	case "text":
		return slog.New(slog.NewTextHandler(s.Err, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(s.Err, opts)), nil
	}
	return nil, fmt.Errorf("--log.format: got %q, allowed: text, json", f.logFmt)
}

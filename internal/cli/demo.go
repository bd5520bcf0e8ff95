package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/demo"
	"github.com/assayer-io/assayer/internal/hooks/webhook"
)

func newDemo(s Streams) *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use: "demo", Short: "Watch a payment company's budget burn and a rollback heal it, in a minute",
		Long: `Start a simulated payment company and a real agent on loopback, deploy a bad release, and tell what
happens: the budget burns, a tier fires, the rollback hook is called, the recovery is verified. Then
settlement stops: nothing fails, nothing completes, and the budget burns all the same. After that it
runs on until Ctrl-C, with the page open at the address it prints. It needs nothing else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Out, opts.Start, opts.Verify = s.Out, startAgent, webhook.Verify
			if isTerminal(s.Out) {
				opts.Color, opts.Live = true, true
				if width, _, err := term.GetSize(int(s.Out.(*os.File).Fd())); err == nil {
					opts.Width = width
				}
			}
			return demo.Run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.ExitWhenRecovered, "exit-when-recovered", false, "end with exit code 0 once the story is told")
	cmd.Flags().StringVar(&opts.ListenAddress, "web.listen-address", "127.0.0.1:9797", "address of the agent's page, API and /metrics")
	cmd.Flags().StringVar(&opts.DataDir, "data", "", "folder for the demo's files, kept afterwards (default: a temporary one, removed)")
	return cmd
}

// startAgent runs a real agent in this process. Its log goes to a file beside its configuration, so
// that it does not talk over the story.
func startAgent(ctx context.Context, configPath, listen string) (string, func(context.Context) error, error) {
	logFile, err := os.Create(filepath.Join(filepath.Dir(configPath), "assayer.log"))
	if err != nil {
		return "", nil, err
	}
	a, err := app.New(ctx, app.Options{ConfigPath: configPath, ListenAddress: listen, Log: slog.New(slog.NewTextHandler(logFile, nil))})
	if err != nil {
		return "", nil, errors.Join(err, logFile.Close())
	}
	a.Start(ctx)
	return "http://" + a.Addr(), func(ctx context.Context) error { return errors.Join(a.Stop(ctx), logFile.Close()) }, nil
}

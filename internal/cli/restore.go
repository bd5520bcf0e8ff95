package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/storage"
)

type restoreFlags struct {
	config string
	force  bool
}

func newRestore(s Streams) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put back what a backup holds, for a stopped agent",
		Long: `Put the store and the journal of transactions of a backup in the place that the agent file names, and its
audit log beside the agent's own. Everything is checked before anything is touched, and a crash leaves the old or the new. What
targets counted since the backup is booked at the first scrape, as after any pause.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return restore(args[0], f, s) },
	}
	cmd.Flags().StringVar(&f.config, "config", "assayer.yaml", "agent file")
	cmd.Flags().BoolVar(&f.force, "force", false, "set a store and a journal that hold something aside instead of refusing")
	return cmd
}

func restore(path string, f restoreFlags, s Streams) error {
	cfg, problems := config.Load(f.config)
	if err := problems.Err(); err != nil {
		return err
	}
	bar := newProgress(s.Err)
	res, err := backup.Restore(path, backup.Target{StoreDir: cfg.Storage.Path, AuditLog: cfg.Audit.Path, Force: f.force, Stamp: time.Now().Unix()},
		func(done, whole int64) { bar.show("checking", float64(done), float64(whole)) })
	bar.clear()
	if errors.Is(err, storage.ErrNotEmpty) {
		return fmt.Errorf("%w; --force sets it aside", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s: restored as of %s, written by assayer %s\n", cfg.Storage.Path, res.Created.UTC().Format(time.RFC3339), res.AgentVersion)
	if res.OldStore != "" {
		fmt.Fprintf(s.Out, "the store that was there is kept as %s\n", filepath.Base(res.OldStore))
	}
	if res.Journal != "" {
		fmt.Fprintf(s.Out, "its journal of transactions has %s\n", plural(res.Movements, "movement", "movements"))
	}
	if res.OldJournal != "" {
		fmt.Fprintf(s.Out, "the journal that was there is kept as %s\n", filepath.Base(res.OldJournal))
	}
	if res.AuditLog != "" {
		fmt.Fprintf(s.Out, "its audit log, %s, intact, is %s\n", plural(res.Entries, "entry", "entries"), res.AuditLog)
	}
	return nil
}

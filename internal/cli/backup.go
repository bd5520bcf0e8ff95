package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/config"
	"github.com/assayer-io/assayer/internal/storage"
	"github.com/assayer-io/assayer/internal/version"
)

type backupFlags struct{ config, server, out string }

func newBackup(s Streams) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "backup --out FILE (--config F | --server URL)", Short: "Write an agent's budgets, journals and audit log into one file",
		Long: `Write budgets, the journals of actions and of transactions and the audit log into one file that assayer
restore puts back.
With --server the agent goes on running, and the file holds its state of one moment; with --config the
agent must be stopped. The audit log's private key is not in the file: keep a copy of it elsewhere.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return makeBackup(cmd.Context(), f, s) },
	}
	cmd.Flags().StringVar(&f.config, "config", "", "agent file of a stopped agent")
	cmd.Flags().StringVar(&f.server, "server", "", "URL of a running agent")
	cmd.Flags().StringVar(&f.out, "out", "", "file to write; it must not be there yet")
	return cmd
}

func makeBackup(ctx context.Context, f backupFlags, s Streams) error {
	switch {
	case f.out == "":
		return errors.New("--out: got nothing, allowed: a file that is not there yet")
	case (f.config == "") == (f.server == ""):
		return errors.New("allowed: exactly one of --config FILE, of a stopped agent, and --server URL, of a running one")
	}
	if _, err := os.Lstat(f.out); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--out: got %s, allowed: a file that is not there yet", f.out)
	}
	bar := newProgress(s.Err)
	defer bar.clear()
	half := f.out + ".half"
	defer os.Remove(half)
	err := storage.WriteWhole(half, func(w io.Writer) error {
		if f.server != "" {
			return fetchBackup(ctx, f.server, w)
		}
		return backupStopped(f.config, w, bar)
	})
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	h, err := backup.Check(half, nil)
	if err != nil {
		return fmt.Errorf("backing up: %w; try again", err)
	}
	if err := os.Rename(half, f.out); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	bar.clear()
	info, err := os.Stat(f.out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s: %d bytes, as of %s, by assayer %s\n", f.out, info.Size(), h.Created.UTC().Format(time.RFC3339), h.AgentVersion)
	return err
}

// backupStopped reads the data of an agent that does not run.
func backupStopped(path string, w io.Writer, bar *progress) error {
	cfg, problems := config.Load(path)
	if err := problems.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(cfg.Storage.Path); err != nil { // opening would make an empty one
		return fmt.Errorf("opening the store: %w", err)
	}
	db, err := storage.Open(cfg.Storage.Path)
	if errors.Is(err, storage.ErrLocked) {
		return fmt.Errorf("%w if so, back it up with --server %s", err, defaultServer)
	}
	if err != nil {
		return err
	}
	from := backup.From{Store: db, AuditLog: cfg.Audit.Path, Spool: cfg.Storage.Path}
	if from.Journal, err = stoppedJournal(cfg.Storage.Path); err == nil {
		err = backup.Write(w, backup.Header{Created: time.Now().UTC().Truncate(time.Second), AgentVersion: version.Version}, from,
			func(done, whole int64) { bar.show("backing up", float64(done), float64(whole)) })
	}
	if from.Journal != nil {
		err = errors.Join(err, from.Journal.Close())
	}
	return errors.Join(err, db.Close())
}

// stoppedJournal opens the journal of transactions of an agent that does not run; nil: it has none.
func stoppedJournal(storeDir string) (*journal.Journal, error) {
	dir := backup.JournalDir(storeDir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	return journal.Open(dir, journal.Options{})
}

// fetchBackup asks a running agent. It takes as long as bytes come.
func fetchBackup(ctx context.Context, server string, w io.Writer) error {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--server: got %q, allowed: a URL such as %s", server, defaultServer)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(callTimeout, func() { cancel(fmt.Errorf("nothing came for %v", callTimeout)) })
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+"/api/v1/backup", nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", u.Redacted(), err)
	}
	res, err := http.DefaultClient.Do(req)
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err // the address stands beside it
	}
	if err != nil {
		return fmt.Errorf("asking %s: %w; is an agent running there? If it is stopped, use --config", u.Redacted(), err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, err := readAnswer(res, u.Redacted())
		return err
	}
	if _, err := io.Copy(w, awake{res.Body, stalled}); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", u.Redacted(), errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

// awake puts a timer off whenever bytes come.
type awake struct {
	r     io.Reader
	timer *time.Timer
}

func (a awake) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if n > 0 {
		a.timer.Reset(callTimeout)
	}
	return n, err
}

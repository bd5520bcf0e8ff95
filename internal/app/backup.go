package app

import (
	"io"
	"net/http"
	"time"

	"github.com/assayer-io/assayer/internal/backup"
	"github.com/assayer-io/assayer/internal/version"
)

// backupStall is how long one write of a backup may take: a client that reads no faster is dropped, so
// that it does not hold the snapshot, beside which the store grows.
const backupStall = 30 * time.Second

// serveBackup answers with a backup of the agent as it is now. One at a time is made.
func (a *App) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !a.backingUp.TryLock() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"a backup is being made already; try again when it is done"}`+"\n")
		return
	}
	defer a.backingUp.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		return
	}
	a.save() // what was counted up to now is part of it
	a.auditLife("backup", "a backup of budgets, journals and audit log was asked for")
	w.Header().Set("Content-Disposition", `attachment; filename="assayer.backup"`)
	out := patient{w, http.NewResponseController(w)}
	began := a.now()
	h := backup.Header{Created: began.UTC().Truncate(time.Second), AgentVersion: version.Version}
	from := backup.From{Store: a.store, AuditLog: a.loaded().Config.Audit.Path, Journal: a.journal, Spool: a.loaded().Config.Storage.Path}
	if err := backup.Write(out, h, from, nil); err != nil {
		// What was sent lacks its checksum, so nobody will take it for a backup.
		a.log.Error("backup failed", "err", err)
		return
	}
	a.log.Info("backup made", "took", a.now().Sub(began).Round(time.Millisecond))
}

// patient writes for as long as the client goes on reading.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	// Where there is no deadline to move, as in tests, there is none to miss.
	_ = p.control.SetWriteDeadline(time.Now().Add(backupStall))
	return p.ResponseWriter.Write(b)
}

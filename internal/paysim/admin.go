package paysim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	signatureHeader = "X-Assayer-Signature"
	keyHeader       = "Idempotency-Key"
	tolerance       = 5 * time.Minute // how old a signature may be
	maxKeys         = 1000            // idempotency keys remembered
)

// admin is the deployment system of the company.
type admin struct {
	sim *Simulator

	mu    sync.Mutex
	done  map[string]rollbackAnswer // by idempotency key
	order []string                  // of keys, oldest first
}

// rollbackAnswer is what /rollback says; a repeated key gets the first answer again.
type rollbackAnswer struct {
	Service  string `json:"service"`
	Revision string `json:"revision"`
	State    string `json:"state"` // started
}

func newAdmin(s *Simulator) *admin { return &admin{sim: s, done: map[string]rollbackAnswer{}} }

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"services": a.sim.Truth()})
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"services": a.sim.Services()})
	})
	mux.HandleFunc("POST /deploy", a.deploy)
	mux.HandleFunc("POST /faults", a.faults)
	mux.HandleFunc("POST /restart", a.restart)
	mux.HandleFunc("POST /rollback", a.rollback)
	return mux
}

func (a *admin) deploy(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Service string `json:"service"`
		Revision
	}
	if read(w, r, &req) {
		reply(w, a.sim.Deploy(req.Service, req.Revision))
	}
}

func (a *admin) faults(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Service string `json:"service"`
		Faults
	}
	if read(w, r, &req) {
		reply(w, a.sim.SetFaults(req.Service, req.Faults))
	}
}

func (a *admin) restart(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Service string `json:"service"`
	}
	if read(w, r, &req) {
		reply(w, a.sim.Restart(req.Service))
	}
}

// rollback takes Assayer's signed call. It answers when the rollback has begun, as deployment systems
// do; the instances follow within the rollout time.
func (a *admin) rollback(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "reading body: "+err.Error(), http.StatusBadRequest)
		return
	}
	opts := a.sim.opts
	if err := opts.Verify(opts.Secret, r.Header.Get(signatureHeader), body, opts.Now(), tolerance); err != nil {
		http.Error(w, "checking signature: "+err.Error(), http.StatusUnauthorized)
		return
	}
	key := r.Header.Get(keyHeader)
	if key == "" || len(key) > 200 {
		http.Error(w, "want an "+keyHeader+" of 1 to 200 bytes", http.StatusBadRequest)
		return
	}
	var req struct {
		Service    string `json:"service"`
		ToRevision string `json:"to_revision"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		http.Error(w, "decoding body: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := a.rollBackOnce(key, req.Service, req.ToRevision)
	if err != nil {
		reply(w, err)
		return
	}
	writeJSON(w, http.StatusAccepted, answer)
}

// rollBackOnce acts on a key the first time it comes; only what succeeded is remembered.
func (a *admin) rollBackOnce(key, service, revision string) (rollbackAnswer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer, ok := a.done[key]; ok {
		return answer, nil
	}
	svc, err := a.sim.service(service)
	if err != nil {
		return rollbackAnswer{}, err
	}
	if err := svc.rollBack(revision); err != nil {
		return rollbackAnswer{}, err
	}
	answer := rollbackAnswer{Service: service, Revision: revision, State: "started"}
	a.done[key] = answer
	a.order = append(a.order, key)
	if len(a.order) > maxKeys {
		delete(a.done, a.order[0])
		a.order = a.order[1:]
	}
	return answer, nil
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		http.Error(w, "decoding body: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func reply(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case errors.Is(err, errUnknownService), errors.Is(err, errUnknownRevision):
		http.Error(w, err.Error(), http.StatusNotFound)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

const maxAnswer = 8 << 20 // bytes of one answer of the API

// agent is the agent as seen through its HTTP API.
type agent struct {
	base   string
	client *http.Client
}

// ready is nil when the agent says that it is.
func (a *agent) ready(ctx context.Context) error { return a.get(ctx, "/-/ready", nil) }

// look reads all objectives and all actions.
func (a *agent) look(ctx context.Context) ([]slo.Status, []hooks.Action, error) {
	var slos struct {
		SLOs []slo.Status `json:"slos"`
	}
	if err := a.get(ctx, "/api/v1/slos", &slos); err != nil {
		return nil, nil, err
	}
	var actions struct {
		Actions []hooks.Action `json:"actions"`
	}
	if err := a.get(ctx, "/api/v1/actions", &actions); err != nil {
		return nil, nil, err
	}
	return slos.SLOs, actions.Actions, nil
}

// record tells the agent of a deployment.
func (a *agent) record(ctx context.Context, c hooks.Change) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/api/v1/changes", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := a.do(req, nil); err != nil {
		return fmt.Errorf("recording a change: %w", err)
	}
	return nil
}

func (a *agent) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return err
	}
	return a.do(req, into)
}

func (a *agent) do(req *http.Request, into any) error {
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the agent: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s: %.200s", req.URL.Path, resp.Status, bytes.TrimSpace(body))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decoding %s: %w", req.URL.Path, err)
	}
	return nil
}

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

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

// look reads all objectives, all actions and how the rail stands.
func (a *agent) look(ctx context.Context) ([]slo.Status, []hooks.Action, railStatus, error) {
	var slos struct {
		SLOs []slo.Status `json:"slos"`
	}
	if err := a.get(ctx, "/api/v1/slos", &slos); err != nil {
		return nil, nil, railStatus{}, err
	}
	var actions struct {
		Actions []hooks.Action `json:"actions"`
	}
	if err := a.get(ctx, "/api/v1/actions", &actions); err != nil {
		return nil, nil, railStatus{}, err
	}
	var rails struct {
		Rails []railStatus `json:"rails"`
	}
	if err := a.get(ctx, "/api/v1/transactions", &rails); err != nil {
		return nil, nil, railStatus{}, err
	}
	for _, r := range rails.Rails {
		if r.Rail == railName {
			return slos.SLOs, actions.Actions, r, nil
		}
	}
	return slos.SLOs, actions.Actions, railStatus{}, nil
}

// outcomeOf finds class, outcome and value of a series of movements in an answer of /metrics.
var outcomeOf = regexp.MustCompile(`^assayer_transactions_total\{class="(\w+)",.*outcome="(\w+)",rail="` + railName + `"\} (\S+)$`)

// counted reads what the agent has counted of the rail.
func (a *agent) counted(ctx context.Context) (counted, error) {
	var c counted
	text, err := a.read(ctx, "/metrics")
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(string(text)) {
		m := outcomeOf.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return c, fmt.Errorf("reading /metrics: %w", err)
		}
		switch n := int64(value); {
		case m[2] == "good":
			c.good += n
		case m[2] == "excluded":
			c.declined += n
		case m[1] == "late":
			c.late += n
		default:
			c.otherBad += n
		}
	}
	return c, nil
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
	if _, err := a.do(req); err != nil {
		return fmt.Errorf("recording a change: %w", err)
	}
	return nil
}

func (a *agent) get(ctx context.Context, path string, into any) error {
	body, err := a.read(ctx, path)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decoding %s: %w", path, err)
	}
	return nil
}

func (a *agent) read(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	return a.do(req)
}

func (a *agent) do(req *http.Request) ([]byte, error) {
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the agent: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %s: %.200s", req.URL.Path, resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

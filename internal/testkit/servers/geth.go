package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Geth is a running Ethereum node in developer mode: a chain of its own that makes a block every second,
// and one account that the node signs for and that has more ether than anybody can send.
type Geth struct{ *Server }

// StartGeth starts a node on a new chain with further flags.
func StartGeth(t testing.TB, flags ...string) *Geth {
	t.Helper()
	dir, addresses := t.TempDir(), freeAddresses(t, 2)
	g := &Geth{&Server{Address: addresses[0]}}
	g.Process = launch(t, command{
		name:   "geth",
		binary: findGeth(t),
		args: append([]string{
			"--dev", "--dev.period", "1", "--datadir", filepath.Join(dir, "data"), "--ipcdisable",
			"--http", "--http.addr", "127.0.0.1", "--http.port", port(addresses[0]), "--http.api", "eth,txpool", "--cache", "64",
			"--authrpc.port", port(addresses[1]),
		}, flags...),
		dir: dir,
	}, func(ctx context.Context) error {
		var block string
		return g.Call(ctx, &block, "eth_blockNumber")
	})
	return g
}

// findGeth returns the program that scripts/build-geth.sh keeps in the user's cache; of several versions
// the last, which is the newest.
func findGeth(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("looking for the cache that geth is kept in: %v", err)
	}
	built, err := filepath.Glob(filepath.Join(cache, "assayer-servers", "geth-*", "geth"))
	if err != nil || len(built) == 0 {
		t.Fatalf("geth is not built: `make e2e` does that, or: scripts/build-geth.sh")
	}
	return built[len(built)-1]
}

// Refusal is the node's own word that it will not do what it was asked.
type Refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("geth refuses: %s (%d)", r.Message, r.Code) }

// Call asks the node by JSON-RPC and decodes its result into result, a pointer. What the node refuses is a
// *Refusal; any other error says nothing about whether it has been done.
func (g *Geth) Call(ctx context.Context, result any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("writing %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL("/"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Result json.RawMessage `json:"result"`
		Error  *Refusal        `json:"error"`
	}{}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("%s is answered %s: %w", method, resp.Status, err)
	}
	if answer.Error != nil {
		return answer.Error
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("reading the result of %s: %w", method, err)
	}
	return nil
}

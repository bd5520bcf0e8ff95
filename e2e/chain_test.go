//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// withdrawal is what the exchange knows of one.
type withdrawal struct {
	id   int
	wei  *big.Int
	at   time.Time // of the request, in whole milliseconds
	hash string
	told int // states that the follower has told
}

// exchange stands in for a venue's withdrawal service: it asks the node to send ether and tells the agent of every
// state. Each transaction carries the number of the withdrawal and when it was requested, so that the chain alone
// says what became of it.
type exchange struct {
	t     *testing.T
	agent *servers.Agent
	geth  *servers.Geth
	hot   string // the account that pays
	nonce int    // of the next transaction
	ids   int

	refused map[string][]*big.Int // what the node did not take, in wei, by why

	mu   sync.Mutex
	open []*withdrawal // broadcast, and followed until they are final
}

const customer = "0x0000000000000000000000000000000000c0ffee"

// ask asks the node for what must be answered.
func (x *exchange) ask(result any, method string, params ...any) {
	x.t.Helper()
	if err := x.geth.Call(x.t.Context(), result, method, params...); err != nil {
		x.t.Fatal(err)
	}
}

// fund leaves the hot wallet with a thousand ether: a node in developer mode begins with more than can ever be sent.
func (x *exchange) fund() {
	x.t.Helper()
	var accounts []string
	x.ask(&accounts, "eth_accounts")
	x.hot = accounts[0]
	var balance, hash string
	x.ask(&balance, "eth_getBalance", x.hot, "latest")
	rest := new(big.Int).Sub(number(balance), ether("1000"))
	x.ask(&hash, "eth_sendTransaction", map[string]string{"from": x.hot, "to": customer, "value": hexOf(rest), "gas": "0x5208"})
	eventually(x.t, func(ctx context.Context) error {
		var r *receipt
		err := x.geth.Call(ctx, &r, "eth_getTransactionReceipt", hash)
		if err == nil && r == nil {
			err = errors.New("what leaves the hot wallet is in no block")
		}
		return err
	})
	x.nonce = 1
}

// request begins a withdrawal.
func (x *exchange) request(amount string) *withdrawal {
	x.t.Helper()
	x.ids++
	w := &withdrawal{id: x.ids, wei: ether(amount), at: time.Now().Truncate(time.Millisecond)}
	x.tell(w, "requested", w.at, "")
	x.tell(w, "signed", time.Now(), "")
	return w
}

// broadcast sends a withdrawal with a nonce, and has it followed or rejected with the node's reason. One that reverts
// creates a contract whose first instruction is to give up.
func (x *exchange) broadcast(w *withdrawal, nonce int, reverts bool) {
	x.t.Helper()
	tx := map[string]string{
		"from": x.hot, "to": customer, "value": hexOf(w.wei), "gas": "0x15f90", "nonce": fmt.Sprintf("0x%x", nonce),
		"data": fmt.Sprintf("0x%s%08x%016x", mark, w.id, w.at.UnixMilli()),
	}
	if reverts {
		delete(tx, "to")
		tx["data"] = "0x60006000fd" + tx["data"][2:]
	}
	err := x.geth.Call(x.t.Context(), &w.hash, "eth_sendTransaction", tx)
	refusal := new(servers.Refusal)
	switch {
	case err == nil:
		x.tell(w, "broadcast", time.Now(), "")
		x.mu.Lock()
		defer x.mu.Unlock()
		x.open = append(x.open, w)
	case errors.As(err, &refusal):
		words, _, _ := strings.Cut(refusal.Message, ":")
		words, _, _ = strings.Cut(words, " for ")
		code := strings.ReplaceAll(words, " ", "_")
		x.refused[code] = append(x.refused[code], w.wei)
		x.tell(w, "rejected", time.Now(), code)
	default:
		x.t.Fatal(err)
	}
}

// send is a withdrawal as it should be.
func (x *exchange) send(amount string) {
	x.t.Helper()
	x.broadcast(x.request(amount), x.nonce, false)
	x.nonce++
}

// tell tells the agent of a state until it has taken it.
func (x *exchange) tell(w *withdrawal, state string, at time.Time, code string) {
	event := map[string]any{
		"id": fmt.Sprintf("withdrawal-%d", w.id), "rail": "ether-withdrawal", "state": state, "direction": "out", "at": at.UTC().Format(time.RFC3339Nano),
		"amount": map[string]string{"value": decimal(w.wei), "currency": "ETH"},
	}
	if code != "" {
		event["reason"] = map[string]string{"code": code}
	}
	x.post(event)
}

func (x *exchange) post(event map[string]any) {
	body, err := json.Marshal(event)
	if err != nil {
		x.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	err = servers.Poll(ctx, func(ctx context.Context) error {
		code, answer, err := call(ctx, http.MethodPost, x.agent.URL("/api/v1/transactions"), string(body))
		if err == nil && (code != http.StatusOK || !strings.Contains(answer, `"rejected":[]`)) {
			err = fmt.Errorf("%s is answered %d: %s", body, code, answer)
		}
		return err
	})
	if err != nil && x.t.Context().Err() == nil {
		x.t.Error(err)
	}
}

type receipt struct {
	TransactionHash string `json:"transactionHash"`
	BlockNumber     string `json:"blockNumber"`
	Status          string `json:"status"`
}

// follow asks the node about every withdrawal that is not final, over and over. A node that does not answer is
// asked again.
func (x *exchange) follow(ctx context.Context) {
	for ctx.Err() == nil {
		x.mu.Lock()
		open := append([]*withdrawal(nil), x.open...)
		x.mu.Unlock()
		for _, w := range open {
			look, cancel := context.WithTimeout(ctx, time.Second)
			done, err := x.look(look, w)
			cancel()
			if err != nil {
				break
			}
			if done {
				x.mu.Lock()
				x.open = remove(x.open, w)
				x.mu.Unlock()
			}
		}
		pause(x.t, 100*time.Millisecond)
	}
}

// look tells of the states that a withdrawal has reached on the chain since the last look: in a block, one block on
// it, final. Each was reached when its block was made.
func (x *exchange) look(ctx context.Context, w *withdrawal) (done bool, err error) {
	var r *receipt
	if err := x.geth.Call(ctx, &r, "eth_getTransactionReceipt", w.hash); err != nil || r == nil {
		return false, err
	}
	last := "final"
	if r.Status != "0x1" {
		last = "reverted"
	}
	states := []string{"in_block", "confirmed", last}
	for w.told < len(states) {
		at := new(big.Int).Add(number(r.BlockNumber), big.NewInt(int64(w.told)))
		var b *block
		if err := x.geth.Call(ctx, &b, "eth_getBlockByNumber", hexOf(at), false); err != nil || b == nil {
			return false, err
		}
		x.tell(w, states[w.told], b.time(), "")
		w.told++
	}
	return true, nil
}

func remove(all []*withdrawal, w *withdrawal) []*withdrawal {
	var rest []*withdrawal
	for _, one := range all {
		if one != w {
			rest = append(rest, one)
		}
	}
	return rest
}

// TestWithdrawalsOnARealChain sends withdrawals over a real Ethereum node and follows them to their third
// confirmation. One kind waits for a nonce that is not sent, and then the node itself stands still: deadlines pass
// while transactions are broadcast and in no block. In the end every count and sum of the agent equals what the
// blocks say.
func TestWithdrawalsOnARealChain(t *testing.T) {
	t.Parallel()
	x := startExchange(t)

	// All goes well, whatever the amount: a wei, and more wei than 64 bits hold. Three fail, each in its way.
	for _, amount := range []string{"1.5", "0.000000000000000001", "250.000000000000000003", "0.123456789012345678", "12.25", "0.1", "3.999999999999999999"} {
		x.send(amount)
	}
	x.broadcast(x.request("2"), x.nonce, true)
	x.nonce++
	x.broadcast(x.request("0.7"), 0, false)
	x.broadcast(x.request("5000"), x.nonce, false)
	x.agrees(map[string]int{"good": 7, "reverted": 1, "open": 0})

	// Two are sent far ahead of their turn and never get it. One is signed and kept back: four behind it wait for
	// its nonce. Then no block is made at all, until all seven are overdue.
	lost, kept := []*withdrawal{x.request("1.1"), x.request("0.9")}, x.request("7.000000000000000007")
	for i, w := range lost {
		x.broadcast(w, x.nonce+100+i, false)
	}
	for i, amount := range []string{"20.5", "0.00000000123", "4", "1.000000000000000001"} {
		x.broadcast(x.request(amount), x.nonce+1+i, false)
	}
	x.geth.Signal(syscall.SIGSTOP)
	x.overdue(kept, lost)
	x.geth.Signal(syscall.SIGCONT)
	x.blocks(finalAfter + 1)
	x.agrees(map[string]int{"good": 7, "reverted": 1, "overdue": 7}, kept)

	// The nonce is sent and all five become final. That they were late stays so.
	x.broadcast(kept, x.nonce, false)
	x.nonce += 5
	x.agrees(map[string]int{"good": 7, "reverted": 1, "late": 5, "overdue": 2})

	// Business goes on; the last one waits for its turn, and is not late yet.
	for _, amount := range []string{"0.25", "8.5", "0.333333333333333333"} {
		x.send(amount)
	}
	x.agrees(map[string]int{"good": 10, "reverted": 1, "late": 5, "overdue": 2})
	x.broadcast(x.request("0.05"), x.nonce+200, false)
	x.agrees(map[string]int{"good": 10, "reverted": 1, "late": 5, "overdue": 2, "open": 1})
	x.audit()
}

// startExchange starts a node, the agent of examples/chain and the follower.
func startExchange(t *testing.T) *exchange {
	t.Helper()
	dir, example := t.TempDir(), filepath.Join("..", "examples", "chain")
	copyExample(t, example, dir, map[string]string{"scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 15s": "evaluation_interval: 1s"})
	rates, err := os.ReadFile(filepath.Join(example, "rates.csv"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "rates.csv"), string(rates))
	x := &exchange{t: t, refused: map[string][]*big.Int{}, geth: servers.StartGeth(t), agent: servers.StartAssayer(t, binary, dir)}
	t.Cleanup(func() { x.geth.Signal(syscall.SIGCONT) }) // a node that stands still cannot be stopped in good order
	x.fund()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { x.follow(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return x
}

// overdue waits until all open withdrawals are overdue while the node stands still, and holds what the agent says
// on the way against what can be so: nothing is late before its time, and what was good stays good.
func (x *exchange) overdue(kept *withdrawal, lost []*withdrawal) {
	x.t.Helper()
	eventually(x.t, func(ctx context.Context) error {
		quick, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		var head string
		if err := x.geth.Call(quick, &head, "eth_blockNumber"); err == nil {
			return errors.New("the node that was stopped still answers")
		}
		return nil
	})
	x.mu.Lock()
	due := append([]*withdrawal{kept}, x.open...)
	x.mu.Unlock()
	wei := new(big.Int)
	for _, w := range due {
		wei.Add(wei, w.wei)
	}
	eventually(x.t, func(ctx context.Context) error {
		got, err := x.standing(ctx)
		if err != nil {
			return err
		}
		if got.Overdue.Count > 0 && time.Now().Before(lost[0].at.Add(finalWithin)) {
			x.t.Fatalf("%d are overdue %s after the first was requested", got.Overdue.Count, time.Since(lost[0].at))
		}
		if got.Overdue.Count != int64(len(due)) || got.Overdue.ETH() != wei.String() || got.Open.ETH() != wei.String() {
			return fmt.Errorf("overdue %+v and open %+v, all %d with %v wei should be both", got.Overdue, got.Open, len(due), wei)
		}
		metrics, err := fetch(ctx, x.agent.URL("/metrics"))
		if err != nil {
			return err
		}
		counts := exposition(metrics)
		if late, good := counts.sum(x.t, []term{plus(movements("late", "bad"))}), counts.sum(x.t, []term{plus(movements("good", "good"))}); late != float64(len(due)) || good != 7 {
			return fmt.Errorf("counted late %v and good %v, want %d and 7", late, good, len(due))
		}
		return nil
	})
}

// blocks waits until the node has made n more.
func (x *exchange) blocks(n int64) {
	x.t.Helper()
	var first, now string
	x.ask(&first, "eth_blockNumber")
	eventually(x.t, func(ctx context.Context) error {
		if err := x.geth.Call(ctx, &now, "eth_blockNumber"); err != nil {
			return err
		}
		if made := new(big.Int).Sub(number(now), number(first)); made.Int64() < n {
			return fmt.Errorf("%v of %d blocks were made", made, n)
		}
		return nil
	})
}

// audit reads every block and tells the agent, as the other side of a reconciliation does, of each withdrawal that
// came through. Then both sides have the same number and the same wei. The blocks say too that none was made for as
// long as a withdrawal may take.
func (x *exchange) audit() {
	x.t.Helper()
	want, err := x.chain(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	if want.longest < finalWithin {
		x.t.Errorf("blocks were at most %s apart, so the chain never stood still", want.longest)
	}
	for _, f := range want.finals {
		x.post(map[string]any{
			"id": fmt.Sprintf("withdrawal-%d", f.id), "rail": "ether-withdrawal", "state": "final", "at": f.final.UTC().Format(time.RFC3339Nano), "external": true,
			"amount": map[string]string{"value": decimal(f.wei), "currency": "ETH"},
		})
	}
	eventually(x.t, func(ctx context.Context) error {
		got, err := x.standing(ctx)
		if err != nil {
			return err
		}
		ours, told, n, m := new(big.Int), new(big.Int), 0, 0
		for _, c := range got.Cycles {
			n, m = n+c.Ours.Count, m+c.Told.Count
			ours.Add(ours, decimalNumber(c.Ours.Values["ETH"]))
			told.Add(told, decimalNumber(c.Told.Values["ETH"]))
		}
		wei := new(big.Int)
		for _, f := range want.finals {
			wei.Add(wei, f.wei)
		}
		if n != len(want.finals) || m != n || ours.Cmp(wei) != 0 || told.Cmp(wei) != 0 || got.Breaks.Count != 0 {
			return fmt.Errorf("%d settled with %v wei, the auditor told of %d with %v, %d breaks; the chain has %d with %v", n, ours, m, told, got.Breaks.Count, len(want.finals), wei)
		}
		return nil
	})
}

// standing is what this test reads of how the rail stands.
type standing struct {
	Rail    string `json:"rail"`
	Open    pile   `json:"open"`
	Overdue pile   `json:"overdue"`
	Breaks  pile   `json:"reconciliation_breaks"`
	Cycles  []struct {
		Ours side `json:"ours"`
		Told side `json:"told"`
	} `json:"cycles"`
}

type pile struct {
	Count  int64                  `json:"count"`
	Values map[string]json.Number `json:"values"` // as written, to the last wei
}

// ETH is the sum in wei.
func (p pile) ETH() string {
	if wei := p.Values["ETH"]; wei != "" {
		return wei.String()
	}
	return "0"
}

type side struct {
	Count  int               `json:"count"`
	Values map[string]string `json:"values"`
}

func (x *exchange) standing(ctx context.Context) (standing, error) {
	body, err := fetch(ctx, x.agent.URL("/api/v1/transactions"))
	if err != nil {
		return standing{}, err
	}
	var answer struct {
		Rails []standing `json:"rails"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return standing{}, err
	}
	if len(answer.Rails) != 1 || answer.Rails[0].Rail != "ether-withdrawal" {
		return standing{}, fmt.Errorf("the agent has other rails: %s", body)
	}
	return answer.Rails[0], nil
}

// movements matches the agent's counter of withdrawals of a class.
func movements(class, outcome string) string { return counterOf("total", class, outcome) }

func counterOf(what, class, outcome string) string {
	return fmt.Sprintf(`assayer_transactions_%s\{class="%s",.*outcome="%s",rail="ether-withdrawal"\}`, what, class, outcome)
}

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// What examples/chain promises, and what an ether is worth there.
const (
	finalAfter   = 3 // blocks, the withdrawal's own included
	finalWithin  = 12 * time.Second
	toldWithin   = 3 * time.Second // of being final
	centsAnEther = 250037
	mostCents    = 10_000_00 // of one withdrawal's capped value
)

// mark begins what a withdrawal's transaction carries: then come its number and when it was requested, in
// milliseconds.
const mark = "7769746864726177616c" // "withdrawal"

var marked = regexp.MustCompile(mark + `([0-9a-f]{8})([0-9a-f]{16})`)

// entry is what the chain says of one withdrawal.
type entry struct {
	id       int
	wei      *big.Int
	at       time.Time // of the request
	final    time.Time // when the block was made that made it so; zero: not yet
	reverted bool
}

// outcome is what the rail's promise makes of it.
func (e entry) outcome(now time.Time) string {
	switch {
	case !e.final.IsZero() && e.reverted:
		return "reverted"
	case !e.final.IsZero() && !e.final.After(e.at.Add(finalWithin)):
		return "good"
	case !e.final.IsZero():
		return "late"
	case now.After(e.at.Add(finalWithin + toldWithin)):
		return "overdue"
	}
	return "open"
}

// witness is what all blocks and the node's pool say.
type witness struct {
	of      map[int]entry
	finals  []entry       // that came through
	longest time.Duration // between two blocks, after the first, which is the beginning of time
}

type transaction struct {
	Hash  string `json:"hash"`
	Input string `json:"input"`
	Value string `json:"value"`
}

type block struct {
	Timestamp    string            `json:"timestamp"`
	Transactions []json.RawMessage `json:"transactions"` // hashes, where only those were asked for
}

func (b *block) time() time.Time { return time.Unix(number(b.Timestamp).Int64(), 0) }

// add notes a transaction and returns the withdrawal's number, 0 if it is none's.
func (l *witness) add(tx transaction, e entry) int {
	m := marked.FindStringSubmatch(tx.Input)
	if m == nil {
		return 0
	}
	id, ms := number("0x"+m[1]), number("0x"+m[2])
	e.id, e.wei, e.at = int(id.Int64()), number(tx.Value), time.UnixMilli(ms.Int64())
	l.of[e.id] = e
	return e.id
}

// chain reads the pool, then every block from the first to the head: what was in the pool and is in a block by then
// counts as what the block says.
func (x *exchange) chain(ctx context.Context) (*witness, error) {
	l := &witness{of: map[int]entry{}}
	var pool map[string]map[string]map[string]transaction // pending or queued, account, nonce
	if err := x.geth.Call(ctx, &pool, "txpool_content"); err != nil {
		return nil, err
	}
	for _, accounts := range pool {
		for _, nonces := range accounts {
			for _, tx := range nonces {
				l.add(tx, entry{})
			}
		}
	}
	var head string
	if err := x.geth.Call(ctx, &head, "eth_blockNumber"); err != nil {
		return nil, err
	}
	blocks := make([]block, number(head).Int64()+1)
	for n := range blocks {
		if err := x.geth.Call(ctx, &blocks[n], "eth_getBlockByNumber", fmt.Sprintf("0x%x", n), true); err != nil {
			return nil, err
		}
		if n > 1 {
			l.longest = max(l.longest, blocks[n].time().Sub(blocks[n-1].time()))
		}
	}
	for n := range blocks {
		if err := x.enter(ctx, l, blocks, n); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// enter notes the withdrawals of block n.
func (x *exchange) enter(ctx context.Context, l *witness, blocks []block, n int) error {
	if len(blocks[n].Transactions) == 0 {
		return nil
	}
	var receipts []receipt
	if err := x.geth.Call(ctx, &receipts, "eth_getBlockReceipts", fmt.Sprintf("0x%x", n)); err != nil {
		return err
	}
	status := map[string]string{}
	for _, r := range receipts {
		status[r.TransactionHash] = r.Status
	}
	for _, raw := range blocks[n].Transactions {
		var tx transaction
		if err := json.Unmarshal(raw, &tx); err != nil {
			return err
		}
		e := entry{reverted: status[tx.Hash] == "0x0"}
		if last := n + finalAfter - 1; last < len(blocks) {
			e.final = blocks[last].time()
		}
		if id := l.add(tx, e); id > 0 && !e.final.IsZero() && !e.reverted {
			l.finals = append(l.finals, l.of[id])
		}
	}
	return nil
}

// sums are those of a class of withdrawals.
type sums struct {
	n, cents, capped int64
	wei              big.Int
}

func (s *sums) add(wei *big.Int) {
	s.n++
	s.wei.Add(&s.wei, wei)
	// Rounded half up to cents: twice the exact value and one, halved.
	cents := new(big.Int).Mul(wei, big.NewInt(2*centsAnEther))
	cents.Add(cents, ether("1")).Div(cents, ether("2"))
	s.cents += cents.Int64()
	s.capped += min(cents.Int64(), mostCents)
}

// agrees waits until the chain has so many withdrawals of each outcome, and until the agent's counts and sums, by
// number, in euros and in wei, equal what follows from the blocks. What the node has not been told of yet is open too.
func (x *exchange) agrees(want map[string]int, unsent ...*withdrawal) {
	x.t.Helper()
	eventually(x.t, func(ctx context.Context) (err error) {
		defer func() {
			if err != nil {
				pause(x.t, 200*time.Millisecond) // reading all blocks over and over would keep the node busy
			}
		}()
		l, err := x.chain(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		for _, w := range unsent {
			l.of[w.id] = entry{id: w.id, wei: w.wei, at: w.at}
		}
		of := map[string]*sums{"good": {}, "late": {}, "technical_own": {}, "liquidity": {}, "open": {}, "overdue": {}}
		got := map[string]int{}
		for _, e := range l.of {
			outcome := e.outcome(now)
			got[outcome]++
			switch outcome {
			case "reverted":
				of["technical_own"].add(e.wei)
			case "overdue":
				of["late"].add(e.wei)
				of["open"].add(e.wei)
				of["overdue"].add(e.wei)
			default:
				of[outcome].add(e.wei)
			}
		}
		for outcome, n := range want {
			if got[outcome] != n {
				return fmt.Errorf("the chain has %v, want %v", got, want)
			}
		}
		for _, wei := range x.refused["nonce_too_low"] {
			of["technical_own"].add(wei)
		}
		for _, wei := range x.refused["insufficient_funds"] {
			of["liquidity"].add(wei)
		}
		return errors.Join(x.counted(ctx, of, l.finals), x.stands(ctx, of), x.budgeted(ctx, of))
	})
}

// counted compares the agent's counters.
func (x *exchange) counted(ctx context.Context, of map[string]*sums, finals []entry) error {
	text, err := fetch(ctx, x.agent.URL("/metrics"))
	if err != nil {
		return err
	}
	counters := exposition(text)
	var errs []error
	equal := func(what, line string, want float64) {
		if got := counters.sum(x.t, []term{plus(line)}); got != want {
			errs = append(errs, fmt.Errorf("%s: the agent has %v, the chain %v", what, got, want))
		}
	}
	total := 0.0
	for class, outcome := range map[string]string{"good": "good", "late": "bad", "technical_own": "bad", "liquidity": "bad"} {
		s := of[class]
		total += float64(s.n)
		equal(class, counterOf("total", class, outcome), float64(s.n))
		equal(class+", cents", counterOf("value_total", class, outcome), float64(s.cents))
		equal(class+", capped cents", counterOf("capped_value_total", class, outcome), float64(s.capped))
	}
	equal("all classes", `assayer_transactions_total\{.*\}`, total) // so there is no other
	var took time.Duration
	for _, e := range finals {
		took += e.final.Sub(e.at)
	}
	equal("settled", `assayer_transactions_settlement_seconds_count\{.*\}`, float64(len(finals)))
	equal("seconds to settle", `assayer_transactions_settlement_seconds_sum\{.*\}`, float64(took.Milliseconds())/1000)
	for _, never := range []string{"conflicts", "late_confirmations", "abandoned", "duplicate_suspects", "unvalued"} {
		equal(never, `assayer_transactions_`+never+`_total\{.*\}`, 0)
	}
	return errors.Join(errs...)
}

// stands compares how the agent says that the rail stands, to the wei.
func (x *exchange) stands(ctx context.Context, of map[string]*sums) error {
	got, err := x.standing(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for what, p := range map[string]pile{"open": got.Open, "overdue": got.Overdue} {
		if p.Count != of[what].n || p.ETH() != of[what].wei.String() {
			errs = append(errs, fmt.Errorf("%s: the agent has %d with %s wei, the chain %d with %v", what, p.Count, p.ETH(), of[what].n, &of[what].wei))
		}
	}
	return errors.Join(errs...)
}

// budgeted compares the events of the three objectives.
func (x *exchange) budgeted(ctx context.Context, of map[string]*sums) error {
	found, err := (&rig{Agent: x.agent}).statuses(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for name, one := range map[string]func(*sums) int64{
		"withdrawals-errors":       func(s *sums) int64 { return s.n },
		"withdrawals-value":        func(s *sums) int64 { return s.cents },
		"withdrawals-capped-value": func(s *sums) int64 { return s.capped },
	} {
		good, bad := float64(one(of["good"])), float64(one(of["late"])+one(of["technical_own"])+one(of["liquidity"]))
		if s := found[name]; s.Events.Good != good || s.Events.Bad != bad {
			errs = append(errs, fmt.Errorf("%s: the budget has %v good and %v bad, the chain %v and %v", name, s.Events.Good, s.Events.Bad, good, bad))
		}
	}
	return errors.Join(errs...)
}

// number reads 0x and hexadecimal digits, as nodes write numbers.
func number(hex string) *big.Int {
	n, ok := new(big.Int).SetString(strings.TrimPrefix(hex, "0x"), 16)
	if !ok {
		return big.NewInt(-1) // no number of any block, time or amount
	}
	return n
}

func hexOf(n *big.Int) string { return "0x" + n.Text(16) }

// decimalNumber reads a sum of wei; none is 0.
func decimalNumber(text string) *big.Int {
	n, _ := new(big.Int).SetString("0"+text, 10)
	return n
}

// ether reads a decimal number of ether, of at most 18 digits after the point, as wei.
func ether(text string) *big.Int {
	whole, fraction, _ := strings.Cut(text, ".")
	return decimalNumber(whole + fraction + strings.Repeat("0", 18-len(fraction)))
}

// decimal is the opposite of ether.
func decimal(wei *big.Int) string {
	whole, fraction := new(big.Int).DivMod(wei, ether("1"), new(big.Int))
	return whole.String() + "." + strings.Repeat("0", 18-len(fraction.String())) + fraction.String()
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// tellers is how many connections tell of payments at once. Agent and database take turns of so long, so many each: not
// so many payments come together that the agent, which takes more of them, has to look through more.
const (
	tellers = 16
	turns   = 7
	turn    = 2 * time.Second
)

// ledger is what payments are told to: the agent, or PostgreSQL.
type ledger interface {
	// received and settled tell that payments first to first+n have begun and have ended, in one request or commit,
	// and return once that is on disk. Each teller has a number, from 0.
	received(ctx context.Context, teller, first, n int) error
	settled(ctx context.Context, teller, first, n int) error
	cpu() (time.Duration, error)
}

// pace is what a ledger did in one window.
type pace struct {
	rate float64 // events a second; a payment has two
	cost float64 // processor time of the server's for an event, in nanoseconds
}

// hurry lets all tellers tell a ledger of payments for a while, n of them at once, each first that they have begun,
// then that they have ended. first is the number of the next payment.
func hurry(ctx context.Context, l ledger, n int, window time.Duration, first *atomic.Int64) (pace, error) {
	before, err := l.cpu()
	if err != nil {
		return pace{}, err
	}
	began := time.Now()
	var events atomic.Int64
	err = together(func(teller int) error {
		for time.Since(began) < window {
			at := int(first.Add(int64(n))) - n
			if err := l.received(ctx, teller, at, n); err != nil {
				return err
			}
			if err := l.settled(ctx, teller, at, n); err != nil {
				return err
			}
			events.Add(2 * int64(n))
		}
		return nil
	})
	took := time.Since(began)
	if err != nil {
		return pace{}, err
	}
	after, err := l.cpu()
	if err != nil {
		return pace{}, err
	}
	count := float64(events.Load())
	return pace{rate: count / took.Seconds(), cost: float64(after-before) / count}, nil
}

// together runs fn once for each teller, all at the same time, and returns one of the errors.
func together(fn func(teller int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, tellers)
	for teller := range tellers {
		wg.Go(func() {
			if err := fn(teller); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// movements measures the agent as a keeper of payments beside PostgreSQL, and with many payments open.
func movements(ctx context.Context, p plan, dir string, t *table) error {
	if err := paces(ctx, p, dir, t); err != nil {
		return err
	}
	return manyOpen(ctx, p, filepath.Join(dir, "many-open"), t)
}

// paces lets agent and database take turns, so that what others do on the machine hits both alike.
func paces(ctx context.Context, p plan, dir string, t *table) error {
	t.head(fmt.Sprintf("Payments that begin and then settle, each event on disk before it is answered, %d clients at once", tellers))
	for n, c := range []contest{
		{size: 100, rows: 100, way: oneByOne},
		{size: 1000, rows: 1000, way: oneByOne},
		{size: 100, rows: 100, way: asText},
		{size: 1000, rows: 1000, way: asText},
		{size: 100, rows: 100, way: sentTogether},
		{size: 1000, rows: 1000, way: sentTogether},
		{size: 1000, rows: 1000, way: inOne},
		{size: 1000, rows: 1000, way: inOne, roomy: true},
		{size: 1, rows: 1, way: inOne},
		{size: 1000, rows: 1, way: inOne},
	} {
		if err := c.run(ctx, p, filepath.Join(dir, fmt.Sprint("bank-", n)), t); err != nil {
			return err
		}
	}
	return nil
}

// run holds one contest, between an agent and a database of its own, in folder dir.
func (c contest) run(ctx context.Context, p plan, dir string, t *table) error {
	bank, err := newBank(ctx, p.binary, dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer bank.stop()
	pg, err := startPostgres(ctx, filepath.Dir(dir), c.roomy)
	if err != nil {
		return err
	}
	defer pg.stop()
	pg.way = c.way
	var ours, theirs []pace
	for range turns {
		mine, err := hurry(ctx, bank, c.size, turn, &bank.next)
		if err != nil {
			return err
		}
		other, err := hurry(ctx, pg, c.rows, turn, &bank.next)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, mine), append(theirs, other)
	}
	c.tell(t, pg.version, ours, theirs)
	return nil
}

// contest is one way to tell both of payments.
type contest struct {
	size  int // events in a request
	rows  int // of PostgreSQL's in a commit
	way   way // how those are told
	roomy bool
}

func (c contest) tell(t *table, version string, ours, theirs []pace) {
	how, beside := "one event a request", version+", as installed"
	if c.size > 1 {
		how = thousands(c.size) + " events a request"
	}
	if c.roomy {
		beside = version + ", with more memory and log"
	}
	if c.rows > 1 {
		beside += ", " + thousands(c.rows) + " rows a commit, " + string(c.way)
	} else {
		beside += ", one row a commit"
	}
	rate, cost := func(p pace) float64 { return p.rate }, func(p pace) float64 { return p.cost }
	a, b := each(ours, rate), each(theirs, rate)
	t.row("events a second, "+how, thousands(int(median(a))), beside+": "+thousands(int(median(b))), times(median(quotients(a, b))))
	a, b = each(ours, cost), each(theirs, cost)
	t.row("CPU of the server for an event", nanoseconds(median(a)), nanoseconds(median(b)), times(median(quotients(a, b))))
}

func each(all []pace, of func(pace) float64) []float64 {
	var out []float64
	for _, p := range all {
		out = append(out, of(p))
	}
	return out
}

const bankFile = `
global: {scrape_interval: 1s, evaluation_interval: 5s}
storage: {path: data}
objectives: [slo.yaml]
collectors:
  transactions: {confirmation_delay: 0s}
`

const bankObjective = `
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: payments}
spec:
  errors: {bad: 'assayer_transactions_total{outcome="bad"}', total: 'assayer_transactions_total{outcome=~"good|bad"}', objective: 99.9%}
`

// bank is an agent that is told of payments over HTTP.
type bank struct {
	*agent
	wires  [tellers]wire // one for each teller
	folder string
	next   atomic.Int64 // number of the next payment
	// deadline, if not empty, is what payments have instead of their rail's.
	deadline string
}

func newBank(ctx context.Context, binary, dir string) (*bank, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"assayer.yaml": bankFile, "slo.yaml": bankObjective} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return openBank(ctx, binary, dir)
}

// openBank starts the agent of a directory that newBank has made.
func openBank(ctx context.Context, binary, dir string) (*bank, error) {
	a, err := start(ctx, binary, dir)
	if err != nil {
		return nil, err
	}
	b := &bank{agent: a, folder: dir}
	for i := range b.wires {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.address)
		if err != nil {
			b.stop()
			return nil, err
		}
		b.wires[i] = wire{conn: conn, in: bufio.NewReader(conn)}
	}
	return b, nil
}

func (b *bank) stop() {
	for _, w := range b.wires {
		if w.conn != nil {
			_ = w.conn.Close()
		}
	}
	b.agent.stop()
}

func (b *bank) received(_ context.Context, teller, first, n int) error {
	return b.tell(teller, "received", first, n)
}

func (b *bank) settled(_ context.Context, teller, first, n int) error {
	return b.tell(teller, "settled", first, n)
}

// wire is a connection to the agent. It speaks the least of HTTP that will do: the clients have the same processors as
// the server, and the library's own client takes more of them for one event than the agent does.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte // of the request before, to be written over
}

// post sends a body of lines and returns the answer's status and body.
func (w *wire) post(host string, body []byte) (int, []byte, error) {
	head := fmt.Appendf(nil, "POST /api/v1/transactions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n", host, len(body))
	if err := w.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, nil, err
	}
	if _, err := (&net.Buffers{head, body}).WriteTo(w.conn); err != nil {
		return 0, nil, err
	}
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// uetr is what identifies payment n: a UUID of version 4, as ISO 20022 has it, in which numbers that follow each other
// lie anywhere. The mixing is that of SplitMix64.
func uetr(n int) (id [16]byte) {
	for i := range 2 {
		z := (2*uint64(n) + uint64(i) + 1) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.BigEndian.PutUint64(id[8*i:], z^z>>31)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// appendUUID appends id as it is written.
func appendUUID(to []byte, id [16]byte) []byte {
	from := 0
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, id[from:end])
		from = end
	}
	return to
}

// tell posts events as lines of JSON.
func (b *bank) tell(teller int, state string, first, n int) error {
	behind := `","rail":"sct-inst","state":"` + state + `","at":"` + time.Now().UTC().Format(time.RFC3339Nano) + `",`
	if b.deadline != "" {
		behind += `"deadline":"` + b.deadline + `",`
	}
	behind += `"amount":{"value":"12.34","currency":"EUR"},"direction":"out","counterparty":"DEUTDEFF"}` + "\n"
	w := &b.wires[teller]
	w.body = w.body[:0]
	for i := range n {
		w.body = append(appendUUID(append(w.body, `{"uetr":"`...), uetr(first+i)), behind...)
	}
	status, answer, err := w.post(b.address, w.body)
	if err != nil {
		return err
	}
	if want := fmt.Appendf(nil, `{"accepted":%d,"duplicates":0,`, n); status != http.StatusOK || !bytes.HasPrefix(answer, want) {
		return fmt.Errorf("telling the agent of %d events: answered %d: %.300s", n, status, answer)
	}
	return nil
}

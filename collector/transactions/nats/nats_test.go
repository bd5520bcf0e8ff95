package nats_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/nats"
	"github.com/assayer-io/assayer/internal/secret"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

// rig is a real server in this process, with a stream.
type rig struct {
	t   *testing.T
	url string
	js  jetstream.JetStream
}

func startServer(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}
	if change != nil {
		change(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

func newRig(t *testing.T, change func(*server.Options), opts ...natsio.Option) *rig {
	t.Helper()
	s := startServer(t, change)
	conn, err := natsio.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PAY", Subjects: []string{"pay.>"}}); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, url: s.ClientURL(), js: js}
}

func (r *rig) send(subject string, values ...string) {
	r.t.Helper()
	for _, v := range values {
		if _, err := r.js.Publish(r.t.Context(), subject, []byte(v)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) config() nats.Config {
	c := nats.Default()
	c.Name, c.Servers, c.Stream = "bus", []string{r.url}, "PAY"
	return c
}

// awaitAcked waits until the server knows that nothing is open.
func (r *rig) awaitAcked() {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		consumer, err := r.js.Consumer(r.t.Context(), "PAY", "assayer")
		if err != nil {
			r.t.Fatal(err)
		}
		info := consumer.CachedInfo()
		if info.NumPending == 0 && info.NumAckPending == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			r.t.Fatalf("%d messages are not acknowledged", info.NumAckPending)
		}
	}
}

func start(t *testing.T, c nats.Config, sink transactions.Sink) *fakesink.Running {
	t.Helper()
	log := &fakesink.Log{}
	source, err := nats.New(c, nats.Deps{
		Decoders: map[string]transactions.Decoder{"ndjson": fakesink.Lines}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return fakesink.Start(t, source, sink, log)
}

func numbered(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("a%d received", i))
	}
	return out
}

func TestEverythingOnceInOrder(t *testing.T) {
	r := newRig(t, nil)
	r.send("pay.in", numbered(0, 2500)...)
	sink := &fakesink.Sink{}
	run := start(t, r.config(), sink)
	run.AwaitCaughtUp(t)
	if !slices.Equal(sink.Accepted(), numbered(0, 2500)) {
		t.Errorf("caught up with %d events of 2500", len(sink.Accepted()))
	}
	r.awaitAcked()
	run.Stop()
	// The durable consumer goes on there.
	r.send("pay.out", numbered(2500, 2600)...)
	second := &fakesink.Sink{}
	start(t, r.config(), second).AwaitCaughtUp(t)
	if !slices.Equal(second.Accepted(), numbered(2500, 2600)) {
		t.Errorf("after the restart it puts %d events", len(second.Accepted()))
	}
}

func TestNothingThereAndSubjects(t *testing.T) {
	r := newRig(t, nil)
	c := r.config()
	c.Subjects = []string{"pay.in", "pay.back"}
	r.send("pay.out", "x received")
	sink := &fakesink.Sink{}
	start(t, c, sink).AwaitCaughtUp(t)
	r.send("pay.out", "y received")
	r.send("pay.back", "a received")
	r.send("pay.in", "b received")
	sink.Await(t, "two events", func() bool { return len(sink.Accepted()) == 2 })
	if got := fmt.Sprint(sink.Accepted()); got != "[a received b received]" {
		t.Errorf("got %s", got)
	}
}

func TestBusySinkHasThemSentAgain(t *testing.T) {
	r := newRig(t, nil)
	c := r.config()
	c.MaxInFlight = 50
	r.send("pay.in", numbered(0, 200)...)
	sink := &fakesink.Sink{}
	var tries atomic.Int64
	sink.Before = func(b transactions.Batch) error {
		if len(b.Events) > 50 {
			t.Errorf("%d are in flight", len(b.Events))
		}
		switch tries.Add(1) {
		case 1:
			return transactions.ErrBusy
		case 3:
			return errors.New("disk")
		}
		return nil
	}
	run := start(t, c, sink)
	run.AwaitCaughtUp(t)
	got := sink.Accepted()
	slices.Sort(got)
	want := numbered(0, 200)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d events of 200", len(got))
	}
	run.Log.Await(t, `"works again" source=bus what="storing events"`)
}

func TestPoison(t *testing.T) {
	r := newRig(t, nil)
	r.send("pay.in", "a received", "!canary-7f3a", "x refused\nb received", "c received")
	sink := &fakesink.Sink{}
	run := start(t, r.config(), sink)
	run.AwaitCaughtUp(t)
	if got := fmt.Sprint(sink.Accepted()); got != "[a received b received c received]" {
		t.Errorf("got %s", got)
	}
	r.awaitAcked() // and is not sent again
	for _, words := range []string{"cannot be read and was left out", "sequence=2 ", "sequence=3 "} {
		if !strings.Contains(run.Log.String(), words) {
			t.Errorf("the log does not say %q:\n%s", words, run.Log)
		}
	}
	if strings.Contains(run.Log.String(), "canary") {
		t.Error("the log holds a message")
	}
}

// TestServerRestarts: what was acknowledged stays so, all else comes.
func TestServerRestarts(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	keep := func(o *server.Options) { o.StoreDir, o.Port = dir, port }
	c := nats.Default()
	c.Name, c.Servers, c.Stream = "bus", []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}, "PAY"
	sink := &fakesink.Sink{}
	run := start(t, c, sink) // before there is a server
	run.Log.Await(t, "level=WARN")

	var total int
	for round := range 2 {
		s := startServer(t, keep)
		conn, err := natsio.Connect(s.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(conn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "PAY", Subjects: []string{"pay.>"}}); err != nil {
			t.Fatal(err)
		}
		for _, v := range numbered(100*round, 100*round+100) {
			if _, err := js.Publish(t.Context(), "pay.in", []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		total += 100
		sink.Await(t, "everything", func() bool { return len(sink.Accepted()) == total })
		conn.Close()
		s.Shutdown()
		s.WaitForShutdown()
	}
	if !slices.Equal(sink.Accepted(), numbered(0, 200)) {
		t.Errorf("got %d events", len(sink.Accepted()))
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestLoginOverTLS(t *testing.T) {
	dir := t.TempDir()
	// The testing package of HTTP has a certificate for 127.0.0.1.
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	ca, password := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "password")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(password, []byte("wr0ng-canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) {
		o.Username, o.Password = "assayer", "s3cret-canary"
		o.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates}
	}, natsio.UserInfo("assayer", "s3cret-canary"), natsio.RootCAs(ca))
	c := r.config()
	c.Username, c.PasswordFile, c.TLS = "assayer", password, &config.TLSConfig{CAFile: ca}
	run := start(t, c, &fakesink.Sink{})
	run.Log.Await(t, "does not let the agent in")
	// It is put right while the agent runs.
	if err := os.WriteFile(password, []byte("s3cret-canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run.AwaitCaughtUp(t)
	run.Stop()
	if strings.Contains(run.Log.String(), "canary") {
		t.Errorf("the log holds a password:\n%s", run.Log)
	}
	c.TLS = &config.TLSConfig{CAFile: "missing.crt"}
	source, err := nats.New(c, nats.Deps{Decoders: map[string]transactions.Decoder{"ndjson": fakesink.Lines}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context(), &fakesink.Sink{}, func() {}); err == nil || !strings.Contains(err.Error(), "missing.crt") {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	good := func() nats.Config {
		c := nats.Default()
		c.Name, c.Servers, c.Stream = "bus", []string{"nats://h:4222"}, "PAY"
		c.Username, c.Password = "u", secret.New("canary-7f3a")
		return c
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*nats.Config){
		"name":             func(c *nats.Config) { c.Name = "" },
		"kind":             func(c *nats.Config) { c.Kind = "" },
		"stream":           func(c *nats.Config) { c.Stream = "" },
		"durable":          func(c *nats.Config) { c.Durable = "" },
		"format":           func(c *nats.Config) { c.Format = "" },
		"servers":          func(c *nats.Config) { c.Servers = nil },
		"servers[0]":       func(c *nats.Config) { c.Servers = []string{"nats://u:canary-7f3a@h"} },
		"max_in_flight":    func(c *nats.Config) { c.MaxInFlight = 0 },
		"ack_wait":         func(c *nats.Config) { c.AckWait = 0 },
		"username":         func(c *nats.Config) { c.PasswordFile = "f" },
		"credentials_file": func(c *nats.Config) { c.CredentialsFile = "f" },
		"tls_config":       func(c *nats.Config) { c.TLS = &config.TLSConfig{CertFile: "c"} },
	} {
		c := good()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+want+":") || strings.Contains(err.Error(), "canary") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: got %v", want, err)
		}
	}
	c := nats.Config{PasswordFile: "p", CredentialsFile: "/c", TLS: &config.TLSConfig{CAFile: "ca"}}
	c.SetDirectory("/etc/x")
	if c.PasswordFile != "/etc/x/p" || c.CredentialsFile != "/c" || c.TLS.CAFile != "/etc/x/ca" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigFromYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nodes, problems := strictyaml.Parse("config.yaml", data, 1<<20)
	if len(nodes) != 1 || problems != nil {
		t.Fatalf("got %d documents, %v", len(nodes), problems)
	}
	c := nats.Default()
	if problems := nodes[0].Decode(&c); problems != nil || c.AckWait != time.Minute || c.Subjects[1] != "pay.out" || c.PasswordFile != "nats.password" {
		t.Errorf("got %+v, %v", c, problems)
	}
}

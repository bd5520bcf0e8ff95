package kafka_test

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

	"github.com/prometheus/common/config"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/kafka"
	"github.com/assayer-io/assayer/internal/secret"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/internal/testkit/fakesink"
)

const topic = "payments"

// rig is a cluster in this process and a client of it.
type rig struct {
	t       *testing.T
	cluster *kfake.Cluster
	client  *kgo.Client
	admin   *kadm.Client
}

func newRig(t *testing.T, partitions int32, opts ...kfake.Opt) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic), kfake.SeedTopics(1, "dead"),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &rig{t: t, cluster: cluster}
}

// connect makes the client of a cluster that asks for no login.
func (r *rig) connect() *rig {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(client.Close)
	r.client, r.admin = client, kadm.NewClient(client)
	return r
}

func (r *rig) send(partition int32, values ...string) {
	r.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(v)}
	}
	if err := r.client.ProduceSync(r.t.Context(), records...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) committed(partition int32) int64 {
	r.t.Helper()
	offsets, err := r.admin.FetchOffsets(r.t.Context(), "assayer")
	if err != nil {
		r.t.Fatal(err)
	}
	o, _ := offsets.Lookup(topic, partition)
	return o.At
}

func (r *rig) config() kafka.Config {
	c := kafka.Default()
	c.Name, c.Brokers, c.Topics = "bus", r.cluster.ListenAddrs(), []string{topic}
	return c
}

func (r *rig) start(c kafka.Config, sink transactions.Sink) *fakesink.Running {
	r.t.Helper()
	log := &fakesink.Log{}
	source, err := kafka.New(c, kafka.Deps{
		Decoders: map[string]transactions.Decoder{"ndjson": fakesink.Lines}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return fakesink.Start(r.t, source, sink, log)
}

func numbered(prefix string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s%d received", prefix, i))
	}
	return out
}

func of(prefix string, accepted []string) []string {
	return slices.DeleteFunc(slices.Clone(accepted), func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

func TestOrderAndOffsets(t *testing.T) {
	r := newRig(t, 2).connect()
	r.send(0, numbered("a", 0, 2500)...)
	r.send(1, numbered("b", 0, 700)...)
	sink := &fakesink.Sink{}
	// Nothing is committed that has not been put.
	sink.Before = func(transactions.Batch) error {
		if put := int64(len(sink.Accepted())); max(r.committed(0), 0)+max(r.committed(1), 0) > put {
			t.Errorf("%d and %d are committed, %d were put", r.committed(0), r.committed(1), put)
		}
		return nil
	}
	run := r.start(r.config(), sink)
	run.AwaitCaughtUp(t)
	if got := len(sink.Accepted()); got != 3200 {
		t.Fatalf("caught up with %d events of 3200", got)
	}
	if !slices.Equal(of("a", sink.Accepted()), numbered("a", 0, 2500)) || !slices.Equal(of("b", sink.Accepted()), numbered("b", 0, 700)) {
		t.Error("the order of a partition is not kept")
	}
	run.Stop()
	if r.committed(0) != 2500 || r.committed(1) != 700 {
		t.Errorf("committed are %d and %d", r.committed(0), r.committed(1))
	}
	// After a restart it goes on there.
	r.send(0, numbered("a", 2500, 2600)...)
	second := &fakesink.Sink{}
	r.start(r.config(), second).AwaitCaughtUp(t)
	if !slices.Equal(second.Accepted(), numbered("a", 2500, 2600)) {
		t.Errorf("after the restart it puts %d events", len(second.Accepted()))
	}
}

func TestNothingThere(t *testing.T) {
	r := newRig(t, 3).connect()
	sink := &fakesink.Sink{}
	run := r.start(r.config(), sink)
	run.AwaitCaughtUp(t)
	r.send(1, "a received")
	sink.Await(t, "the first event", func() bool { return len(sink.Accepted()) == 1 })
}

func TestLatest(t *testing.T) {
	r := newRig(t, 1).connect()
	r.send(0, "old received")
	c := r.config()
	c.Start = "latest"
	sink := &fakesink.Sink{}
	r.start(c, sink).AwaitCaughtUp(t)
	r.send(0, "new received")
	sink.Await(t, "the new event", func() bool { return len(sink.Accepted()) > 0 })
	if got := sink.Accepted(); len(got) != 1 || got[0] != "new received" {
		t.Errorf("got %v", got)
	}
}

func TestTransactionsTakenBack(t *testing.T) {
	r := newRig(t, 1).connect()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, commit := range []bool{true, false} {
		err := client.BeginTransaction()
		if err == nil {
			err = client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "a-%v received", commit)}).FirstErr()
		}
		if err == nil {
			err = client.EndTransaction(t.Context(), kgo.TransactionEndTry(commit))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sink := &fakesink.Sink{}
	r.start(r.config(), sink).AwaitCaughtUp(t)
	if got := sink.Accepted(); len(got) != 1 || got[0] != "a-true received" {
		t.Errorf("got %v", got)
	}
}

func TestBusySink(t *testing.T) {
	r := newRig(t, 1).connect()
	r.send(0, numbered("a", 0, 100)...)
	sink := &fakesink.Sink{}
	var tries atomic.Int64
	sink.Before = func(transactions.Batch) error {
		if n := tries.Add(1); n < 4 {
			if got := r.committed(0); got > 0 {
				t.Errorf("%d is committed, nothing was put", got)
			}
			return []error{transactions.ErrBusy, transactions.ErrFull, errors.New("disk")}[n-1]
		}
		return nil
	}
	run := r.start(r.config(), sink)
	run.AwaitCaughtUp(t)
	if !slices.Equal(sink.Accepted(), numbered("a", 0, 100)) {
		t.Errorf("%d events", len(sink.Accepted()))
	}
	r.send(0, "b received") // fetching goes on
	sink.Await(t, "the next event", func() bool { return len(sink.Accepted()) == 101 })
	run.Log.Await(t, `"works again" source=bus what="storing events"`)
}

func TestPoison(t *testing.T) {
	r := newRig(t, 1).connect()
	r.send(0, "a received", "!canary-7f3a", "b received\n!half of it", "x refused\ny refused", "c received\nd received")
	if err := r.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("deleted")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := r.config()
	c.DeadLetterTopic = "dead"
	sink := &fakesink.Sink{}
	run := r.start(c, sink)
	run.AwaitCaughtUp(t)
	if got := fmt.Sprint(sink.Accepted()); got != "[a received c received d received]" {
		t.Errorf("got %s", got)
	}
	run.Log.Await(t, "topic=payments partition=0 offset=3")
	for _, words := range []string{"offset=1 ", "offset=2 "} {
		if !strings.Contains(run.Log.String(), words) {
			t.Errorf("the log does not say %q:\n%s", words, run.Log)
		}
	}
	if strings.Contains(run.Log.String(), "canary") {
		t.Error("the log holds a message")
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.ConsumeTopics("dead"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var letters []string
	for len(letters) < 3 {
		reader.PollFetches(t.Context()).EachRecord(func(m *kgo.Record) {
			letters = append(letters, fmt.Sprintf("%s %s %q", m.Key, m.Headers[len(m.Headers)-1].Value, m.Value))
		})
	}
	slices.Sort(letters)
	if want := []string{`k payments/0/1 "!canary-7f3a"`, `k payments/0/2 "b received\n!half of it"`, `k payments/0/3 "x refused\ny refused"`}; !slices.Equal(letters, want) {
		t.Errorf("got %q, want %q", letters, want)
	}
}

func TestTwoMembers(t *testing.T) {
	r := newRig(t, 4).connect()
	sink := &fakesink.Sink{}
	first := r.start(r.config(), sink)
	first.AwaitCaughtUp(t)
	second := r.start(r.config(), sink)
	second.AwaitCaughtUp(t)
	sent := 0
	round := func() {
		for p := range int32(4) {
			r.send(p, numbered(fmt.Sprintf("r%d-p%d-", sent, p), 0, 50)...)
			sent += 50
		}
		sink.Await(t, "everything", func() bool { return len(sink.Accepted()) == sent })
	}
	round()
	first.Stop()
	round()
	for p := range int32(4) {
		round := func(from int) []string { return numbered(fmt.Sprintf("r%d-p%d-", from, p), 0, 50) }
		if got := of(fmt.Sprintf("r%d-p%d-", 50*p, p), sink.Accepted()); !slices.Equal(got, round(int(50*p))) {
			t.Errorf("partition %d: the order is not kept", p)
		}
	}
}

func TestLogin(t *testing.T) {
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	for path, text := range map[string]string{right: "s3cret-canary\n", wrong: "wr0ng-canary\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			r := newRig(t, 1, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "assayer", "s3cret-canary"))
			c := r.config()
			c.SASL = &kafka.SASL{Mechanism: mechanism, Username: "assayer", PasswordFile: right}
			r.start(c, &fakesink.Sink{}).AwaitCaughtUp(t)

			c.SASL = &kafka.SASL{Mechanism: mechanism, Username: "assayer", PasswordFile: wrong}
			run := r.start(c, &fakesink.Sink{})
			run.Log.Await(t, "does not let the agent in")
			run.Stop()
			if strings.Contains(run.Log.String(), "canary") {
				t.Errorf("the log holds a password:\n%s", run.Log)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	// The testing package of HTTP has a certificate for 127.0.0.1.
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 1, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates}))
	c := r.config()
	c.TLS = &config.TLSConfig{CAFile: ca}
	r.start(c, &fakesink.Sink{}).AwaitCaughtUp(t)
	c.TLS = &config.TLSConfig{CAFile: "missing.crt"}
	source, err := kafka.New(c, kafka.Deps{Decoders: map[string]transactions.Decoder{"ndjson": fakesink.Lines}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context(), &fakesink.Sink{}, func() {}); err == nil || !strings.Contains(err.Error(), "missing.crt") {
		t.Errorf("got %v", err)
	}
}

func TestClusterComesLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := kafka.Default()
	c.Name, c.Brokers, c.Topics = "bus", []string{fmt.Sprintf("127.0.0.1:%d", port)}, []string{topic}
	sink := &fakesink.Sink{}
	run := (&rig{t: t}).start(c, sink)
	run.Log.Await(t, "level=WARN")
	r := newRig(t, 1, kfake.Ports(port)).connect()
	r.send(0, "a received")
	run.AwaitCaughtUp(t)
	sink.Await(t, "the event", func() bool { return len(sink.Accepted()) == 1 })
}

func TestConfig(t *testing.T) {
	good := func() kafka.Config {
		c := kafka.Default()
		c.Name, c.Brokers, c.Topics = "bus", []string{"k:9092"}, []string{"t"}
		c.SASL = &kafka.SASL{Mechanism: "plain", Username: "u", Password: secret.New("canary-7f3a")}
		return c
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*kafka.Config){
		"name":           func(c *kafka.Config) { c.Name = "" },
		"kind":           func(c *kafka.Config) { c.Kind = "" },
		"group":          func(c *kafka.Config) { c.Group = "" },
		"format":         func(c *kafka.Config) { c.Format = "" },
		"brokers":        func(c *kafka.Config) { c.Brokers = nil },
		"brokers[0]":     func(c *kafka.Config) { c.Brokers = []string{"k"} },
		"topics":         func(c *kafka.Config) { c.Topics = nil },
		"topics[0]":      func(c *kafka.Config) { c.DeadLetterTopic = "t" },
		"start":          func(c *kafka.Config) { c.Start = "middle" },
		"sasl.mechanism": func(c *kafka.Config) { c.SASL.Mechanism = "gssapi" },
		"sasl.username":  func(c *kafka.Config) { c.SASL.Username = "" },
		"sasl.password":  func(c *kafka.Config) { c.SASL.PasswordFile = "f" },
		"tls_config":     func(c *kafka.Config) { c.TLS = &config.TLSConfig{CertFile: "c"} },
	} {
		c := good()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+want+":") || strings.Contains(err.Error(), "canary") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: got %v", want, err)
		}
	}
	c := good()
	c.SASL, c.TLS = &kafka.SASL{PasswordFile: "p"}, &config.TLSConfig{CAFile: "ca"}
	c.SetDirectory("/etc/x")
	if c.SASL.PasswordFile != "/etc/x/p" || c.TLS.CAFile != "/etc/x/ca" {
		t.Errorf("got %+v %+v", c.SASL, c.TLS)
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
	c := kafka.Default()
	if problems := nodes[0].Decode(&c); problems != nil || c.Start != "latest" || c.TLS.CAFile != "ca.pem" || c.SASL.PasswordFile != "kafka.password" {
		t.Errorf("got %+v, %v", c, problems)
	}
}

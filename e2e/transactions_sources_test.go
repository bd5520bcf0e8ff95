//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

const sourcesConfig = `
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
storage: {path: data}
collectors:
  transactions:
    sources:
      - {name: log, kind: files, paths: ["in/*.ndjson"], poll_interval: 50ms}
      - {name: bus, kind: nats, servers: [%q], stream: PAY, durable: assayer}
      - {name: stream, kind: kafka, brokers: [%q], topics: [payments], group: assayer}
`

// each is how many payments each source tells of: all are received, two thirds settle.
const each = 900

// payment is the events of one, as lines.
func payment(source, rail string, i int, at time.Time) []string {
	lines := []string{fmt.Sprintf(`{"id":"%s-%d","rail":%q,"state":"received","at":%q,"amount":{"value":"2.50","currency":"EUR"},"direction":"out"}`, source, i, rail, at.Format(time.RFC3339Nano))}
	if i%3 != 0 {
		lines = append(lines, fmt.Sprintf(`{"id":"%s-%d","rail":%q,"state":"settled","at":%q}`, source, i, rail, at.Add(time.Second).Format(time.RFC3339Nano)))
	}
	return lines
}

// TestSources: files, NATS and Kafka tell one agent of payments, it is killed while they do, and counts each once.
func TestSources(t *testing.T) {
	t.Parallel()
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	must(t, err)
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	conn, err := natsio.Connect(nats.ClientURL())
	must(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PAY", Subjects: []string{"pay.>"}})
	must(t, err)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "payments"))
	must(t, err)
	t.Cleanup(cluster.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("payments"))
	must(t, err)
	t.Cleanup(producer.Close)

	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "in"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "assayer.yaml"), fmt.Appendf(nil, sourcesConfig, nats.ClientURL(), cluster.ListenAddrs()[0]), 0o600))
	log, err := os.Create(filepath.Join(dir, "in", "switch.ndjson"))
	must(t, err)
	t.Cleanup(func() { _ = log.Close() })
	tell := func(from, to int) {
		at := time.Now().UTC()
		for i := from; i < to; i++ {
			_, err := fmt.Fprintln(log, strings.Join(payment("f", "sct", i, at), "\n"))
			must(t, err)
			for _, line := range payment("n", "chaps", i, at) {
				_, err := js.Publish(t.Context(), "pay.events", []byte(line))
				must(t, err)
			}
			for _, line := range payment("k", "swift", i, at) {
				must(t, producer.ProduceSync(t.Context(), &kgo.Record{Key: fmt.Append(nil, i), Value: []byte(line)}).FirstErr())
			}
		}
	}
	tell(0, each/3) // before the agent is there
	agent := servers.StartAssayer(t, binary, dir)
	tell(each/3, 2*each/3)
	agent.Kill()
	tell(2*each/3, each)
	agent.Restart()
	for _, rail := range []string{"sct", "chaps", "swift"} {
		eventually(t, func(ctx context.Context) error { return counted3(ctx, agent, rail) })
	}
}

// counted3 wants two thirds of a rail's payments settled and the others open.
func counted3(ctx context.Context, agent *servers.Agent, rail string) error {
	text, err := fetch(ctx, agent.URL("/metrics"))
	if err != nil {
		return err
	}
	got := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^assayer_transactions_(total|open|settlement_seconds_count|conflicts_total)\{.*rail="`+rail+`".*\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		got[m[1]] += v
	}
	if got["total"] != each*2/3 || got["settlement_seconds_count"] != each*2/3 || got["open"] != each/3 || got["conflicts_total"] != 0 {
		return fmt.Errorf("%s: got %v, want %d settled and %d open", rail, got, each*2/3, each/3)
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/common/config"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/internal/secret"
)

// Bounds of what is fetched ahead, in bytes.
const (
	fetchBytes     = 16 << 20
	partitionBytes = 1 << 20
	inflatedBytes  = 64 << 20
)

// options says how the client talks to the cluster.
func (s *Source) options() ([]kgo.Opt, error) {
	start := kgo.NewOffset().AtStart()
	if s.cfg.Start == "latest" {
		start = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{
		kgo.ClientID("assayer"), kgo.SeedBrokers(s.cfg.Brokers...), kgo.WithLogger(logger{s.complain}), kgo.WithHooks(logger{s.complain}),
		kgo.ConsumerGroup(s.cfg.Group), kgo.ConsumeTopics(s.cfg.Topics...), kgo.ConsumeResetOffset(start),
		// Offsets are committed after Put, and partitions change hands between two polls only.
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(s.begin), kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked), kgo.OnPartitionsLost(s.revoked),
		// What a transaction took back was never said. Its markers are asked for since they end partitions.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(partitionBytes), kgo.MaxDecompressBatchBytes(inflatedBytes),
	}
	if s.cfg.TLS != nil {
		tls, err := config.NewTLSConfig(s.cfg.TLS)
		if err != nil {
			return nil, fmt.Errorf("reading tls_config: %w", err)
		}
		opts = append(opts, kgo.DialTLSConfig(tls))
	}
	if s.cfg.SASL != nil {
		opts = append(opts, kgo.SASL(s.cfg.SASL.mechanism()))
	}
	return opts, nil
}

// mechanism loads the password at each login.
func (s SASL) mechanism() sasl.Mechanism {
	load := func() (string, error) {
		password, err := secret.Source{Inline: s.Password, File: s.PasswordFile}.Load()
		return password.Reveal(), err
	}
	salted := func(context.Context) (scram.Auth, error) {
		password, err := load()
		return scram.Auth{User: s.Username, Pass: password}, err
	}
	switch s.Mechanism {
	case "scram-sha-256":
		return scram.Sha256(salted)
	case "scram-sha-512":
		return scram.Sha512(salted)
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		password, err := load()
		return plain.Auth{User: s.Username, Pass: password}, err
	})
}

// logger passes on what the client warns of, and what it bears in silence, within bounds.
type logger struct{ to *transactions.Complaints }

func (logger) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l logger) Log(_ kgo.LogLevel, message string, pairs ...any) {
	l.to.Tell("the Kafka client says: "+message, pairs...)
}

// OnBrokerConnect hears of every try to connect, the login included.
func (l logger) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		l.to.Tell("a Kafka broker cannot be reached or does not let the agent in, trying again", "host", broker.Host, "port", broker.Port, "err", err)
	}
}

// OnGroupManageError hears why the agent is not a member of its group.
func (l logger) OnGroupManageError(err error) {
	if !errors.Is(err, context.Canceled) {
		l.to.Tell("the agent is not in its consumer group, trying again", "err", err)
	}
}

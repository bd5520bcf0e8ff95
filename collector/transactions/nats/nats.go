// Package nats brings events from a stream of NATS JetStream through a durable pull consumer. A message is
// acknowledged after its events are on disk; what the server sends again was told before and changes nothing:
//
//	fetch → decode → Sink.Put → ack
//	                          → busy: nak, so that the server sends it again after a delay
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/internal/secret"
)

const (
	// fetchBytes bounds what is fetched at once; fetchWait is how long the server waits for messages.
	fetchBytes = 16 << 20
	fetchWait  = 5 * time.Second
	// glance is the rest between two looks while what was there at the start has not been put, and nothing comes.
	glance = 100 * time.Millisecond
	// askTime bounds what the server is asked beside messages.
	askTime = 5 * time.Second
	// leaveTime bounds saying good-bye.
	leaveTime = time.Second
	// reconnectWait is the pause between two tries to connect.
	reconnectWait = 2 * time.Second
	// firstDelay and mostDelay bound after how long the server sends again what could not be stored.
	firstDelay = time.Second
	mostDelay  = 30 * time.Second
)

// Deps is what a source needs.
type Deps struct {
	Decoders map[string]transactions.Decoder // by format
	Log      *slog.Logger
}

// Source reads the stream of one configuration.
type Source struct {
	cfg      Config
	dec      transactions.Decoder
	log      *slog.Logger
	complain *transactions.Complaints

	// Of one Run:
	sink     transactions.Sink
	last     uint64 // sequence of the stream's last message at the start; noLast: not known yet
	delay    time.Duration
	caughtUp func() // nil once it was called
}

const noLast = ^uint64(0)

// New makes a source; it calls nobody yet.
func New(cfg Config, d Deps) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("making source %s: %w", cfg.Name, err)
	}
	dec := d.Decoders[cfg.Format]
	if dec == nil {
		return nil, fmt.Errorf("making source %s: no decoder for the format %s", cfg.Name, cfg.Format)
	}
	log := d.Log.With("source", cfg.Name)
	return &Source{cfg: cfg, dec: dec, log: log, complain: &transactions.Complaints{Log: log}}, nil
}

// Run implements transactions.Source. It returns nil when ctx ends, and an error if the client cannot be made
// from the configuration. It is for one call at a time.
func (s *Source) Run(ctx context.Context, sink transactions.Sink, caughtUp func()) error {
	s.sink, s.caughtUp, s.last, s.delay = sink, caughtUp, noLast, 0
	opts, err := s.options()
	if err != nil {
		return err
	}
	conn, err := natsio.Connect(strings.Join(s.cfg.Servers, ","), opts...)
	if err != nil {
		return fmt.Errorf("making the NATS client: %w", err)
	}
	defer func() {
		// So that the server sends nothing more to a client that is gone.
		_ = conn.FlushTimeout(leaveTime)
		conn.Close()
	}()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("making the JetStream client: %w", err)
	}
	retry := transactions.Retry{Log: s.log, What: "reading from NATS"}
	for ctx.Err() == nil {
		consumer, err := s.consumer(ctx, js)
		for err == nil && ctx.Err() == nil {
			if err = s.fetch(ctx, consumer); err == nil {
				retry.Worked()
				err = s.look(ctx, consumer)
			}
		}
		_ = retry.Failed(ctx, err) // the loop asks ctx
	}
	return nil
}

// options says how the client connects: it goes on trying for ever.
func (s *Source) options() ([]natsio.Option, error) {
	opts := []natsio.Option{
		natsio.Name("assayer"), natsio.RetryOnFailedConnect(true), natsio.MaxReconnects(-1), natsio.ReconnectWait(reconnectWait),
		natsio.IgnoreAuthErrorAbort(), // a password may be put right while the agent runs
		natsio.DisconnectErrHandler(func(_ *natsio.Conn, err error) {
			if err != nil {
				s.complain.Tell("the NATS server is away, connecting again", "err", err)
			}
		}),
		natsio.ReconnectErrHandler(func(_ *natsio.Conn, err error) {
			s.complain.Tell("the NATS server cannot be reached or does not let the agent in, trying again", "err", err)
		}),
		natsio.ErrorHandler(func(_ *natsio.Conn, _ *natsio.Subscription, err error) {
			s.complain.Tell("the NATS client says", "err", err)
		}),
	}
	if s.cfg.TLS != nil {
		tls, err := config.NewTLSConfig(s.cfg.TLS)
		if err != nil {
			return nil, fmt.Errorf("reading tls_config: %w", err)
		}
		opts = append(opts, natsio.Secure(tls))
	}
	if s.cfg.CredentialsFile != "" {
		opts = append(opts, natsio.UserCredentials(s.cfg.CredentialsFile))
	}
	if s.cfg.Username != "" {
		opts = append(opts, natsio.UserInfoHandler(func() (string, string) {
			password, err := secret.Source{Inline: s.cfg.Password, File: s.cfg.PasswordFile}.Load()
			if err != nil {
				s.complain.Tell("the password cannot be read", "err", err)
			}
			return s.cfg.Username, password.Reveal()
		}))
	}
	return opts, nil
}

// consumer makes or finds the durable consumer, and the first time asks what there is to catch up on.
func (s *Source) consumer(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	consumer, err := js.CreateOrUpdateConsumer(ask, s.cfg.Stream, jetstream.ConsumerConfig{
		Durable: s.cfg.Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.cfg.AckWait,
		MaxAckPending: s.cfg.MaxInFlight, FilterSubjects: s.cfg.Subjects,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer %q of stream %q: %w", s.cfg.Durable, s.cfg.Stream, err)
	}
	if s.last != noLast {
		return consumer, nil
	}
	stream, err := js.Stream(ask, s.cfg.Stream)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", s.cfg.Stream, err)
	}
	s.last = stream.CachedInfo().State.LastSeq
	return consumer, nil
}

// look finds out whether what was there at the start has been put.
func (s *Source) look(ctx context.Context, consumer jetstream.Consumer) error {
	if s.caughtUp == nil {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	info, err := consumer.Info(ask)
	if err != nil {
		return fmt.Errorf("asking how far the consumer is: %w", err)
	}
	if info.NumPending == 0 && info.NumAckPending == 0 || info.AckFloor.Stream >= s.last {
		s.caughtUp()
		s.caughtUp = nil
	}
	return nil
}

// fetch takes what there is, and waits for something if there is nothing.
func (s *Source) fetch(ctx context.Context, consumer jetstream.Consumer) error {
	wish, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	var batch jetstream.MessageBatch
	var err error
	if s.caughtUp != nil {
		// No waiting at the server: what it sends just as a wait ends is lost until ack_wait has passed.
		batch, err = consumer.FetchNoWait(min(s.cfg.MaxInFlight, transactions.PutAtOnce))
	} else {
		batch, err = consumer.FetchBytes(fetchBytes, jetstream.FetchContext(wish))
	}
	if err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	came := false
	for {
		messages := next(ctx, batch.Messages())
		if len(messages) == 0 || s.take(ctx, messages) != nil {
			break // nothing more, or ctx has ended
		}
		came = true
	}
	if !came && s.caughtUp != nil {
		_ = transactions.Pause(ctx, glance) // the caller asks ctx
	}
	if ctx.Err() != nil {
		for m := range batch.Messages() {
			_ = m.Nak() // or the server finds out after ack_wait
		}
		return nil
	}
	if err := batch.Error(); err != nil && !errors.Is(err, natsio.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("fetching: %w", err)
	}
	return nil
}

// next waits for a message and takes with it those that are there already; none: there are no more.
func next(ctx context.Context, from <-chan jetstream.Msg) []jetstream.Msg {
	var messages []jetstream.Msg
	select {
	case m, ok := <-from:
		if !ok {
			return nil
		}
		messages = append(messages, m)
	case <-ctx.Done():
		return nil
	}
	for len(messages) < transactions.PutAtOnce {
		select {
		case m, ok := <-from:
			if !ok {
				return messages
			}
			messages = append(messages, m)
		default:
			return messages
		}
	}
	return messages
}

// take puts what messages hold and acknowledges them. Its error is that ctx has ended.
func (s *Source) take(ctx context.Context, messages []jetstream.Msg) error {
	useless := map[jetstream.Msg]bool{}
	tell := func(what string, m jetstream.Msg, err error) {
		var seq uint64
		if meta, err := m.Metadata(); err == nil {
			seq = meta.Sequence.Stream
		}
		s.complain.Tell(what, "stream", s.cfg.Stream, "sequence", seq, "err", err)
	}
	d := transactions.DecodeMessages(s.dec, messages, jetstream.Msg.Data, func(m jetstream.Msg, err error) {
		useless[m] = true
		tell("a message cannot be read and was left out", m, err)
	})
	put := func(events []transactions.Event) (transactions.Receipt, error) {
		return s.sink.Put(ctx, transactions.Batch{Events: events})
	}
	err := d.Put(put, func(m jetstream.Msg, err error) { tell("an event cannot be used", m, err) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return s.later(ctx, messages, useless, err)
	}
	if s.delay > 0 {
		s.log.Info("works again", "what", "storing events")
		s.delay = 0
	}
	for _, m := range messages {
		s.answer(m, useless[m])
	}
	return nil
}

// answer acknowledges a message that was put, or says that it is of no use. A lost answer brings it again.
func (s *Source) answer(m jetstream.Msg, useless bool) {
	var err error
	if useless {
		err = m.TermWithReason("cannot be read")
	} else {
		err = m.Ack()
	}
	if err != nil {
		s.complain.Tell("a message could not be acknowledged", "err", err)
	}
}

// later has the server send again what could not be stored, and waits as long.
func (s *Source) later(ctx context.Context, messages []jetstream.Msg, useless map[jetstream.Msg]bool, err error) error {
	if s.delay == 0 {
		s.log.Warn("failed, having them sent again until it works", "what", "storing events", "err", err)
	}
	s.delay = min(max(2*s.delay, firstDelay), mostDelay)
	for _, m := range messages {
		if useless[m] {
			s.answer(m, true)
		} else if err := m.NakWithDelay(s.delay); err != nil {
			s.complain.Tell("a message could not be put off", "err", err)
		}
	}
	return transactions.Pause(ctx, s.delay)
}

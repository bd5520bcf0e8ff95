// Package kafka brings events from the topics of a Kafka cluster as a member of a consumer group. A message's
// offset is committed after its events are on disk, so a crash between the two brings it again, which is
// harmless:
//
//	fetch → decode → Sink.Put → commit
//
// Messages of one partition are put in its order. One that cannot be used is logged by topic, partition and
// offset, sent to the dead letter topic if there is one, and gone past.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/assayer-io/assayer/collector/transactions"
)

const (
	// atOnce is how many messages are taken in at once.
	atOnce = 1000
	// glance is how long a poll waits while what was there at the start has not been put.
	glance = 200 * time.Millisecond
	// leaveTime bounds saying good-bye to the group.
	leaveTime = 3 * time.Second
)

// Deps is what a source needs.
type Deps struct {
	Decoders map[string]transactions.Decoder // by format
	Log      *slog.Logger
}

// Source reads the topics of one configuration.
type Source struct {
	cfg      Config
	dec      transactions.Decoder
	log      *slog.Logger
	complain *transactions.Complaints

	mu    sync.Mutex // the client calls back from its own goroutines
	asked bool       // the group has said which partitions are ours, maybe none
	parts map[part]*progress
}

type part struct {
	topic string
	id    int32
}

// progress is how far a partition has been put.
type progress struct {
	at  int64 // next offset; -1: the end, -2: the beginning
	end int64 // of what was there when it became ours; -1: not known yet
}

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
// from the configuration: files of tls_config that cannot be read. It is for one call at a time.
func (s *Source) Run(ctx context.Context, sink transactions.Sink, caughtUp func()) error {
	s.parts, s.asked = map[part]*progress{}, false
	opts, err := s.options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("making the Kafka client: %w", err)
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		client.AllowRebalance()
		_ = client.LeaveGroupContext(bye) // the group finds out by itself otherwise
		client.CloseAllowingRebalance()
	}()
	retry := transactions.Retry{Log: s.log, What: "fetching from Kafka"}
	for told := false; ctx.Err() == nil; {
		poll, cancel := ctx, context.CancelFunc(func() {})
		if !told {
			poll, cancel = context.WithTimeout(ctx, glance)
		}
		fetches := client.PollRecords(poll, atOnce)
		cancel()
		if err := s.take(ctx, client, sink, fetches); err != nil {
			break // ctx has ended
		}
		client.AllowRebalance()
		if err := failure(fetches); err != nil && fetches.NumRecords() == 0 {
			_ = retry.Failed(ctx, err) // the loop asks ctx
		} else if err == nil {
			retry.Worked()
		}
		if !told && s.caughtUp(ctx, client) {
			told = true
			caughtUp()
		}
	}
	return nil
}

// failure is the first error of fetches that is not the end of a glance.
func failure(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
			return fmt.Errorf("topic %q, partition %d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	return nil
}

// take decodes and puts messages and then commits them. Its error is that ctx has ended.
func (s *Source) take(ctx context.Context, client *kgo.Client, sink transactions.Sink, fetches kgo.Fetches) error {
	records := fetches.Records()
	if len(records) == 0 {
		return nil
	}
	var dead []*kgo.Record
	useless := func(what string) func(*kgo.Record, error) {
		return func(r *kgo.Record, err error) {
			s.complain.Tell(what, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "err", err)
			if n := len(dead); n == 0 || dead[n-1] != r {
				dead = append(dead, r)
			}
		}
	}
	// A marker, or the deletion of a key, says nothing.
	telling := slices.DeleteFunc(slices.Clone(records), func(r *kgo.Record) bool { return r.Attrs.IsControl() || r.Value == nil })
	d := transactions.DecodeMessages(s.dec, telling, func(r *kgo.Record) []byte { return r.Value }, useless("a message cannot be read and was left out"))
	put := func(events []transactions.Event) (transactions.Receipt, error) {
		return s.put(ctx, client, sink, events)
	}
	if err := d.Put(put, useless("an event cannot be used")); err != nil {
		return err
	}
	if err := s.bury(ctx, client, dead); err != nil {
		return err
	}
	if err := client.CommitRecords(ctx, records...); err != nil && ctx.Err() == nil {
		// What was not committed comes again, here or with the partition's next owner.
		s.complain.Tell("offsets could not be committed", "err", err)
	}
	s.advance(records)
	return ctx.Err()
}

// put stores events; while that is not possible nothing more is fetched.
func (s *Source) put(ctx context.Context, client *kgo.Client, sink transactions.Sink, events []transactions.Event) (transactions.Receipt, error) {
	b := transactions.Batch{Events: events}
	retry := transactions.Retry{Log: s.log, What: "storing events"}
	for paused := false; ; {
		receipt, err := sink.Put(ctx, b)
		if err == nil {
			retry.Worked()
			return receipt, nil
		}
		if !paused && (errors.Is(err, transactions.ErrBusy) || errors.Is(err, transactions.ErrFull)) {
			paused = true
			client.PauseFetchTopics(s.cfg.Topics...)
			defer client.ResumeFetchTopics(s.cfg.Topics...)
		}
		if err := retry.Failed(ctx, err); err != nil {
			return receipt, err
		}
	}
}

// bury sends what cannot be used to the dead letter topic. Its error is that ctx has ended.
func (s *Source) bury(ctx context.Context, client *kgo.Client, dead []*kgo.Record) error {
	if s.cfg.DeadLetterTopic == "" || len(dead) == 0 {
		return nil
	}
	retry := transactions.Retry{Log: s.log, What: "sending to the dead letter topic"}
	for {
		letters := make([]*kgo.Record, len(dead))
		for i, r := range dead {
			letters[i] = &kgo.Record{Topic: s.cfg.DeadLetterTopic, Key: r.Key, Value: r.Value, Headers: append(slices.Clip(r.Headers),
				kgo.RecordHeader{Key: "assayer-from", Value: fmt.Appendf(nil, "%s/%d/%d", r.Topic, r.Partition, r.Offset)})}
		}
		err := client.ProduceSync(ctx, letters...).FirstErr()
		if err == nil {
			retry.Worked()
			return nil
		}
		if err := retry.Failed(ctx, err); err != nil {
			return err
		}
	}
}

package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// assigned hears which partitions have become ours. If there are any, begin is called next.
func (s *Source) assigned(_ context.Context, _ *kgo.Client, ours map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = s.asked || len(ours) == 0
}

// begin hears from where they will be read. It changes nothing of that.
func (s *Source) begin(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	for topic, parts := range offsets {
		for id, offset := range parts {
			s.parts[part{topic, id}] = &progress{at: offset.EpochOffset().Offset, end: -1}
		}
	}
	return offsets, nil
}

// revoked hears which partitions are no longer ours: others catch up on them.
func (s *Source) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ids := range gone {
		for _, id := range ids {
			delete(s.parts, part{topic, id})
		}
	}
}

// advance notes how far partitions have been put.
func (s *Source) advance(records []*kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		if p := s.parts[part{r.Topic, r.Partition}]; p != nil {
			p.at = max(p.at, r.Offset+1)
		}
	}
}

// caughtUp reports whether everything has been put that the partitions held when they became ours.
func (s *Source) caughtUp(ctx context.Context, client *kgo.Client) bool {
	s.mu.Lock()
	asked, unknown := s.asked, false
	for _, p := range s.parts {
		unknown = unknown || p.end < 0
	}
	s.mu.Unlock()
	if !asked {
		return false
	}
	if unknown {
		s.learnEnds(ctx, client)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		// -1: it is read from its end on.
		if p.at != -1 && (p.end < 0 || p.at < p.end) {
			return false
		}
	}
	return true
}

// learnEnds asks where the partitions begin and end; if that fails it is asked again after the next glance.
func (s *Source) learnEnds(ctx context.Context, client *kgo.Client) {
	admin := kadm.NewClient(client)
	// Of a transaction that is under way nothing is waited for.
	ends, err := admin.ListCommittedOffsets(ctx, s.cfg.Topics...)
	if err != nil {
		return
	}
	starts, err := admin.ListStartOffsets(ctx, s.cfg.Topics...)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.parts {
		end, ok := ends.Lookup(at.topic, at.id)
		if ok && end.Err == nil && p.end < 0 {
			p.end = end.Offset
		}
		if start, ok := starts.Lookup(at.topic, at.id); ok && start.Err == nil && p.at != -1 {
			p.at = max(p.at, start.Offset)
		}
	}
}

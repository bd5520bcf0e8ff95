package slo_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// keyStore notes what a checkpoint writes.
type keyStore map[string][]byte

func (s keyStore) Set(key string, value []byte) { s[key] = value }
func (s keyStore) Delete(key string)            { s[key] = nil }

func TestACheckpointOfNothingNewIsEmpty(t *testing.T) {
	e := slo.New(slo.Options{})
	if err := e.Apply(nil, time.Unix(1_800_000_000, 0), nil); err != nil {
		t.Fatal(err)
	}
	checkpoint := func(outcome error) []string {
		s := keyStore{}
		if err := e.Checkpoint(s); err != nil {
			t.Fatal(err)
		}
		e.Settle(outcome)
		return slices.Sorted(maps.Keys(s))
	}
	if first, again := checkpoint(errors.New("disk full")), checkpoint(nil); len(first) == 0 || !slices.Equal(first, again) {
		t.Errorf("what was not durable is to be written again: %v, then %v", first, again)
	}
	if got := checkpoint(nil); len(got) != 0 {
		t.Errorf("nothing has changed, and it writes %v", got)
	}
}

package app

import (
	"log/slog"
	"slices"
	"time"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
)

// transitions logs what changes from one evaluation to the next, once each, so that the log alone
// tells the story of an incident. It holds what was said last, of what there is now only.
type transitions struct {
	log    *slog.Logger
	states map[string]slo.State            // by objective
	firing map[string]map[string]time.Time // by objective and tier: since when
	down   map[string]time.Time            // by target: since when
}

// statuses logs tiers that start or stop firing and objectives whose state changes. An objective seen
// for the first time has a state to tell only if it is a bad one.
func (t *transitions) statuses(all []slo.Status) {
	states, firing := make(map[string]slo.State, len(all)), map[string]map[string]time.Time{}
	for _, s := range all {
		before, known := t.states[s.Name]
		states[s.Name] = s.State
		if s.State == before && len(t.firing[s.Name]) == 0 && !slices.ContainsFunc(s.Tiers, func(tier slo.TierStatus) bool { return tier.Firing }) {
			continue // as nearly always
		}
		log := t.log.With("objective", s.Name, "service", s.Service)
		if now := t.tiers(log, s); len(now) > 0 {
			firing[s.Name] = now
		}
		bad := s.State == slo.Burning || s.State == slo.Exhausted
		switch {
		case s.State == before:
		case s.State == slo.OK && known:
			log.Info("state changed", "from", string(before), "to", string(s.State), "reason", s.Reason)
		case known:
			log.Warn("state changed", "from", string(before), "to", string(s.State), "reason", s.Reason)
		case bad:
			log.Warn("state found", "state", string(s.State), "reason", s.Reason)
		}
	}
	t.states, t.firing = states, firing
}

// tiers logs the tiers of one objective and returns those that fire.
func (t *transitions) tiers(log *slog.Logger, s slo.Status) map[string]time.Time {
	now := map[string]time.Time{}
	for _, tier := range s.Tiers {
		since, fired := t.firing[s.Name][tier.Name]
		log := log.With("tier", tier.Name, "severity", string(tier.Severity))
		switch {
		case tier.Firing && fired:
			now[tier.Name] = since
		case tier.Firing:
			now[tier.Name] = s.At
			if tier.Since != nil {
				now[tier.Name] = *tier.Since
			}
			log.Warn("tier fires", "why", tier.Why)
		case fired:
			log.Info("tier stopped firing", "after", s.At.Sub(since).Round(time.Millisecond).String())
		}
	}
	return now
}

// targets logs targets that go down and come back. One that leaves discovery is forgotten.
func (t *transitions) targets(all []collector.TargetStatus, now time.Time) {
	down := map[string]time.Time{}
	for _, target := range all {
		name := string(target.Target)
		since, was := t.down[name]
		log := t.log.With("target", name, "collector", target.Provider)
		switch {
		case target.LastError != "" && was:
			down[name] = since
		case target.LastError != "":
			down[name] = now
			log.Warn("target is down", "err", target.LastError)
		case was:
			log.Info("target is back", "after", now.Sub(since).Round(time.Millisecond).String())
		}
	}
	t.down = down
}

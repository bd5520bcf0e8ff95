package app

import (
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// EngineOptions are what the agent file says about judging.
func (l *Loaded) EngineOptions() slo.Options { return l.engineOptions() }

// HookPolicies are those of every hook, in the order written.
func (l *Loaded) HookPolicies() []hooks.Policy { return l.policies() }

//go:build e2e

package prometheus_test

import "github.com/assayer-io/assayer/internal/testkit/traces"

func every(f traces.Family) []traces.Case { return f.Cases }

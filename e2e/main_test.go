//go:build e2e

// Package e2e runs the built agent against real servers that nobody here wrote, and compares every
// count it keeps with the servers' own counters: they must be equal, not close. The configurations
// are those of the folder examples, with the address and the intervals replaced.
//
//	make e2e
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// binary is the agent under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "assayer-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the agent:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary, err = servers.BuildAssayer(context.Background(), dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

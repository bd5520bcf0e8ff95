package docs_test

import (
	"testing"

	"github.com/assayer-io/assayer/internal/discover"
)

func TestDiscovering(t *testing.T) {
	known, err := discover.Known()
	if err != nil {
		t.Fatal(err)
	}
	var have, written []string
	for _, s := range known.Systems {
		have = append(have, s.Name+": "+s.Title)
	}
	for _, row := range tables(t, "discovering.md", "systems") {
		written = append(written, codes(row[0])[0]+": "+row[1])
	}
	wantSame(t, "known systems", written, have)
	have, written = nil, nil
	for _, s := range []discover.State{discover.Uncovered, discover.Unreadable, discover.NoSignals, discover.Covered} {
		have = append(have, string(s))
	}
	for _, row := range tables(t, "discovering.md", "coverage states") {
		written = append(written, codes(row[0])...)
	}
	wantSame(t, "states of a service", written, have)
}

package main

import (
	"strings"
	"testing"
	"time"
)

func TestCountersNeverFall(t *testing.T) {
	for i := range 50 {
		good, bad := events(i, epoch)
		for at := int64(epoch); at < epoch+7200; at += 15 {
			g, b := events(i, at)
			if g < good || b < bad {
				t.Fatalf("service %d falls from %d and %d to %d and %d", i, good, bad, g, b)
			}
			good, bad = g, b
		}
	}
}

func TestRulesAreSlowedAlike(t *testing.T) {
	got, every, err := slowed([]byte("groups:\n- {name: a, rules: [{record: x}, {record: y}]}\n- {name: b, interval: 2m30s, rules: [{record: z}]}\n"), 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"interval: 120s", "interval: 600s"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if every[cycle] != 2 || every[150*time.Second] != 1 {
		t.Errorf("counted %v", every)
	}
}

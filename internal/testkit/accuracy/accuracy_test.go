package main

import (
	"math"
	"testing"
)

// The engine needs no server, so the truth is held in every test run.
func TestEngineSaysTheTruth(t *testing.T) {
	for _, s := range scenarios() {
		got, err := s.engine("testdata/assayer.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-s.ask.truth) > 1e-9 {
			t.Errorf("%s: the engine says %v are left of the budget, the events say %v", s.name, got, s.ask.truth)
		}
	}
}

func TestPercent(t *testing.T) {
	for ratio, want := range map[float64]string{
		0.875: "87.5 %", -17.914: "−1,791 %", 1: "100 %", -0.0004: "0 %", math.NaN(): "no number (NaN)", 0.65278: "65.3 %",
	} {
		if got := percent(ratio); got != want {
			t.Errorf("percent(%v) is %q, want %q", ratio, got, want)
		}
	}
}

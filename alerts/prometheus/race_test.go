//go:build race

package prometheus_test

// The race detector makes PromQL ten times as slow, and finds nothing in it that fewer steps would not show.
const seeds, batches = uint64(1), 3

// racing: fewer traces are played.
const racing = true

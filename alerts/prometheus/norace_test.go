//go:build !race

package prometheus_test

const seeds, batches = uint64(3), 6

// racing: fewer traces are played.
const racing = false

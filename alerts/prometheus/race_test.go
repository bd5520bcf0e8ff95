//go:build race

package prometheus_test

// racing: less is played. The race detector makes PromQL ten times as slow, and finds nothing in it that fewer steps
// would not show.
const racing = true

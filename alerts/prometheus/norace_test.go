//go:build !race

package prometheus_test

const racing = false

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine is one line about where and when the numbers were taken.
func machine(at time.Time) string {
	cpu := runtime.GOARCH
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		cpu = model
	}
	kernel, _, _ := strings.Cut(strings.TrimSpace(read("/proc/sys/kernel/osrelease")), "-")
	return fmt.Sprintf("%s: %d cores of %s, Linux %s, %s", at.Format(time.DateOnly), runtime.NumCPU(), cpu, kernel, runtime.Version())
}

// load is the machine's load average over the last minute.
func load() string {
	one, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return one
}

// read returns a file's content, or nothing: the line about the machine may have gaps.
func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// field returns the first value under a key in a file of the form "key : value".
func field(path, key string) string {
	for line := range strings.Lines(read(path)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// median returns the middle value, the mean of the two in the middle when there is none.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// quotients divides value by value: a[i] ÷ b[i].
func quotients(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}

func nanoseconds(ns float64) string {
	switch {
	case ns < 10:
		return fmt.Sprintf("%.1f ns", ns)
	case ns < 1000:
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.1f µs", ns/1000)
}

func bytesText(n float64) string {
	switch {
	case n < 10:
		return fmt.Sprintf("%.1f B", n)
	case n < 10_000:
		return fmt.Sprintf("%.0f B", n)
	case n < 10<<20:
		return fmt.Sprintf("%.0f KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", n/(1<<20))
}

// times writes how many times as much one thing is as another, or which part of it.
func times(ratio float64) string {
	if ratio > 0 && ratio < 0.5 {
		return fmt.Sprintf("1/%.0f", 1/ratio)
	}
	return fmt.Sprintf("%.2f ×", ratio)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// thousands writes n in groups of three digits.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

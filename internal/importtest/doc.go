// Package importtest holds the picture of the code base as a test: data flows right, imports point
// left. It parses every file itself, so that a cached result never hides a bad change, and reports
// each breach as a line:
//
//	slo/engine.go:9: slo must not import internal/audit
//
// The table of what a package may import is in rules_test.go; a new package needs a row there.
// testdata holds one small planted tree for each rule, which proves that the rule can fail.
package importtest

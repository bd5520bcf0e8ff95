package rail_test

import "strings"

// ours is a rail of a user's own, the base of what is broken in tests.
const ours = `apiVersion: assayer.dev/v1
kind: Rail
metadata: {name: card}
spec:
  title: Ours
  calendar: 24x7
  validFrom: 2026-11-21
  deadline: {within: 10s}
  buckets: [1s, 5s, 10s]
`

// instant is ours with one replacement.
func instant(old, new string) string { return strings.Replace(ours, old, new, 1) }

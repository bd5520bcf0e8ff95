#!/usr/bin/env bash
# Runs the benchmarks that match a pattern, in the packages that have any: scripts/bench.sh .
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:?a pattern of benchmark names}

mapfile -t packages < <(grep -rlE '^func Benchmark[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
[ "${#packages[@]}" -gt 0 ] || { echo "no benchmarks found" >&2; exit 1; }
go test -run '^$' -bench "$pattern" -benchmem "${packages[@]}"

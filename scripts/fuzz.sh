#!/usr/bin/env bash
# Runs every fuzz target of the module for so many executions: scripts/fuzz.sh 3000x
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:?how often to run each target, such as 3000x}

mapfile -t packages < <(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
targets=0
for package in "${packages[@]}"; do
	while read -r target; do
		echo "fuzzing $target in $package for $fuzztime"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 100x "$package"
		targets=$((targets + 1))
	done < <(go test -list '^Fuzz' "$package" | grep '^Fuzz')
done
echo "fuzzed $targets targets"
[ "$targets" -gt 0 ]

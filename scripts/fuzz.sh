#!/usr/bin/env bash
# Runs every fuzz target of the module for the time given: scripts/fuzz.sh 5s
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:?how long to fuzz each target, such as 5s}

mapfile -t packages < <(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
targets=0
for package in "${packages[@]}"; do
	while read -r target; do
		echo "fuzzing $target in $package for $fuzztime"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
		targets=$((targets + 1))
	done < <(go test -list '^Fuzz' "$package" | grep '^Fuzz')
done
echo "fuzzed $targets targets"
[ "$targets" -gt 0 ]

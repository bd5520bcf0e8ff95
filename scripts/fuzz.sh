#!/usr/bin/env bash
# Runs every fuzz target of the module for so many executions: scripts/fuzz.sh 3000x
# Each package is built once for all of its targets, and while one is fuzzed the next is built.
set -euo pipefail
cd "$(dirname "$0")/.."
export fuzztime=${1:?how often to run each target, such as 3000x}
export built cache
built=$(mktemp -d)
cache=$(go env GOCACHE)/fuzz
trap 'rm -rf "$built"' EXIT

fuzz_package() {
	set -euo pipefail
	local package=$1 binary=$built/${1//\//_}
	go test -c -fuzz . -o "$binary" "$package"
	cd "$package"
	mapfile -t targets < <("$binary" -test.list '^Fuzz' | grep '^Fuzz')
	for target in "${targets[@]}"; do
		echo "fuzzing $target in $package for $fuzztime"
		"$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$fuzztime" -test.fuzzminimizetime 100x -test.fuzzcachedir "$cache/${package#./}" |
			{ grep -v '^PASS$' || true; }
		echo "$target" >>"$built/done"
	done
	rm "$binary"
}
export -f fuzz_package

grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u | xargs -r -P 2 -I '{}' bash -c 'fuzz_package {}'
targets=$(wc -l <"$built/done") # fails if nothing was fuzzed
echo "fuzzed $targets targets"

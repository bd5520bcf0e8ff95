#!/usr/bin/env bash
# Rewrites golden files in the packages whose tests know the flag -update.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t packages < <(grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
[ "${#packages[@]}" -gt 0 ] || { echo "no package has golden files" >&2; exit 1; }
for package in "${packages[@]}"; do
	go test "$package" -update
done
git status --short -- '*testdata*'

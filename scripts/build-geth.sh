#!/usr/bin/env bash
# Builds geth, the Ethereum node of the end-to-end tests, in the version of internal/testkit/geth/go.mod.
# It takes minutes, so it is done once on a machine: the program stays in the user's cache by version.
set -euo pipefail
cd "$(dirname "$0")/../internal/testkit/geth"

version=$(go list -m -f '{{.Version}}' github.com/ethereum/go-ethereum)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/assayer-servers/geth-$version
if [ -x "$dir/geth" ]; then
	exit 0
fi
echo "building geth $version into $dir; this takes some minutes, and only once"
mkdir -p "$dir"
# Under another name first: a build that is cut short leaves no half a program behind.
trap 'rm -f "$dir/geth.$$"' EXIT
CGO_ENABLED=0 nice -n 10 go build -trimpath -ldflags '-s -w' -o "$dir/geth.$$" github.com/ethereum/go-ethereum/cmd/geth
mv "$dir/geth.$$" "$dir/geth"

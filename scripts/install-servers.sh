#!/usr/bin/env bash
# Installs the Debian packages of the servers that the end-to-end tests start, those only whose
# programs are missing. Nothing is asked of a machine that has them all.
set -euo pipefail

missing=()
need() { # need PACKAGE PROGRAM…: any one of the programs will do
	local package=$1 program
	shift
	for program in "$@"; do
		# Unquoted on purpose: a program may be a pattern of paths.
		# shellcheck disable=SC2086
		if command -v $program >/dev/null 2>&1; then
			return
		fi
	done
	missing+=("$package")
}

PATH=$PATH:/usr/sbin:/sbin
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager alertmanager
need victoria-metrics vmalert
need etcd-server etcd
need postgresql '/usr/lib/postgresql/*/bin/initdb' initdb
need prometheus-postgres-exporter prometheus-postgres-exporter postgres_exporter
need nats-server nats-server
need chromium chromium chromium-browser google-chrome

if [ "${#missing[@]}" -eq 0 ]; then
	echo "all servers are installed"
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "error: the end-to-end tests need these Debian packages or their like: ${missing[*]}" >&2
	echo "There is no apt-get here; install them in this system's own way and run make e2e again." >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "error: installing ${missing[*]} needs root: run apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"

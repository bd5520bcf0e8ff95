#!/usr/bin/env bash
# Builds the container image: scripts/image.sh NAME:TAG VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?the name of the image}
version=${2:?the version it carries}

if docker info >/dev/null 2>&1; then
	exec docker build --build-arg "VERSION=$version" -t "$image" .
fi
command -v buildah >/dev/null || { echo "error: neither a running docker nor buildah was found" >&2; exit 1; }

# buildah takes what the first stage would have made from this machine, so that no base image has to
# be pulled: the agent built by make, this machine's roots for HTTPS targets, an empty volume.
out=bin/image/out
install -d -m 0755 "$out/data"
install -m 0755 bin/image/assayer "$out/assayer"
for roots in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	if [ -f "$roots" ]; then
		install -m 0644 "$roots" "$out/ca-certificates.crt"
		break
	fi
done
[ -f "$out/ca-certificates.crt" ] || { echo "error: no CA certificates found on this machine" >&2; exit 1; }
# shellcheck disable=SC2086
buildah ${BUILDAH_FLAGS:-} build --build-context build=bin/image -t "$image" -f Dockerfile .

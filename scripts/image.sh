#!/usr/bin/env bash
# Builds the container image from bin/image/assayer: scripts/image.sh NAME:TAG
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?the name of the image}

# The image has no system of its own, so the roots for HTTPS targets come from the building one.
for roots in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	if [ -f "$roots" ]; then
		install -m 0644 "$roots" bin/image/ca-certificates.crt
		break
	fi
done
[ -f bin/image/ca-certificates.crt ] || { echo "error: no CA certificates found on this machine" >&2; exit 1; }
# A volume for the data, owned by the user the agent runs as.
install -d -m 0755 bin/image/data

if docker info >/dev/null 2>&1; then
	docker build -t "$image" -f Dockerfile .
elif command -v buildah >/dev/null; then
	# shellcheck disable=SC2086
	buildah ${BUILDAH_FLAGS:-} build -t "$image" -f Dockerfile .
else
	echo "error: neither a running docker nor buildah was found" >&2
	exit 1
fi

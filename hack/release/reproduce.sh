#!/usr/bin/env bash
# Builds the binaries of the image twice, in two folders and with two build caches, and fails where
# their digests differ. PLATFORMS names what to build for.
set -euo pipefail
cd "$(dirname "$0")/../.."
VERSION=${VERSION:-$(git describe --tags --always)}
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
# build FOLDER ARCHITECTURE: the digest of a build of HEAD there, as .ko.yaml has it.
build() {
	local source=$work/$1/somewhere
	mkdir -p "$source"
	git archive HEAD | tar -x -C "$source"
	(cd "$source" && GOFLAGS='' GOCACHE=$work/$1/cache CGO_ENABLED=0 GOOS=linux GOARCH=$2 go build -trimpath -buildvcs=false \
		-tags disable_grpc_modules,arrow_json_stdlib \
		-ldflags "-s -w -X exactmatch.dev/operator/internal/version.number=$VERSION -X exactmatch.dev/operator/internal/version.commit=$COMMIT" -o ../exactmatch .)
	sha256sum <"$work/$1/exactmatch" | cut -d' ' -f1
}
for platform in ${PLATFORMS:-linux/amd64 linux/arm64}; do
	first=$(build first "${platform#linux/}")
	second=$(build second "${platform#linux/}")
	echo "$platform $first"
	[ "$first" = "$second" ] || { echo "the second build is $second" >&2; exit 1; }
done

#!/usr/bin/env bash
# Build kubectl exactmatch for all platforms and write the manifest of krew beside the
# archives: hack/krew.sh VERSION BASE_URL FOLDER, where the archives will be below
# BASE_URL. PLATFORMS names others than all, such as "linux/amd64".
set -euo pipefail
[ $# -eq 3 ] || { sed -n 's/^# //p' "$0" >&2; exit 2; }
version=$1 base=${2%/} folder=$3
cd "$(dirname "$0")/.."
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp LICENSE "$work"
{
	sed "s|@VERSION@|$version|" config/krew/exactmatch.yaml
	for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}; do
		os=${platform%/*} arch=${platform#*/} binary=kubectl-exactmatch
		[ "$os" = windows ] && binary=kubectl-exactmatch.exe
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -tags "${BUILD_TAGS:-disable_grpc_modules,arrow_json_stdlib}" \
			-ldflags "-s -w -X exactmatch.dev/operator/internal/version.number=$version" -o "$work/$binary" .
		archive=kubectl-exactmatch-$version-$os-$arch.tar.gz
		# The same bytes at each build: no owner, no time, no name within gzip.
		tar -C "$work" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf - LICENSE "$binary" | gzip -n >"$folder/$archive"
		rm "$work/$binary"
		sum=$(sha256sum "$folder/$archive")
		cat <<-MANIFEST
		    - selector: {matchLabels: {os: $os, arch: $arch}}
		      uri: $base/$archive
		      sha256: ${sum%% *}
		      bin: $binary
		MANIFEST
	done
} >"$folder/exactmatch.yaml"

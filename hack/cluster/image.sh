#!/usr/bin/env bash
# image.sh NAME:TAG BINARY OUT.tar [COMMAND…]: an image as "docker load" and
# containerd read it, with one static binary and the user of the Dockerfile; no
# container engine is needed. The same binary gives the same bytes.
set -euo pipefail
reference=$1 binary=$2 out=$3
shift 3
name=$(basename "$binary")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
install -m 755 "$binary" "$work/root/$name"
archive() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$@"; }
archive "$work/layer.tar" -C "$work/root" "$name"
layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
command=$(printf ',"%s"' "$@")
architecture=$(go env GOARCH)
printf '{"architecture":"%s","os":"linux","config":{"User":"65532:65532","Entrypoint":["/%s"],"Cmd":[%s],"Env":["PATH=/"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$architecture" "$name" "${command#,}" "$layer" >"$work/config.json"
printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$reference" >"$work/manifest.json"
archive "$out.new" -C "$work" manifest.json config.json layer.tar
mv "$out.new" "$out"

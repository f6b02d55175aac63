#!/usr/bin/env bash
# manifests.sh IMAGE@DIGEST VERSION FOLDER: what a release attaches beside the image: install.yaml, crds.yaml, and the
# chart, which name the image by its digest.
set -euo pipefail
cd "$(dirname "$0")/../.."
image=$1 version=${2#v} out=$3
[[ $image == *@sha256:* ]] || { echo "name the image by its digest, not $image" >&2; exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kustomize() { go tool -modfile="$PWD/hack/tools/go.mod" kustomize "$@"; }
cp -r config "$work"
sed -i "s|newTag: latest|newName: ${image%@*}\n    digest: ${image#*@}|" "$work/config/default/kustomization.yaml"
kustomize build "$work/config/default" >"$out/install.yaml"
kustomize build config/crd >"$out/crds.yaml"
grep -q "image: $image" "$out/install.yaml" || { echo "install.yaml does not run $image" >&2; exit 1; }
sed -i "s|^  repository: .*|  repository: ${image%@*}|; s|^  digest: \"\"|  digest: ${image#*@}|" "$work/config/chart/values.yaml"
(cd hack/chart && go tool helm package "$work/config/chart" --version "$version" --app-version "$version" --destination "$out")
rendered=$(cd hack/chart && go tool helm template exactmatch "$out/exactmatch-$version.tgz")
grep -q "image: \"$image\"" <<<"$rendered" || { echo "the chart does not run $image" >&2; exit 1; }

#!/usr/bin/env bash
# build.sh FOLDER: builds the control plane's one binary and links its three
# names beside it. The version comes from go.mod, since a server that is built
# without it calls itself v0.0.0.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
done
CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$out/controlplane.new" .
mv "$out/controlplane.new" "$out/controlplane"
for name in etcd kube-apiserver kubectl; do ln -sf controlplane "$out/$name"; done

#!/usr/bin/env bash
# build.sh FOLDER [PACKAGE]: builds one binary of Kubernetes and links the names
# that it answers to beside it: the control plane of the tests (.), or the rest
# that a cluster with nodes needs (./kubernetes). The version comes from go.mod,
# since a server that is built without it calls itself v0.0.0.
set -euo pipefail
# Packages are counted as go build -v names them, each on a line of one word.
progress() {
	local count=0 line
	while IFS= read -r line; do
		case $line in
		*' '*) echo "$line" ;;
		*) count=$((count + 1)) && { ((count % 100)) || echo "Building ${names// /, }: package $count of $1"; } ;;
		esac
	done
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
package=${2:-.}
case $package in
.) binary=controlplane names="etcd kube-apiserver kubectl" minutes="5 to 10" ;;
./kubernetes) binary=kubernetes names="kube-controller-manager kube-scheduler kube-proxy kubelet" minutes=5 ;;
*) echo "build.sh: no package $package" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
minor=${minor%%.*}
flags="-s -w"
for library in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags+=" -X $library.gitVersion=$version -X $library.gitMajor=1 -X $library.gitMinor=$minor"
done
export CGO_ENABLED=0
count=$(go list -deps "$package" | wc -l)
echo "Building ${names// /, } $version: $count packages, of which the cache may have some; all take $minutes minutes on two cores."
go build -v -trimpath -ldflags "$flags" -o "$out/$binary.new" "$package" 2>&1 | progress "$count"
mv "$out/$binary.new" "$out/$binary"
for name in $names; do ln -sf "$binary" "$out/$name"; done

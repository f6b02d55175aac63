#!/usr/bin/env bash
# build.sh FOLDER: builds what the nodes of a cluster run, beside the control plane:
# containerd, runc and CNI's plugins, and the images of pause and CoreDNS. Versions
# are pinned in go.mod.
set -euo pipefail
mkdir -p "$1/cni" "$1/images"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
if ! pkg-config --exists libseccomp 2>/dev/null; then # runc links against it
	packages=(libseccomp-dev pkg-config gcc libc6-dev)
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get install -y --no-install-recommends "${packages[@]}"
	else
		echo "build.sh: runc needs libseccomp: apt-get install ${packages[*]}" >&2
		exit 1
	fi
fi
version() { go list -m -f '{{.Version}}' "$1"; }
# build CGO OUT PACKAGE [FLAGS…]
build() {
	local cgo=$1 to=$2 package=$3
	shift 3
	CGO_ENABLED=$cgo go build -trimpath "$@" -o "$out/$to" "$package"
}
static=-ldflags="-s -w"
containerd=github.com/containerd/containerd/v2
versioned=-ldflags="-s -w -X $containerd/version.Version=$(version $containerd)"
build 0 containerd $containerd/cmd/containerd -tags=no_btrfs,no_devmapper,no_zfs,no_aufs "$versioned"
build 0 containerd-shim-runc-v2 $containerd/cmd/containerd-shim-runc-v2 "$versioned"
build 0 ctr $containerd/cmd/ctr "$versioned"
build 1 runc github.com/opencontainers/runc -tags=seccomp -ldflags="-s -w -X main.version=$(version github.com/opencontainers/runc)"
for plugin in main/bridge main/loopback ipam/host-local meta/portmap; do
	build 0 "cni/${plugin##*/}" "github.com/containernetworking/plugins/plugins/$plugin" "$static"
done
for program in pause coredns; do
	build 0 "$program" "./$program" "$static"
	./image.sh "cluster.local/$program:1" "$out/$program" "$out/images/$program.tar"
done
touch "$out/nodes"

# shellcheck shell=bash
# What the parts of the cluster agree on: addresses, folders, waits.

# The nodes' network. Nodes are at .11, .12, …; the machine is at .1.
# shellcheck disable=SC2034  # other files read them
net=10.123.0 pods=10.88 services=10.96 dns=10.96.0.10
# shellcheck disable=SC2034
link=exactmatch0 # the only thing of the network that the machine itself sees
# shellcheck disable=SC2034
group=exactmatch-node # the nodes' control groups begin with this

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=                  # the folder of the cluster
bin=$root/bin/cluster # containerd, runc, kubelet, …
k8s=$root/bin/k8s     # etcd, kube-apiserver, kubectl

address() { echo "$net.$((10 + $1))"; }
say() { printf 'cluster: [%3ds] %s\n' "$SECONDS" "$*" >&2; }
die() {
	say "$*"
	exit 1
}

# wait_for WHAT SECONDS COMMAND…: until the command succeeds.
wait_for() {
	local what=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || die "timed out waiting for $what"
		sleep 0.2
	done
}

# service NAME COMMAND…: in the background, with a log of its own.
service() {
	local name=$1
	shift
	"$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
}

kc() { KUBECACHEDIR=$dir/cache "$k8s/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

#!/usr/bin/env bash
# A real Kubernetes cluster on this machine: etcd, the control plane and nodes with
# kubelet, kube-proxy, containerd and runc, each node in namespaces of its own. All
# of it lies in one folder, and "down" leaves the machine as it was before "up".
set -euo pipefail
# shellcheck source=hack/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=hack/cluster/pki.sh
. "$here/pki.sh"
# shellcheck source=hack/cluster/machine.sh
. "$here/machine.sh"

usage() {
	cat >&2 <<-TEXT
		usage: $0 up [NODES]              make a cluster of 2 nodes, or as many
		       $0 run NODES COMMAND...    up, the command with its KUBECONFIG, down in any case
		       $0 stop-node I             turn off the power of a node
		       $0 start-node I            and on again
		       $0 load IMAGE.tar          give an image to every node
		       $0 down                    remove everything, and check that it is removed
		Node 1 runs the control plane too. Needs root on Linux; "make cluster" builds what it runs.
	TEXT
	exit 2
}

# find_cluster sets dir: the link of the cluster that is up bears its name.
find_cluster() {
	dir=$(cat "/sys/class/net/$link/ifalias" 2>/dev/null || true)
	[ -n "$dir" ] || die "no cluster is up"
}

check_machine() {
	local program
	[ "$(uname -s)" = Linux ] || die "nodes need Linux; give a cluster by KUBECONFIG instead"
	[ "$(id -u)" = 0 ] || die "nodes need root; give a cluster by KUBECONFIG instead"
	local packages=()
	for program in openssl:openssl ip:iproute2 nft:nftables unshare:util-linux nsenter:util-linux sysctl:procps; do
		command -v "${program%:*}" >/dev/null || packages+=("${program#*:}")
	done
	if [ ${#packages[@]} != 0 ]; then
		command -v apt-get >/dev/null || die "install ${packages[*]}"
		apt-get install -y --no-install-recommends "${packages[@]}" >&2
	fi
	for program in "$bin"/{kubernetes,containerd,runc,ctr} "$k8s/controlplane" "$bin"/images/{pause,coredns}.tar; do
		[ -e "$program" ] || die "$program is missing: make cluster"
	done
	[ ! -e "/sys/class/net/$link" ] || die "a cluster is up in $(cat "/sys/class/net/$link/ifalias"): take it down first"
	[ -z "$(ip route show to "$net.0/24")" ] || die "this machine has a route to $net.0/24 already, where the nodes would be"
}

# hold NAME COMMAND…: a process that holds namespaces and is known as NAME.
hold() {
	local name=$1
	shift
	EXACTMATCH_NODE_OF=$dir setsid "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
	echo $! >"$dir/$name.pid"
	disown # its end is no news
}

has_own_network() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# inside NAME: the process in the namespaces that NAME holds.
inside() { cat "/proc/$(cat "$dir/$1.pid")/task/"*/children | awk '{print $1}'; }

node_is_apart() {
	local process
	process=$(inside "$1") && [ -n "$process" ] && has_own_network "$process"
}

# make_network: a switch in a namespace of its own, out of reach of this machine's
# packet filter, and a link from here.
make_network() {
	hold switch unshare --net sleep infinity
	local switch
	switch=$(cat "$dir/switch.pid")
	wait_for "the switch" 10 has_own_network "$switch"
	ip link add "$link" type veth peer name machine netns "$switch"
	ip link set "$link" alias "$dir"
	nsenter --target "$switch" --net ip link add switch type bridge
	nsenter --target "$switch" --net ip link set switch up
	nsenter --target "$switch" --net ip link set machine master switch up
	ip address add "$net.1/24" dev "$link"
	ip link set "$link" up
}

# power_on NODE
power_on() {
	local switch
	switch=$(cat "$dir/switch.pid")
	make_groups "$1"
	hold "node$1" unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc "$here/node.sh" "$1" "$(cat "$dir/nodes")"
	wait_for "the namespaces of node$1" 10 node_is_apart "node$1"
	nsenter --target "$switch" --net ip link add "node$1" type veth peer name eth0 netns "$(inside "node$1")"
	nsenter --target "$switch" --net ip link set "node$1" master switch up
}

# power_off NAME: kills what holds the namespaces and so everything in them. A
# number in a file may be another process's by now.
power_off() {
	local holder
	holder=$(cat "$dir/$1.pid")
	rm "$dir/$1.pid"
	if processes "$dir" | grep -qx "$holder"; then kill -KILL "$holder"; fi
}

no_processes() { [ -z "$(processes "$dir")" ]; }

up() {
	check_machine
	dir=$(mktemp -d "${TMPDIR:-/tmp}/exactmatch-cluster.XXXXXXXX")
	local nodes=$1 before
	before=$(machine_state "$dir" | grep -vxF "folder $dir")
	echo "$before" >"$dir/before"
	mkdir "$dir/log" "$dir/volumes"
	echo "$nodes" >"$dir/nodes"
	save_machine
	make_network
	make_pki "$nodes"
	local node
	for node in $(seq "$nodes"); do power_on "$node"; done
	wait_for "the API server" 120 kc get --raw /readyz
	say "the API server is ready"
	for node in $(seq "$nodes"); do wait_for "node$node" 120 kc wait --for=condition=Ready "node/node$node" --timeout=1s; done
	say "$nodes nodes are ready"
	kc apply --server-side -f "$here/coredns.yaml" >/dev/null
	wait_for "the default service account" 60 kc get serviceaccount default
	wait_for "CoreDNS" 120 kc -n kube-system rollout status deployment/coredns --timeout=1s
	say "up: export KUBECONFIG=$dir/kubeconfig KUBECACHEDIR=$dir/cache"
}

stop_node() {
	[ "$1" != 1 ] || die "node 1 runs the control plane"
	# A machine that goes off says goodbye to nobody: its cable is cut first.
	nsenter --target "$(cat "$dir/switch.pid")" --net ip link delete "node$1"
	power_off "node$1"
	remove_groups "$1"
	say "node$1 is off"
}

start_node() {
	power_on "$1"
	say "node$1 is on"
}

load() {
	local file node
	file=$(realpath "$1")
	for node in "$dir"/node*.pid; do
		node=${node##*/}
		nsenter --target "$(inside "${node%.pid}")" --mount "$bin/ctr" -n k8s.io images import --local "$file" >>"$dir/log/images.log" 2>&1
	done
}

down() {
	local name
	for name in "$dir"/*.pid; do
		[ -e "$name" ] || continue # nothing was started
		name=${name##*/}
		power_off "${name%.pid}"
	done
	wait_for "the processes to end" 30 no_processes
	remove_groups
	restore_machine
	local before
	before=$(cat "$dir/before")
	rm -rf "$dir"
	[ ! -e "/sys/class/net/$link" ] || ip link delete "$link"
	compare "$before" "$(machine_state "$dir")"
	say "down: nothing is left"
}

# cleanly COMMAND…: takes the cluster down where the command fails, or in any case
# if it is run, also after a signal.
cleanly() {
	trap 'exit 130' INT TERM HUP
	trap 'finish $?' EXIT
	"$@"
}

finish() {
	trap '' INT TERM HUP
	local code=$1
	if [ -d "$dir" ] && { [ "$command" = run ] || [ "$code" != 0 ]; }; then
		if [ "$code" != 0 ]; then
			rm -rf "$bin/log" && cp -r "$dir/log" "$bin/log" && say "failed; the logs of the nodes are in $bin/log"
		fi
		down || code=1
	fi
	exit "$code"
}

# run NODES COMMAND…
run() {
	local nodes=$1
	shift
	up "$nodes"
	KUBECONFIG=$dir/kubeconfig KUBECACHEDIR=$dir/cache EXACTMATCH_CLUSTER=$dir PATH=$k8s:$PATH "$@"
}

command=${1:-}
shift || true
case $command in
up) cleanly up "${1:-2}" ;;
run)
	[ $# -ge 2 ] || usage
	cleanly run "$@"
	;;
stop-node | start-node)
	[ $# = 1 ] || usage
	find_cluster
	"${command/-/_}" "$1"
	;;
load)
	[ $# = 1 ] || usage
	find_cluster
	load "$1"
	;;
down)
	find_cluster
	down
	;;
*) usage ;;
esac

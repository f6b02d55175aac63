# shellcheck shell=bash disable=SC2154 # lib.sh sets what is not set here
# What a cluster could change of the machine outside its folder: told, changed
# back, and compared.

# Written by every kubelet and not part of any namespace.
sysctls=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)
# Where kubelet and CNI write whatever they are told. Each node mounts something of its own there.
fixed_paths=(/var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers)
# Where they write by default, which nothing of ours should.
other_paths=(/etc/cni /etc/containerd /opt/cni /opt/containerd /run/containerd /run/netns /run/kubernetes
	/run/xtables.lock "$HOME/.kube/cache/discovery/$(address 1)_6443" /usr/libexec/kubernetes /var/lib/containerd /var/lib/calico /var/lib/dockershim)

# control_groups: the folders that hold control groups, one a hierarchy.
control_groups() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo /sys/fs/cgroup
	else
		awk '$3 == "cgroup" {print $2}' /proc/self/mounts
	fi
}

# node_groups: the nodes' control groups, the deepest first. They come and go meanwhile.
node_groups() { control_groups | while read -r hierarchy; do find "$hierarchy"/"$group"[0-9]* -depth -type d 2>/dev/null || true; done; }

# processes: those of a cluster, by the mark in their environment.
processes() { grep -slz "^EXACTMATCH_NODE_OF=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true; }

# machine_state DIR: a line for each thing, sorted.
machine_state() {
	{
		ip -o link | awk '{print "link", $2}'
		ip -o address | awk '{print "address", $2, $4}'
		ip route show table all | grep -v -e fe80: -e ff00: | sed 's/^/route /; s/ expires [0-9]*sec//'
		sed 's/^/mount /' /proc/self/mounts
		sysctl -a 2>/dev/null | grep -E '^(vm|net|kernel\.(panic|keys|shm|msg|core))' | grep -v -e nf_conntrack_count -e stat_refresh | sed 's/^/sysctl /'
		! command -v nft >/dev/null || nft --stateless list ruleset | sed "s/^/nftables /" || true
		! command -v iptables-save >/dev/null || iptables-save 2>/dev/null | grep -v "^#" | sed "s/\\[.*//; s/^/iptables /" || true
		node_groups | sed 's/^/control group /'
		processes "$1" | sed 's/^/process /'
		find "${fixed_paths[@]}" "${other_paths[@]}" -maxdepth 1 2>/dev/null | sed 's/^/file /' || true
		[ ! -e "$1" ] || echo "folder $1"
	} | LC_ALL=C sort -u
}

# compare BEFORE AFTER: fails and says what differs. A sysctl that is new is a
# module's that the kernel has loaded meanwhile.
compare() {
	local new lost
	new=$(LC_ALL=C comm -13 <(echo "$1") <(echo "$2") | grep -v '^sysctl ' || true)
	lost=$(LC_ALL=C comm -23 <(echo "$1") <(echo "$2"))
	[ -z "$new$lost" ] || die "the cluster is down, and the machine is not as it was:${new:+
left behind:
$new}${lost:+
not as before:
$lost}"
}

# save_machine: what restore_machine needs.
save_machine() {
	local path name
	for name in "${sysctls[@]}"; do printf '%s=%s\n' "$name" "$(sysctl -n "$name")"; done >"$dir/sysctls"
	[ ! -e /sys/fs/cgroup/cgroup.subtree_control ] || cat /sys/fs/cgroup/cgroup.subtree_control >"$dir/controllers"
	for path in "${fixed_paths[@]}"; do
		[ -d "$path" ] || { mkdir -p "$path" && echo "$path"; }
	done >"$dir/made"
}

restore_machine() {
	local name path
	[ ! -e "$dir/sysctls" ] || while read -r name; do sysctl -qw "$name"; done <"$dir/sysctls"
	[ ! -e "$dir/made" ] || while read -r path; do rmdir "$path"; done <"$dir/made"
	if [ -e "$dir/controllers" ]; then
		tr ' ' '\n' </sys/fs/cgroup/cgroup.subtree_control | while read -r name; do
			grep -qw "$name" "$dir/controllers" || echo "-$name" >/sys/fs/cgroup/cgroup.subtree_control
		done
	fi
}

# make_groups NODE: the control groups of one node.
make_groups() {
	local hierarchy name
	for hierarchy in $(control_groups); do
		mkdir -p "$hierarchy/$group$1"
		if [ -e "$hierarchy/cpuset.cpus" ]; then # version 1 gives a new group none
			for name in cpuset.cpus cpuset.mems; do cat "$hierarchy/$name" >"$hierarchy/$group$1/$name"; done
		fi
		if [ -e "$hierarchy/cgroup.subtree_control" ]; then # version 2 wants them handed down
			tr ' ' '\n' <"$hierarchy/cgroup.controllers" | while read -r name; do
				echo "+$name" | tee "$hierarchy/cgroup.subtree_control" "$hierarchy/$group$1/cgroup.subtree_control" >/dev/null 2>&1 || true
			done
		fi
	done
}

# no_groups NODE: removes its control groups, or all, and fails where one is left.
no_groups() {
	local left
	left=$(node_groups | grep "/$group${1:-[0-9]*}\(/\|\$\)" || true)
	[ -z "$left" ] || { xargs rmdir <<<"$left" && false; }
}

# remove_groups NODE, or of all: the kernel lets go of a group shortly after its
# last process.
remove_groups() { wait_for "the control groups to end" 30 no_groups "${1:-}"; }

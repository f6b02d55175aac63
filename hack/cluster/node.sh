#!/usr/bin/env bash
# node.sh I NODES: one node of the cluster, the first process of the namespaces
# that cluster.sh made for it. Node 1 runs the control plane as well. It stays
# until it is killed, as a machine does until the power goes.
set -euo pipefail
# shellcheck source=hack/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
i=$1 nodes=$2 dir=$EXACTMATCH_NODE_OF
name=node$i ip=$(address "$i") disk=$dir/node$i pki=$dir/pki

network() {
	local other
	sysctl -qw kernel.hostname="$name"
	ip link set lo up
	wait_for "the cable of $name" 10 ip link show eth0
	ip address add "$ip/24" dev eth0
	ip link set eth0 up
	ip route add default via "$net.1"
	for other in $(seq "$nodes"); do
		[ "$other" = "$i" ] || ip route add "$pods.$other.0/24" via "$(address "$other")"
	done
	sysctl -qw net.ipv4.ip_forward=1
}

# folders keeps what is written at fixed paths in this node. What lies in /run is
# gone when the node is off, as everywhere.
folders() {
	local path
	mkdir -p "$disk/cni"
	mount -t tmpfs tmpfs /run
	for path in /var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers; do mount -t tmpfs tmpfs "$path"; done
}

etcd() { "$k8s/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync --log-level=warn; }

apiserver() {
	"$k8s/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$ip" \
		--service-cluster-ip-range="$services.0.0/16" --allow-privileged \
		--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
		--client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
		--kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
		--kubelet-preferred-address-types=InternalIP \
		--service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key"
}

controllers() {
	"$bin/kube-controller-manager" --leader-elect=false --use-service-account-credentials \
		--kubeconfig="$pki/controllers.kubeconfig" --authentication-kubeconfig="$pki/controllers.kubeconfig" \
		--authorization-kubeconfig="$pki/controllers.kubeconfig" \
		--service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" \
		--flex-volume-plugin-dir="$disk/volume-plugins"
}

scheduler() {
	"$bin/kube-scheduler" --leader-elect=false --kubeconfig="$pki/scheduler.kubeconfig" \
		--authentication-kubeconfig="$pki/scheduler.kubeconfig" --authorization-kubeconfig="$pki/scheduler.kubeconfig"
}

# containers starts containerd. Its score for the killer of processes stays as it
# is: a lower one needs a right that root does not have everywhere.
containers() {
	cat >"$disk/cni/10-bridge.conflist" <<-JSON
		{"cniVersion": "1.0.0", "name": "pods", "plugins": [
		 {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {"type": "host-local",
		  "dataDir": "/run/addresses", "ranges": [[{"subnet": "$pods.$i.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		 {"type": "portmap", "capabilities": {"portMappings": true}}]}
	JSON
	cat >"$disk/containerd.toml" <<-TOML
		version = 3
		root = '$disk/containerd'
		state = '/run/containerd'
		disabled_plugins = ['io.containerd.internal.v1.opt'] # it makes a folder in /opt
		[grpc]
		address = '/run/containerd/containerd.sock'
		[plugins.'io.containerd.cri.v1.images'.pinned_images]
		sandbox = 'cluster.local/pause:1'
		[plugins.'io.containerd.cri.v1.runtime']
		restrict_oom_score_adj = true
		[plugins.'io.containerd.cri.v1.runtime'.cni]
		bin_dirs = ['$bin/cni']
		conf_dir = '$disk/cni'
		[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
		runtime_type = 'io.containerd.runc.v2'
		[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
		BinaryName = '$bin/runc'
	TOML
	PATH="$bin:$PATH" service "containerd$i" "$bin/containerd" --config "$disk/containerd.toml"
	wait_for "containerd of $name" 30 "$bin/ctr" version
	local image
	for image in "$bin"/images/*.tar; do "$bin/ctr" -n k8s.io images import --local "$image" >>"$dir/log/images.log" 2>&1; done
}

# agent starts the kubelet. Its logs of containers are long, since the tests read
# in them what the service has seen.
agent() {
	cat >"$disk/kubelet.yaml" <<-YAML
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: /$group$i
		failSwapOn: false
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
		authorization: {mode: Webhook}
		evictionHard: {memory.available: 100Mi}
		containerLogMaxSize: 1Gi
		volumePluginDir: $disk/volume-plugins
		nodeStatusUpdateFrequency: 4s
		clusterDomain: cluster.local
		clusterDNS: [$dns]
	YAML
	service "kubelet$i" "$bin/kubelet" --config="$disk/kubelet.yaml" --kubeconfig="$pki/$name.kubeconfig" \
		--root-dir="$disk/kubelet" --cert-dir="$disk/kubelet-pki" --hostname-override="$name" --node-ip="$ip"
	service "proxy$i" "$bin/kube-proxy" --kubeconfig="$pki/proxy.kubeconfig" --proxy-mode=nftables \
		--hostname-override="$name" --bind-address="$ip" --conntrack-max-per-core=0 --cluster-cidr="$pods.0.0/16"
}

network
folders
containers
if [ "$i" = 1 ]; then
	service etcd etcd
	service apiserver apiserver
fi
wait_for "the API server, seen from $name" 120 kc get --raw /readyz
if [ "$i" = 1 ]; then
	service controllers controllers
	service scheduler scheduler
fi
agent
# Bash reaps what is left to the first process of a node.
while true; do
	wait
	sleep infinity &
done

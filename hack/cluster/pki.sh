# shellcheck shell=bash disable=SC2154 # lib.sh sets what is not set here
# The certificates of a cluster, and a kubeconfig for each who speaks to its API.

# elliptic KEY: makes a key; RSA ones take long.
elliptic() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# certify NAME COMMON-NAME ORGANISATION [SUBJECT-ALT-NAMES]
certify() {
	local file=$dir/pki/$1
	elliptic "$file.key"
	openssl req -new -key "$file.key" -subj "/O=$3/CN=$2" -out "$file.csr"
	openssl x509 -req -in "$file.csr" -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" -CAcreateserial -days 30 -out "$file.crt" \
		-extfile <(echo "extendedKeyUsage=clientAuth,serverAuth" && [ -z "${4:-}" ] || echo "subjectAltName=$4") 2>/dev/null
}

# identify NAME COMMON-NAME ORGANISATION: a certificate, and the kubeconfig with it.
identify() {
	certify "$1" "$2" "$3"
	cat >"$dir/pki/$1.kubeconfig" <<-YAML
		apiVersion: v1
		kind: Config
		current-context: exactmatch
		contexts: [{name: exactmatch, context: {cluster: exactmatch, user: $1}}]
		clusters:
		- name: exactmatch
		  cluster: {server: "https://$(address 1):6443", certificate-authority-data: $(base64 -w0 "$dir/pki/ca.crt")}
		users:
		- name: $1
		  user: {client-certificate-data: $(base64 -w0 "$dir/pki/$1.crt"), client-key-data: $(base64 -w0 "$dir/pki/$1.key")}
	YAML
}

# make_pki NODES
make_pki() {
	local node
	mkdir -p "$dir/pki"
	elliptic "$dir/pki/ca.key"
	openssl req -x509 -new -key "$dir/pki/ca.key" -subj /CN=exactmatch-cluster -days 30 -out "$dir/pki/ca.crt"
	openssl genrsa -out "$dir/pki/accounts.key" 2048 2>/dev/null
	openssl rsa -in "$dir/pki/accounts.key" -pubout -out "$dir/pki/accounts.pub" 2>/dev/null
	certify apiserver kube-apiserver kubernetes \
		"IP:127.0.0.1,IP:$(address 1),IP:$services.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
	certify kubelet-client kube-apiserver-kubelet-client system:masters
	identify admin admin system:masters
	identify controllers system:kube-controller-manager system:kube-controller-manager
	identify scheduler system:kube-scheduler system:kube-scheduler
	identify proxy system:kube-proxy system:node-proxier
	for node in $(seq "$1"); do identify "node$node" "system:node:node$node" system:nodes; done
	cp "$dir/pki/admin.kubeconfig" "$dir/kubeconfig"
}

#!/usr/bin/env bash
# Runs the tests of hack/e2e/cluster: in the cluster that KUBECONFIG names, with
# the operator's image from IMAGE, or else in one with two nodes that is made for
# them and taken down after them in any case. E2E_ROWS is the size of the table.
set -euo pipefail
cd "$(dirname "$0")/../.."
go test -tags e2e -c -o bin/e2e.test ./hack/e2e/cluster
go build -C hack/chart -o "$PWD/bin/helm" helm.sh/helm/v4/cmd/helm
export HELM=$PWD/bin/helm
tests=(env -C hack/e2e/cluster "$PWD/bin/e2e.test" -test.v -test.timeout=60m ${E2E_RUN:+-test.run="$E2E_RUN"})
if [ -n "${KUBECONFIG:-}" ]; then
	KUBECONFIG=$(realpath "$KUBECONFIG")
	export KUBECONFIG
	command -v kubectl >/dev/null || PATH=$PWD/bin/k8s:$PATH
	echo "e2e: running in the cluster of $KUBECONFIG; tests that need our own nodes are skipped, and the operator stays: make undeploy"
	exec "${tests[@]}"
fi
if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
	echo "e2e: nodes need root on Linux; or give a cluster: KUBECONFIG=… IMAGE=… make e2e" >&2
	exit 1
fi
"${MAKE:-make}" --no-print-directory cluster
hack/cluster/image.sh exactmatch.dev/operator:e2e bin/exactmatch bin/cluster/operator.tar manager
exec hack/cluster/cluster.sh run 2 "${tests[@]}"

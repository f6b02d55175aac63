#!/usr/bin/env bash
# Prints a folder that holds etcd, kube-apiserver and kubectl: the one that
# KUBEBUILDER_ASSETS names, else what setup-envtest has installed, else nothing.
set -euo pipefail
complete() { [ -n "$1" ] && [ -x "$1/etcd" ] && [ -x "$1/kube-apiserver" ] && [ -x "$1/kubectl" ]; }
if complete "${KUBEBUILDER_ASSETS:-}"; then
	echo "$KUBEBUILDER_ASSETS"
elif command -v setup-envtest >/dev/null 2>&1; then
	found=$(setup-envtest use --installed-only -p path 2>/dev/null || true)
	if complete "$found"; then echo "$found"; fi
fi

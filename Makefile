# Every target runs on a fresh machine with Go, make, git and a C compiler; what
# else it needs is built through the Go module proxy into bin/, or fetched there.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
TOOL := go tool -modfile=$(CURDIR)/hack/tools/go.mod
CONTROLLER_GEN := $(TOOL) controller-gen
KUSTOMIZE := $(TOOL) kustomize
IMAGE ?= exactmatch.dev/operator:latest
# What `exactmatch version` says.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
# Leave out what nothing calls, for a binary that is 14 MB smaller: the direct path of Google Cloud Storage's client over
# gRPC, with xDS and Envoy (we read over HTTP), and a JSON library of Arrow's, in which no blobs are listed. Every go command gets them.
BUILD_TAGS := disable_grpc_modules,arrow_json_stdlib
export BUILD_TAGS
export GOFLAGS := $(shell go env GOFLAGS 2>/dev/null) -tags=$(BUILD_TAGS)
# Packages that run ginkgo against the API server: their closing lines are printed.
GINKGO_PACKAGES := ./controllers/... ./api/...
# How long a fuzz target runs, which ones (an extended regular expression over package/Target, "" for all), and how many at a time.
FUZZTIME ?= 30s
PATTERN ?=
FUZZJOBS ?= 2
export FUZZTIME FUZZJOBS
# The matrix of faults: one case by its name (a regular expression), and the seed of order and choice.
CASE ?=
SEED ?= 1
# Flags of the benchmarks; see bin/bench/bench -help.
BENCH_ARGS ?=
# Rows of the tables of the growth, and of the one that workers in pods share.
GROWTH_ROWS ?= 10000,100000,1000000,10000000
GROWTH_POD_ROWS ?= 2000000
# Rounds of tables over 2,000,000 rows; 100,000,000 rows take half an hour and 60 GB a round.
GROWTH_BIG_ROUNDS ?= 3
# Flags of the benchmark of the control plane; see bin/bench-control-plane/bench-control-plane -help.
CONTROL_PLANE_ARGS ?=
# Flags of the soak; see bin/soak/soak -help.
SOAK_ARGS ?=

# Which path hashes is chosen before the tests begin, so their cache does not see it.
UNCACHED := $(if $(EXACTMATCH_CPU),-count=1)

# The control plane: binaries that the environment names or setup-envtest brought, else fetched or built into bin/k8s.
K8S := $(BIN)/k8s
ASSETS := $(shell hack/assets.sh)
ifeq ($(ASSETS),)
ASSETS := $(K8S)
CONTROLPLANE := $(K8S)/kubectl
endif
CONTROLPLANE_SOURCES := $(addprefix hack/controlplane/,main.go go.mod go.sum build.sh)
# The index of prebuilt ones, in the form of setup-envtest's; empty builds without asking.
ENVTEST_INDEX ?= https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml
# The rest of Kubernetes and the nodes' programs, which only the end-to-end tests run.
CLUSTER := $(BIN)/cluster
export KUBEBUILDER_ASSETS = $(ASSETS)

##@ Start here

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^##@ / {printf "%s%s\n", gap, substr($$0, 5); gap = "\n"} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The flags of build, so that the compiled packages are shared.
.PHONY: demo
demo: controlplane build ## Upload a table of 1,000,000 patients and prove it with lookups and a scan
	@CGO_ENABLED=0 go build -trimpath -o $(BIN)/demo ./hack/demo
	@$(BIN)/demo

##@ Change the code

.PHONY: build
build: ## Build the operator's binary into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X exactmatch.dev/operator/internal/version.number=$(VERSION) -X exactmatch.dev/operator/internal/version.commit=$(COMMIT)" -o $(BIN)/exactmatch .

.PHONY: controlplane
controlplane: $(CONTROLPLANE) ## Fetch or build etcd, kube-apiserver and kubectl into bin/k8s, unless they are there

# What can be had prebuilt, of the same version and with the right checksum, is not built.
$(K8S)/kubectl: $(CONTROLPLANE_SOURCES)
	@mkdir -p $(K8S)
ifneq ($(ENVTEST_INDEX),)
	@CGO_ENABLED=0 go build -trimpath -o $(BIN)/fetch ./hack/fetch
	@version=$$(go list -C hack/controlplane -m -f '{{.Version}}' k8s.io/kubernetes); \
	$(BIN)/fetch -index '$(ENVTEST_INDEX)' -folder $(K8S) "$$version" || \
		{ status=$$?; [ $$status -eq 1 ] || exit $$status; hack/controlplane/build.sh $(K8S); }
else
	@hack/controlplane/build.sh $(K8S)
endif

# All in one binary, which a cluster with nodes needs.
$(K8S)/controlplane: $(CONTROLPLANE_SOURCES)
	@hack/controlplane/build.sh $(K8S)

.PHONY: fmt
fmt: ## Format the code
	gofmt -w .

.PHONY: generate
generate: ## Generate deep copies, CRDs, their JSON schemas, RBAC, the chart's files and the document of the states
	$(CONTROLLER_GEN) object paths=./api/...
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/... output:rbac:dir=config/rbac
	go run ./hack/schemas
	go run -C hack/chart .
	go generate ./...

.PHONY: docs
docs: generate ## Generate the documents that come from code (the same as generate)

# The suites of the API server wait more than they compute, so the others run beside
# them, and three of those at a time, of which some wait too; what each prints stays
# together.
.PHONY: test test-packages test-suites
test: controlplane ## Run all tests with the race detector
	@$(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) test-packages test-suites

test-packages:
	go test -race -p 3 -timeout 20m $(UNCACHED) $$(go list ./... | grep -v -e /controllers -e /api/)
	go test -C hack/measure/plot ./...
	go test -C hack/chart ./...
	go test -C hack/alerts -timeout 20m ./...

test-suites: controlplane
	go test -race -timeout 20m $(UNCACHED) -v $(GINKGO_PACKAGES)

.PHONY: verify
verify: ## Check format, lint, import rules, generated files and vulnerabilities, and fuzz what comes from outside for 30 s a target
	@hack/verify.sh

# Flags of the report on uses, as in USES_ARGS='-before v1.0.0 ./controllers/...'; see go run ./hack/uses -help.
USES_ARGS ?=
.PHONY: uses
uses: ## Show how the files of each package use each other and how many uses run back up; USES_ARGS='-before REVISION' compares
	@go run ./hack/uses $(USES_ARGS)

##@ Test for longer

.PHONY: faults
faults: controlplane ## Run the whole matrix of faults and write its table, or CASE=step/disruption/fault alone
	go test -race -count=1 -timeout 80m $(if $(CASE),-v -run 'TestMatrix$$') ./hack/faults \
		-args -seed $(SEED) $(if $(CASE),-case '$(CASE)',-all -table MATRIX.md)

.PHONY: e2e
e2e: controlplane build ## Run the lifecycle with real processes, then in a cluster: with nodes of its own (root on Linux), or that of KUBECONFIG
	go test -tags e2e -count 1 -v ./hack/e2e
	@hack/e2e/cluster.sh

# Azurite, as hack/interop/package-lock.json pins it.
AZURITE := $(BIN)/interop/node_modules/.bin/azurite-blob
$(AZURITE): hack/interop/package.json hack/interop/package-lock.json
	@command -v npm >/dev/null || { echo "interop: install node and npm" >&2; exit 1; }
	@mkdir -p $(BIN)/interop
	cp hack/interop/package.json hack/interop/package-lock.json $(BIN)/interop
	cd $(BIN)/interop && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: judges
judges: ## Have kube-score judge what the chart renders; hack/judges/findings.txt has what stays, and why
	@hack/judges/run.sh

.PHONY: interop
interop: $(AZURITE) ## Hold the service against the clients of Graph and Azure, and our uploads against Azurite (node and npm)
	INTEROP_AZURITE=$(AZURITE) go test -C hack/interop -count=1 -v ./...

.PHONY: cluster
cluster: $(CLUSTER)/kubernetes $(CLUSTER)/nodes $(K8S)/controlplane ## Build the programs of a cluster with nodes into bin/cluster, unless they are there

$(CLUSTER)/kubernetes: hack/controlplane/kubernetes/main.go hack/controlplane/go.mod hack/controlplane/go.sum hack/controlplane/build.sh
	@hack/controlplane/build.sh $(CLUSTER) ./kubernetes

$(CLUSTER)/nodes: hack/cluster/build.sh hack/cluster/image.sh hack/cluster/go.mod hack/cluster/go.sum $(wildcard hack/cluster/*/*.go)
	@echo "Building containerd, runc, the plugins of CNI and CoreDNS: the first time takes 3 minutes on two cores."
	@hack/cluster/build.sh $(CLUSTER)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s), or those that PATTERN names
	@hack/fuzz.sh $(FUZZTIME) '$(PATTERN)'

MUTATE_ARGS ?=
# Mutations run one after the other; each builds the package and runs the tests that are named with it.
.PHONY: mutate
mutate: controlplane ## Take every guard away and see a test fail, into hack/mutate/TABLE.md; CASE=id one guard, PATTERN=internal/edm one pure package, MUTATE_ARGS=-missing what the table does not show killed
	@mkdir -p $(BIN)
	@go build -modfile=hack/tools/go.mod -o $(BIN)/gremlins github.com/go-gremlins/gremlins/cmd/gremlins
	go run ./hack/mutate -gremlins $(BIN)/gremlins -case '$(CASE)' -pure '$(PATTERN)' $(MUTATE_ARGS)

.PHONY: soak
soak: controlplane build ## Kill everything at random for 10 minutes, and create 1,000 sessions with the service down; SOAK_ARGS are its flags
	@mkdir -p $(BIN)/soak
	go build -o $(BIN)/soak/soak ./hack/soak
	@$(BIN)/soak/soak -bin $(BIN) $(SOAK_ARGS)

##@ Measure

# What draws the measurements' charts: a module of its own, so that its library is none of the operator's.
PLOTTER := $(BIN)/plot
$(PLOTTER): $(wildcard hack/measure/plot/*.go) hack/measure/plot/go.mod hack/measure/plot/go.sum
	@mkdir -p $(BIN)
	go build -C hack/measure/plot -o $(PLOTTER) .

.PHONY: bench
bench: build $(PLOTTER) ## Measure the table's way beside others: half an hour, or 2 minutes with BENCH_ARGS=-quick
	@mkdir -p $(BIN)/bench
	go build -o $(BIN)/bench/bench ./hack/measure/bench
	@$(BIN)/bench/bench $(BENCH_ARGS)

.PHONY: bench-plots
bench-plots: $(PLOTTER) ## Write the last run's report and plots into hack/measure/bench/results
	@$(BIN)/bench/bench -from $(BIN)/bench/results.json -docs hack/measure/bench/results

.PHONY: bench-growth
bench-growth: build $(PLOTTER) ## Draw costs by rows, by pods and, after bench-control-plane, by sessions
	@mkdir -p $(BIN)/bench $(BIN)/bench-growth
	go build -o $(BIN)/bench/bench ./hack/measure/bench
	@$(BIN)/bench/bench -only '/(e2e|pods)-' -rounds 5 -big-rounds $(GROWTH_BIG_ROUNDS) -e2e-rows $(GROWTH_ROWS) -pod-rows $(GROWTH_POD_ROWS) -out $(BIN)/bench-growth
	go run ./hack/measure/growth -rows $(BIN)/bench-growth/results.json -sessions $(BIN)/bench-control-plane/results.json

.PHONY: bench-control-plane
bench-control-plane: controlplane build ## Measure the manager beside 10,000 sessions, about 10 minutes; CONTROL_PLANE_ARGS are its flags
	@mkdir -p $(BIN)/bench-control-plane
	go build -o $(BIN)/bench-control-plane/bench-control-plane ./hack/measure/controlplane
	@$(BIN)/bench-control-plane/bench-control-plane -bin $(BIN) $(or $(CONTROL_PLANE_ARGS),-docs hack/measure/controlplane/results.md)

.PHONY: limits
limits: build ## Measure memory on what is too large: 10 GB, a gzip bomb, 50,000 blocks; LIMITS_ARGS=-quick takes a minute
	@mkdir -p $(BIN)/limits
	go build -o $(BIN)/limits/limits ./hack/measure/limits
	@$(BIN)/limits/limits -bin $(BIN) $(or $(LIMITS_ARGS),-docs hack/measure/limits/results.md)

.PHONY: hostile
hostile: build ## Time a good client of the service beside hostile and slow ones, 3 minutes on a machine that does nothing else
	@mkdir -p $(BIN)/hostile
	go build -o $(BIN)/hostile/hostile ./hack/measure/hostile
	@$(BIN)/hostile/hostile -bin $(BIN) $(HOSTILE_ARGS)

##@ Install

.PHONY: image
image: ## Build the image with docker or podman
	@engine=$$(command -v docker || command -v podman) || { echo "image: install docker or podman" >&2; exit 1; }; \
	$$engine build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t $(IMAGE) .

.PHONY: install-manifests
install-manifests: ## Write bin/dist/install.yaml, crds.yaml and the chart for IMAGE=name@sha256:... and VERSION
	hack/release/manifests.sh '$(IMAGE)' '$(VERSION)' $(BIN)/dist

.PHONY: reproduce
reproduce: ## Build the image's binaries twice and compare their digests; PLATFORMS=linux/amd64 takes half the time
	@hack/release/reproduce.sh

.PHONY: deploy
deploy: ## Deploy the manager and the service to the cluster of the current kubeconfig
	@# kustomize edits its files in place: a copy names the image.
	@mkdir -p $(BIN); copy=$$(mktemp -d $(BIN)/config.XXXXXX); trap 'rm -rf "$$copy"' EXIT; \
	cp -r config/. "$$copy"; cd "$$copy/default"; \
	$(KUSTOMIZE) edit set image exactmatch.dev/operator=$(IMAGE); \
	$(KUSTOMIZE) build . | kubectl apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove what deploy made, with every object of the project's kinds
	@# The manager takes the finalizers off, so its objects go before it does.
	for kind in sessions datastores uploadagents; do \
		if kubectl get crd exactmatch$$kind.exactmatch.dev >/dev/null 2>&1; then \
			kubectl delete exactmatch$$kind.exactmatch.dev --all --all-namespaces --timeout=5m; \
		fi; \
	done
	$(KUSTOMIZE) build config/default | kubectl delete --ignore-not-found -f -

.PHONY: run
run: build ## Run the manager against the current kubeconfig, with the policy in POLICY_FILE
	$(BIN)/exactmatch manager --leader-elect=false --metrics-bind-address=127.0.0.1:8080 --metrics-secure=false $(if $(POLICY_FILE),--policy-file=$(POLICY_FILE))

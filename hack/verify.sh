#!/usr/bin/env bash
# Checks the tree without changing it: format, vet, lint with the import rules,
# tidy modules, generated files, manifests, known vulnerabilities, and the fuzz
# targets of what comes from outside for FUZZTIME each (30 s).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tool() { go tool -modfile="$root/hack/tools/go.mod" "$@"; }
step() { printf '== %s\n' "$*"; }

step format
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || { echo "run 'make fmt': $unformatted" >&2; exit 1; }

step vet
go vet ./...
go vet -tags "e2e${BUILD_TAGS:+,$BUILD_TAGS}" ./hack/...

step lint and import rules
tool golangci-lint run ./...
(cd hack/measure/plot && go vet ./... && tool golangci-lint run ./...)
(cd hack/measure/peers && go vet ./... && tool golangci-lint run ./...)
(cd hack/interop && go vet ./... && tool golangci-lint run ./...)
(cd hack/chart && go vet ./... && tool golangci-lint run ./...)
(cd hack/alerts && go vet ./... && tool golangci-lint run ./...)
go run ./hack/uses -forbidden

step API conventions
tool golangci-lint-kube-api-linter run -c hack/tools/api-lint.yml ./api/...

step tidy modules
go mod tidy -diff
(cd hack/controlplane && go mod tidy -diff)
(cd hack/cluster && go mod tidy -diff)
(cd hack/simdgen && go mod tidy -diff)
(cd hack/measure/plot && go mod tidy -diff)
(cd hack/measure/peers && go mod tidy -diff)
(cd hack/interop && go mod tidy -diff)
(cd hack/chart && go mod tidy -diff)
(cd hack/judges && go mod tidy -diff)
(cd hack/release && go mod tidy -diff)
(cd hack/alerts && go mod tidy -diff)

step dependency updates
listed=$(sed -nE 's|^ *directories: \[(.*)\]$|\1|p' .github/dependabot.yml | tr -d ' ' | tr , '\n' | sort)
there=$(git ls-files --cached '*go.mod' | sed -E 's#(^|/)go\.mod$##; s|^|/|' | sort)
diff <(echo "$there") <(echo "$listed") || { echo "list the folder of every go.mod in .github/dependabot.yml" >&2; exit 1; }

step generated files
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh/crd" "$fresh/rbac" "$fresh/object"
tool controller-gen object paths=./api/... output:object:dir="$fresh/object"
tool controller-gen crd paths=./api/... output:crd:dir="$fresh/crd"
tool controller-gen rbac:roleName=manager-role paths=./controllers/... output:rbac:dir="$fresh/rbac"
go run ./hack/states >"$fresh/STATES.md"
mkdir "$fresh/schemas" && go run ./hack/schemas -out "$fresh/schemas"
stale() { echo "stale: run 'make generate' and commit" >&2; exit 1; }
diff -u api/v1alpha1/zz_generated.deepcopy.go "$fresh/object/zz_generated.deepcopy.go" || stale
diff -ru config/crd/bases "$fresh/crd" || stale
diff -ru config/schemas "$fresh/schemas" || stale
go run -C hack/chart . -out "$fresh/chart"
diff -ru config/chart/files "$fresh/chart" || stale
diff -u config/rbac/role.yaml "$fresh/rbac/role.yaml" || stale
diff -u internal/session/STATES.md "$fresh/STATES.md" || stale
for kernels in avx512 shani; do
	go run -C hack/simdgen . -kernels "$kernels" -pkg simd -out "$fresh/$kernels.s" -stubs "$fresh/$kernels.go"
	for file in s go; do # the first line names the command
		diff -u <(tail -n +2 "internal/simd/${kernels}_amd64.$file") <(tail -n +2 "$fresh/$kernels.$file") || stale
	done
done

step manifests
for install in default namespaced components/admission-policy argocd prometheus grafana; do
	tool kustomize build "config/$install" >/dev/null
done
# The other components stand on config/default: hack/chart builds each, and hack/roles has the API server judge them.
schemas="config/schemas/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
tool kubeconform -strict -summary -schema-location "$schemas" -skip Kustomization,ConfigMap,ServiceAccount config/samples
# A schema that refuses nothing would be of no use.
if sed 's/desiredState/desiredsState/' config/samples/session_patients.yaml | tool kubeconform -schema-location "$schemas" >/dev/null; then
	echo "the schemas accept a misspelt field" >&2
	exit 1
fi

step vulnerabilities
if curl -fsS --max-time 10 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then
	tool govulncheck ./...
else
	echo "skipped: the vulnerability database cannot be reached"
fi
step fuzz targets
# Rows, lines and headers, stripes, blocks, the service's requests, callers, queries, signatures and schemas, text that is scanned, and what
# a service or a storage answers.
# The rest, loops held against each other, is for 'make fuzz'.
FUZZJOBS="${FUZZJOBS:-2}" hack/fuzz.sh "${FUZZTIME:-30s}" \
	'table/Fuzz(Reader|Header|Lines|Tables)$' 'block/FuzzDecode$' service/Fuzz authn/Fuzz edm/Fuzz edm/rest/Fuzz \
	pipeline/Fuzz upload/Fuzz lookup/Fuzz scan/Fuzz source/FuzzURI answer/Fuzz

echo "verify: all good"

#!/usr/bin/env bash
# Renders the chart with everything on and has kube-score judge it. Each finding that stays is in findings.txt with its
# reason; another finding fails, and so does one of the list that is no longer found.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd hack/chart && go tool helm template exactmatch ../../config/chart --namespace exactmatch-system --set crds.enabled=false \
	--set image.tag=v1.2.3 --set networkPolicy.enabled=true --set manager.podDisruptionBudget.enabled=true \
	--set service.backup.enabled=true --set service.metrics.enabled=true --set admissionPolicy.enabled=true) >"$work/rendered.yaml"
(cd hack/judges && go tool kube-score score --kubernetes-version v1.32 --output-format ci "$work/rendered.yaml" || true) >"$work/score.txt"
judged=$(grep -c '^\[OK\]' "$work/score.txt")
[ "$judged" -ge 40 ] || { echo "kube-score has judged only $judged things: $(cat "$work/score.txt")" >&2; exit 1; }
diff <(grep -v -e '^#' -e '^$' hack/judges/findings.txt | sort) <(grep -E '^\[(CRITICAL|WARNING)\]' "$work/score.txt" | sort) ||
	{ echo "< is in hack/judges/findings.txt and not found, > is found and not there" >&2; exit 1; }
echo "judges: kube-score finds $judged things good, and $(grep -cE '^\[' hack/judges/findings.txt) that stay for the reasons of hack/judges/findings.txt"

#!/usr/bin/env bash
# fuzz.sh TIME [PATTERN...]: runs every fuzz target of the repository for TIME, or
# those whose package/Target matches one of the extended regular expressions. A
# PATTERN that matches no target is an error: its package has moved.
# FUZZJOBS is how many run at a time (1; with more, each has one worker). It
# prints a line for each target, and for a finding where the failing input lies.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh TIME [PATTERN...]} jobs=${FUZZJOBS:-1}
shift
[ -n "$*" ] || set -- .
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# targets prints "package Target" for every target that matches the pattern.
targets() {
	local pattern=$1
	git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' |
		sed -nE 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\($|./\1 \2|p' | sort |
		while read -r package target; do
			if grep -qE -- "$pattern" <<<"$package/$target"; then echo "$package $target"; fi
		done
}

# starved: a worker that got no processor in time ends with this and nothing
# else. There is no failing input then, and the target deserves another run.
starved() {
	grep -q '^ *context deadline exceeded$' "$1" && ! grep -qE 'Failing input written|panic:|_test\.go:[0-9]+:' "$1"
}

# run runs one target: 0 for nothing found, its output in a file of $work.
run() {
	local package=$1 target=$2 out="$work/${1//\//_}.$2" note= parallel=()
	if [ "$jobs" -gt 1 ]; then parallel=(-parallel=1); fi
	for attempt in first second; do
		if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime=10s ${parallel[@]+"${parallel[@]}"} "$package" >"$out" 2>&1; then
			local last
			last=$(grep -oE 'execs: [0-9]+' "$out" | tail -1 | grep -oE '[0-9]+' || true)
			printf 'ok    %-58s %10s executions%s\n' "$package/$target" "${last:-0}" "$note"
			return 0
		fi
		if [ "$attempt" = second ] || ! starved "$out"; then break; fi
		note=' (second run: the first ended with "context deadline exceeded" and no failing input)'
	done
	local input
	input=$(sed -nE 's/^ *Failing input written to (.*)$/\1/p' "$out" | tail -1)
	printf 'FOUND %s: %s%s\n' "$package/$target" "${input:+$package/$input}" "$note"
	if [ -z "$input" ]; then echo "no failing input was written: a seed fails, or the target does not build"; fi
	sed 's/^/  /' "$out" | grep -v '^  fuzz: elapsed' | tail -40
	return 1
}

for pattern in "$@"; do
	targets "$pattern" >"$work/matching"
	if ! [ -s "$work/matching" ]; then
		echo "no fuzz target matches $pattern" >&2
		exit 1
	fi
	cat "$work/matching" >>"$work/all"
done
sort -u "$work/all" >"$work/targets"
running=0 failed=0
while read -r package target; do
	if [ "$running" -ge "$jobs" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
	run "$package" "$target" </dev/null &
	running=$((running + 1))
done <"$work/targets"
while [ "$running" -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit "$failed"

package main

import (
	"regexp"
	"slices"
	"strings"
)

// kind says what became of a mutation.
type kind string

const (
	killed      kind = "killed"
	timedOut    kind = "killed by timeout"
	survived    kind = "survived"
	unbuilt     kind = "does not build"
	failsAnyway kind = "tests fail unmutated"
	noTests     kind = "no test ran"
	notRun      kind = "not run"
)

// verdict is what became of a mutation, and the tests that noticed.
type verdict struct {
	kind kind
	by   []string
}

// isKilled: what runs too long is noticed as well, if late.
func (v verdict) isKilled() bool { return v.kind == killed || v.kind == timedOut }

// and joins the verdicts of several tests: each of them has to notice.
func (v verdict) and(next verdict) verdict {
	if v.kind == "" {
		return next
	}
	by := append(slices.Clone(v.by), next.by...)
	if v.isKilled() {
		return verdict{next.kind, by}
	}
	return verdict{v.kind, by}
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	failedSpec = regexp.MustCompile(`(?m)^\s*\[(?:FAIL|PANICKED!?|TIMEDOUT)\] (.+?)\s*$`)
	unbuilds   = regexp.MustCompile(`(?m)^FAIL\s.*\[(?:build|setup) failed\]`)
	timeouts   = regexp.MustCompile(`panic: test timed out|\[TIMEDOUT\]`)
	nothingRan = regexp.MustCompile(`\[no tests to run\]|\[no test files\]|(?m)^Ran 0 of `)
)

// verdictOf reads the output of go test.
func verdictOf(output string, err error) verdict {
	switch {
	case unbuilds.MatchString(output):
		return verdict{kind: unbuilt, by: firstErrors(output)}
	case nothingRan.MatchString(output):
		return verdict{kind: noTests}
	case err == nil:
		return verdict{kind: survived}
	case timeouts.MatchString(output):
		return verdict{timedOut, failures(output)}
	case !strings.Contains(output, "FAIL"):
		return verdict{kind: noTests, by: firstErrors(output)} // go test itself failed
	}
	return verdict{killed, failures(output)}
}

// failures are the tests and specs that failed, without those that only contain
// others.
func failures(output string) []string {
	var names []string
	for _, found := range failedSpec.FindAllStringSubmatch(output, -1) {
		names = append(names, found[1])
	}
	if len(names) > 0 {
		slices.Sort(names)
		return slices.Compact(names)
	}
	for _, found := range failedTest.FindAllStringSubmatch(output, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	names = slices.Compact(names)
	leaves := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
	if len(leaves) == 0 {
		return []string{"a panic"}
	}
	return leaves
}

// firstErrors are the compiler's first words.
func firstErrors(output string) []string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "FAIL") })
	return lines[:min(len(lines), 2)]
}

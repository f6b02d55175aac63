package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/testkit"
)

// TestEveryKeyOfTheLogIsDescribed holds the keys of the line of a pass against
// SPEC.md.
func TestEveryKeyOfTheLogIsDescribed(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join("..", "api", "v1alpha1", "SPEC.md"))
	testkit.Must(t, err)
	_, section, _ := strings.Cut(string(spec), "## The manager's log")
	section, _, _ = strings.Cut(section, "\n## ")
	keys := 0
	for _, file := range []string{"log.go", "session_patch.go"} {
		code, err := os.ReadFile(file)
		testkit.Must(t, err)
		for _, values := range regexp.MustCompile(`(?s)(?:values := \[\]any\{|append\(values, |n\.met, )(.*?)\n`).FindAllStringSubmatch(string(code), -1) {
			for _, key := range regexp.MustCompile(`"(\w+)",`).FindAllStringSubmatch(values[1], -1) {
				keys++
				if !strings.Contains(section, "`"+key[1]+"`") {
					t.Errorf("%s logs %s, which SPEC.md does not describe", file, key[1])
				}
			}
		}
	}
	if keys < 10 {
		t.Errorf("only %d keys were found in the code", keys)
	}
}

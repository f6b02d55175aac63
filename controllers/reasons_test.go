package controllers

import (
	"os"
	"regexp"
	"testing"

	"exactmatch.dev/operator/internal/session"
)

// TestEveryStepHasAReason finds a step that does not end the session, as its comment
// says, and that shows no reason in the column STATUS while it is taken.
func TestEveryStepHasAReason(t *testing.T) {
	text, err := os.ReadFile("../internal/session/session.go")
	if err != nil {
		t.Fatal(err)
	}
	ends := map[session.Step]bool{}
	for _, match := range regexp.MustCompile(`// (Step\w+) ends: [^\n]*\n\t(Step\w+)\s+Step = "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		ends[session.Step(match[3])] = match[1] == match[2]
	}
	if len(ends) < 9 {
		t.Fatalf("the comments of session.go name %d steps that end", len(ends))
	}
	for _, step := range session.Steps {
		if shown := workReasons[step] != ""; shown == ends[step] {
			t.Errorf("the step %s ends the session: %t, has a reason: %t; add it to workReasons, or say in its comment that it ends", step, ends[step], shown)
		}
	}
}

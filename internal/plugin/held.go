package plugin

import (
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
)

// guards are the reasons in the message of Held that spec.guardOverride releases; the
// others are what changed since the upload.
var (
	guards     = []string{v1alpha1.ReasonRowDecrease, v1alpha1.ReasonColumnsMissing, v1alpha1.ReasonUnfindableCells}
	objections = []string{v1alpha1.ReasonChecksumMismatch, v1alpha1.ReasonRulesChanged, v1alpha1.ReasonKeyChanged}
)

// namedIn are the reasons that a message of Held names: each before a colon, or before
// the setting that it is judged by.
func namedIn(message string, reasons []string) (named []string) {
	for _, reason := range reasons {
		if strings.HasPrefix(message, reason) || strings.Contains(message, "; "+reason) {
			named = append(named, reason)
		}
	}
	return named
}

// heldAnswer is the answer to Held: a guard is released by an approval, what changed
// since the upload is not.
func heldAnswer(o *v1alpha1.ExactMatchSession) answer {
	message := messageOf(o)
	if changed := namedIn(message, objections); len(changed) > 0 {
		a := answerTo(changed[0])
		a.waits = "a decision: what the sealed table was made under has changed since: " + strings.Join(changed, ", ")
		return a
	}
	if found := namedIn(message, guards); len(found) == 1 && found[0] != v1alpha1.ReasonUnfindableCells {
		return answers[found[0]]
	}
	return answers[v1alpha1.ReasonHeld]
}

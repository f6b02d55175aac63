package controllers

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// TestWhatIsNoError: what a person mends, and what takes its time, is not counted.
func TestWhatIsNoError(t *testing.T) {
	const kind = "test"
	failed := errors.New("refused")
	for name, met := range map[string]*problem.Problem{
		"nothing":              nil,
		"a wait":               problem.Passes(v1alpha1.ReasonQueued, 0, "another session is active"),
		"something to be done": {Reason: v1alpha1.ReasonKeyTooShort, Remedy: problem.Repair, Err: failed},
	} {
		if countError(kind, met); testutil.ToFloat64(reconcileErrors.WithLabelValues(kind)) != 0 {
			t.Fatalf("%s is counted as an error", name)
		}
	}
	countError(kind, &problem.Problem{Reason: v1alpha1.ReasonServiceUnavailable, Remedy: problem.Retry, Err: failed})
	if got := testutil.ToFloat64(reconcileErrors.WithLabelValues(kind)); got != 1 {
		t.Errorf("a failure is counted %v times", got)
	}
}

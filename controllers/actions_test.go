package controllers

import (
	"strings"
	"testing"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// A step that is added to the lifecycle's table needs an action, and a reason where
// the step does not end the session.
func TestEveryStepHasAnAction(t *testing.T) {
	actions := (&SessionReconciler{}).steps()
	for _, step := range session.Steps {
		if actions[step] == nil {
			t.Errorf("the step %s has no action: add one to SessionReconciler.steps", step)
		}
	}
	if len(actions) != len(session.Steps) {
		t.Errorf("%d actions for %d steps", len(actions), len(session.Steps))
	}
}

// A step that nobody knows ends the pass, not the manager, and no attempt is counted
// against the session.
func TestAStepWithoutAnActionIsTerminal(t *testing.T) {
	for _, step := range []session.Step{"", "Unheard"} {
		e := newFakeEnv(t)
		s := e.scope()
		s.step = step
		err := e.r.act(t.Context(), s)
		p := problem.Of(err)
		if err == nil || p.Remedy != problem.Repair || p.Reason != v1alpha1.ReasonInternalError || !strings.Contains(p.Message, string(step)) {
			t.Errorf("the step %q ends with %v", step, err)
		}
		e.r.report(s, err)
		if v := verdictOf(s, err); !v.stalled || !v.finished || s.status().ConsecutiveFailures != 0 {
			t.Errorf("the step %q is judged %+v after %d attempts", step, v, s.status().ConsecutiveFailures)
		}
	}
}

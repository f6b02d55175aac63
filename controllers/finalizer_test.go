package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// The deadline of a deletion is one rule for each kind: it is set once, and what
// nobody has to repair may still pass before it.
func TestADeletionWaitsUntilItsDeadline(t *testing.T) {
	begun := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	o := Options{FinalizeTimeout: time.Minute}
	refused := problem.Of(&edm.Error{Op: "delete session", Status: 400, Class: edm.Terminal})
	missing := problem.Absent(v1alpha1.ReasonSecretNotFound, "missing")
	outage := problem.Of(&edm.Error{Op: "delete session", Status: 503, Class: edm.Transient})
	for name, tc := range map[string]struct {
		p      *problem.Problem
		passed time.Duration
		want   bool
	}{
		"an outage":             {outage, time.Minute - time.Second, false},
		"an outage for so long": {outage, time.Minute, true},
		"a refusal":             {refused, time.Minute - time.Second, false},
		"a refusal for so long": {refused, time.Minute, true},
		"what is gone for good": {missing, 0, true},
	} {
		var deadline *metav1.Time
		_ = o.proceeds(&deadline, outage, begun)
		if got := o.proceeds(&deadline, tc.p, begun.Add(tc.passed)); got != tc.want {
			t.Errorf("%s after %s: the deletion proceeds: %t", name, tc.passed, got)
		}
		if !deadline.Time.Equal(begun.Add(time.Minute)) {
			t.Errorf("%s moves the deadline to %s", name, deadline)
		}
	}
}

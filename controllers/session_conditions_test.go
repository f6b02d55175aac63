package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

func TestARetryOfAnotherDayNamesIt(t *testing.T) {
	s := newScope(&v1alpha1.ExactMatchSession{})
	next := time.Now().Add(30 * time.Hour).UTC()
	s.status().NextRetryTime = &metav1.Time{Time: next}
	got := retryMessage(s, problem.Passes(v1alpha1.ReasonQuotaExceeded, 0, "no slot"))
	if !strings.Contains(got, "next retry at "+next.Format(time.DateTime)+" UTC") {
		t.Errorf("message %q", got)
	}
}

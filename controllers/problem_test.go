package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
)

func TestClockNamesAnotherDay(t *testing.T) {
	now := time.Date(2026, 11, 26, 23, 30, 0, 0, time.FixedZone("west", -3*3600)) // 02:30 of the 27th UTC
	for want, at := range map[string]time.Time{
		"02:31:00 UTC":            now.Add(time.Minute),
		"2026-11-26 23:30:00 UTC": now.Add(-3 * time.Hour),
		"2026-11-28 02:30:00 UTC": now.Add(24 * time.Hour),
	} {
		if got := clock(at, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestARetryOfAnotherDayNamesIt(t *testing.T) {
	s := newScope(&v1alpha1.ExactMatchSession{})
	next := time.Now().Add(30 * time.Hour).UTC()
	s.status().NextAttemptTime = &metav1.Time{Time: next}
	got := retryMessage(s, passes(v1alpha1.ReasonQuotaExceeded, 0, "no slot"))
	if !strings.Contains(got, "next at "+next.Format(time.DateTime)+" UTC") {
		t.Errorf("message %q", got)
	}
}

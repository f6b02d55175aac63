package controllers

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

func TestTheTimeInAReasonIsThatUntilTheNext(t *testing.T) {
	var s stays
	at := time.Unix(1_700_000_000, 0)
	for i, pass := range []struct {
		after  time.Duration
		reason string
		before string
		took   time.Duration
	}{
		{0, "Preparing", "", 0},
		{time.Second, "Preparing", "", 0},
		{2 * time.Second, "Uploading", "Preparing", 3 * time.Second},
		{time.Minute, "Uploading", "", 0},
		{time.Second, "Completed", "Uploading", 61 * time.Second},
	} {
		at = at.Add(pass.after)
		before, took := s.see("uid", pass.reason, at)
		if before != pass.before || before != "" && took != pass.took {
			t.Errorf("pass %d: %q for %v, want %q for %v", i, before, took, pass.before, pass.took)
		}
	}
	s.forget("uid")
	if before, _ := s.see("uid", "Deleting", at); before != "" {
		t.Errorf("a session that is forgotten was %q", before)
	}
}

// TestWhatIsAskedToWaitIsCounted: by the reason, for a wait that the other end asked for.
func TestWhatIsAskedToWaitIsCounted(t *testing.T) {
	const kind, reason = "throttled", v1alpha1.ReasonServiceUnavailable
	asked := problem.Problem{Reason: reason, Remedy: problem.Retry, Err: errors.New("429"), After: time.Second}
	unasked, own := asked, asked
	unasked.After, own.Err = 0, nil
	for range 2 {
		countError(kind, &asked)
	}
	countError(kind, &unasked)
	countError(kind, &own)
	countError(kind, nil)
	if got := testutil.ToFloat64(throttled.WithLabelValues(kind, reason)); got != 2 {
		t.Errorf("two waits are counted as %v", got)
	}
}

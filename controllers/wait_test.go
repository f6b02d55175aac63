package controllers

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

func asksToWait(wait time.Duration) error {
	return &edm.Error{Op: "get session", Status: 503, Code: edm.CodeUnavailable, Message: "later", Class: edm.Transient, RetryAfter: wait}
}

// TestATimeOfAWrongClockIsBelievedForADay: a manager whose clock was years ahead wrote
// the next retry down; another one waits for a day, through restarts, and says until
// when.
func TestATimeOfAWrongClockIsBelievedForADay(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	object := &v1alpha1.ExactMatchSession{}
	object.UID = "u"
	object.Status.NextRetryTime = &metav1.Time{Time: now.AddDate(10, 0, 0)}
	for _, passed := range []time.Duration{0, time.Hour, 23 * time.Hour, 24 * time.Hour} {
		var m memory // of a process that has just begun
		s := newScope(object)
		waits := s.waits(now.Add(passed), m.pauseOf(s.object))
		if want := passed < 24*time.Hour; waits != want || waits && s.after > 24*time.Hour-passed {
			t.Errorf("after %s it waits: %t, for %s", passed, waits, s.after)
		}
		if told := s.status().NextRetryTime.Time; !told.Equal(now.Add(24 * time.Hour)) {
			t.Errorf("after %s the next retry is told for %s, want a day after the first look", passed, told)
		}
		object = s.object
	}
}

// TestAWaitThatIsAskedForIsKept: a session's own, for at most a day, dated, and no
// longer than its deletion may take.
func TestAWaitThatIsAskedForIsKept(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	gone, deadline := metav1.NewTime(now), metav1.NewTime(now.Add(time.Minute))
	for name, tc := range map[string]struct {
		asked time.Duration
		alter func(*v1alpha1.ExactMatchSession)
		want  time.Duration
	}{
		"an hour": {time.Hour, func(*v1alpha1.ExactMatchSession) {}, time.Hour},
		"a day":   {24 * time.Hour, func(*v1alpha1.ExactMatchSession) {}, 24 * time.Hour},
		"a year":  {365 * 24 * time.Hour, func(*v1alpha1.ExactMatchSession) {}, 24 * time.Hour},
		"beyond a deletion's": {time.Hour, func(s *v1alpha1.ExactMatchSession) {
			s.DeletionTimestamp, s.Status.FinalizeDeadline = &gone, &deadline
		}, time.Minute + time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			r := &SessionReconciler{Now: func() time.Time { return now }}
			object := &v1alpha1.ExactMatchSession{}
			tc.alter(object)
			s := newScope(object)
			r.reportFailures(s, asksToWait(tc.asked))
			if s.after != tc.want || s.status().NextRetryTime == nil || !s.status().NextRetryTime.Time.Equal(now.Add(tc.want)) {
				t.Errorf("waits %s until %v, want %s", s.after, s.status().NextRetryTime, tc.want)
			}
			if told := retryMessage(s, problem.Of(asksToWait(tc.asked))); !strings.Contains(told, problem.Clock(now.Add(tc.want), time.Now())) {
				t.Errorf("the message %q does not name the time", told)
			}
		})
	}
}

// TestStoresAndAgentsDateTheirWait: they have no field for it, so the message names
// the time, and the next look comes then.
func TestStoresAndAgentsDateTheirWait(t *testing.T) {
	now := time.Now()
	p := problem.Of(asksToWait(24 * time.Hour))
	if got := requeue(again(p, Options{PollInterval: time.Second}), p).RequeueAfter; got != 24*time.Hour {
		t.Errorf("a day is looked at in %s", got)
	}
	var conditions []metav1.Condition
	_ = simpleConditions(&conditions, 1, "well", problem.Dated(asksToWait(24*time.Hour), now))
	if told := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady).Message; !strings.Contains(told, "next retry at "+problem.Clock(now.Add(24*time.Hour), now)) {
		t.Errorf("the message is %q", told)
	}
	if err := asksToWait(0); problem.Dated(err, now) != err { //nolint:errorlint // the very error
		t.Error("a fault without a wait is dated")
	}
}

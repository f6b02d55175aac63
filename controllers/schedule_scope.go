package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/schedule"
)

// ScheduleReconciler makes the sessions of schedules when they are due.
type ScheduleReconciler struct {
	client.Client
	// Reader bypasses the cache.
	Reader   client.Reader
	Recorder events.EventRecorder
	Options  Options
	Now      func() time.Time
	// SourceVersion names what the source of a session holds now.
	SourceVersion func(ctx context.Context, session *v1alpha1.ExactMatchSession) (string, error)

	journal journal
}

// scheduleScope is what one pass over a schedule knows.
type scheduleScope struct {
	// object is changed by the pass; before is what the API server has.
	object, before *v1alpha1.ExactMatchSchedule
	// now is the time of the pass, in which its decisions agree.
	now time.Time
	// times are what the spec names; parse sets them.
	times schedule.Times
	// runs are the sessions that the schedule made, newest first; observeRuns sets them.
	runs []v1alpha1.ExactMatchSession
	// store is the template's; nil where it does not exist.
	store *v1alpha1.ExactMatchDataStore
	// decision of the pass; zero where the spec cannot be used.
	decision schedule.Decision
	// events go out after the write of status took.
	events []note
	// began is when the pass did.
	began time.Time
}

func newScheduleScope(object *v1alpha1.ExactMatchSchedule, now time.Time) *scheduleScope {
	return &scheduleScope{object: object.DeepCopy(), before: object.DeepCopy(), now: now, began: time.Now()}
}

// status is the status that the pass writes.
func (s *scheduleScope) status() *v1alpha1.ExactMatchScheduleStatus { return &s.object.Status }

// event queues an event.
func (s *scheduleScope) event(kind, reason, message string) {
	s.events = append(s.events, note{kind: kind, reason: reason, message: message})
}

// offset is by how much the runs are delayed.
func (s *scheduleScope) offset() time.Duration {
	return schedule.Offset(string(s.object.UID), time.Duration(s.object.Spec.JitterSeconds)*time.Second)
}

// isAsked reports whether spec.runNow asks for a run.
func (s *scheduleScope) isAsked() bool {
	return s.object.Spec.RunNow != "" && s.object.Spec.RunNow != s.status().ObservedRunNow
}

// facts are what the decision depends on.
func (s *scheduleScope) facts() schedule.Facts {
	handled := s.object.CreationTimestamp.Time
	if last := s.status().LastHandledTime; last != nil {
		handled = last.Time
	}
	spec := s.object.Spec
	return schedule.Facts{
		Now: s.now, Handled: handled, Offset: s.offset(), Deadline: time.Duration(spec.StartingDeadlineSeconds) * time.Second,
		Policy: schedule.Policy(spec.ConcurrencyPolicy), Suspended: spec.Suspend, Asked: s.isAsked(), Active: len(activeRuns(s.runs)),
	}
}

// schedulePass ends a pass over a schedule.
type schedulePass struct {
	r *ScheduleReconciler
	s *scheduleScope
	// found is what the pass met, next when to look again; report sets both.
	found *problem.Problem
	next  ctrl.Result
}

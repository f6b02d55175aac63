package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/schedule"
)

// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchschedules,verbs=list;watch
// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchschedules/status,verbs=patch
// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchsessions,verbs=create;delete

// Reconcile makes at most one session of a schedule.
func (r *ScheduleReconciler) Reconcile(ctx context.Context, req ctrl.Request) (result ctrl.Result, err error) {
	object := &v1alpha1.ExactMatchSchedule{}
	if err := r.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if deleted(object) { // in the foreground: its sessions go first
		r.journal.forget(object.UID)
		return ctrl.Result{}, nil
	}
	s := newScheduleScope(object, r.Now())
	defer func() { result, err = r.patchStatus(ctx, s, err) }()
	if err := r.observeRuns(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.trimHistory(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := s.parse(); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.act(ctx, s)
}

// SetupWithManager has the manager reconcile a schedule when its spec changes, one of its
// sessions ends, or a run is due.
func (r *ScheduleReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return builder.ControllerManagedBy(mgr).
		For(&v1alpha1.ExactMatchSchedule{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&v1alpha1.ExactMatchSession{}, builder.WithPredicates(stepChanged())).
		// A source that does not answer holds up no other schedule.
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r)
}

// parse reads what the spec says of times.
func (s *scheduleScope) parse() error {
	spec := s.object.Spec
	if _, err := schedule.ParseZone(spec.TimeZone); err != nil {
		s.status().NextScheduleTime = nil
		return problem.NeedsChange(v1alpha1.ReasonScheduleInvalid, "spec.timeZone: %v", err)
	}
	times, err := schedule.ParseTimes(spec.Schedule, spec.TimeZone)
	if err != nil {
		s.status().NextScheduleTime = nil
		return problem.NeedsChange(v1alpha1.ReasonScheduleInvalid, "spec.schedule: %v", err)
	}
	s.times = times
	return nil
}

// act does what the decision asks for.
func (r *ScheduleReconciler) act(ctx context.Context, s *scheduleScope) error {
	s.decision = schedule.Decide(s.times, s.facts())
	d := s.decision
	s.status().NextScheduleTime = nil
	if !d.Next.IsZero() && !s.object.Spec.Suspend {
		s.status().NextScheduleTime = &metav1.Time{Time: d.Next}
	}
	switch d.Action {
	case schedule.Pass, schedule.Rewind:
		s.setHandled(d)
	case schedule.Miss:
		s.setHandled(d)
		s.event("Warning", v1alpha1.ReasonRunMissed, fmt.Sprintf("the run of %s could not start within spec.startingDeadlineSeconds (%d)",
			stamp(d.At), s.object.Spec.StartingDeadlineSeconds))
	case schedule.Block:
		return problem.Passes(v1alpha1.ReasonWaitingForRun, 0, "%s waits until ExactMatchSession %q is finished; set spec.concurrencyPolicy to Replace to have it cancelled instead", s.dueRun(), activeRuns(s.runs)[0].Name)
	case schedule.Start, schedule.Replaced:
		return r.start(ctx, s)
	}
	return nil
}

// setHandled records that the outcome of a scheduled time is known, and what was missed
// before it.
func (s *scheduleScope) setHandled(d schedule.Decision) {
	s.status().LastHandledTime = &metav1.Time{Time: d.At}
	s.status().MissedRuns += int64(d.Missed)
}

// dueRun names the run that the decision is about.
func (s *scheduleScope) dueRun() string {
	if s.decision.At.IsZero() {
		return "the run that spec.runNow requests"
	}
	return "the run of " + stamp(s.decision.At)
}

// stamp is a scheduled time in messages and annotations.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

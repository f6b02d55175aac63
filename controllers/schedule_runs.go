package controllers

import (
	"cmp"
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// observeRuns reads the sessions of a schedule and their data store, and says in status
// what became of them.
func (r *ScheduleReconciler) observeRuns(ctx context.Context, s *scheduleScope) error {
	runs, err := runsOf(ctx, r.Client, s.object)
	if err != nil {
		return err
	}
	s.runs = runs
	store := &v1alpha1.ExactMatchDataStore{}
	name := s.object.Spec.SessionTemplate.Spec.DataStoreRef.Name
	switch err := r.Get(ctx, client.ObjectKey{Namespace: s.object.Namespace, Name: name}, store); {
	case err == nil:
		s.store = store
	case !apierrors.IsNotFound(err):
		return err
	}
	s.recordRuns()
	return nil
}

// runsOf lists the sessions that a schedule made, newest first.
func runsOf(ctx context.Context, reader client.Reader, object *v1alpha1.ExactMatchSchedule) ([]v1alpha1.ExactMatchSession, error) {
	list := &v1alpha1.ExactMatchSessionList{}
	if err := reader.List(ctx, list, client.InNamespace(object.Namespace), client.MatchingLabels{v1alpha1.ScheduleLabel: object.Name}); err != nil {
		return nil, err
	}
	runs := slices.DeleteFunc(list.Items, func(one v1alpha1.ExactMatchSession) bool { return !metav1.IsControlledBy(&one, object) })
	slices.SortFunc(runs, func(a, b v1alpha1.ExactMatchSession) int {
		return cmp.Or(scheduledTime(&b).Compare(scheduledTime(&a)), cmp.Compare(a.Name, b.Name))
	})
	return runs, nil
}

// scheduledTime is when a run was due.
func scheduledTime(one *v1alpha1.ExactMatchSession) time.Time {
	if at, err := time.Parse(time.RFC3339, one.Annotations[v1alpha1.ScheduledTimeAnnotation]); err == nil {
		return at
	}
	return one.CreationTimestamp.Time
}

// isActive reports whether a run is unfinished: a table that waits for its review too.
func isActive(one *v1alpha1.ExactMatchSession) bool {
	return !finished(one) || one.Status.Outcome == v1alpha1.ReasonUploaded
}

// succeeded reports whether a run reached what its session desires.
func succeeded(one *v1alpha1.ExactMatchSession) bool {
	return isReady(one.Status.Conditions, one.Generation) && one.Status.Outcome != v1alpha1.ReasonCancelled
}

func activeRuns(runs []v1alpha1.ExactMatchSession) (active []*v1alpha1.ExactMatchSession) {
	for i := range runs {
		if isActive(&runs[i]) {
			active = append(active, &runs[i])
		}
	}
	return active
}

// recordRuns says in status what became of the runs. What was good stays known when its
// session is gone.
func (s *scheduleScope) recordRuns() {
	const mostShown = 10
	status := s.status()
	status.ActiveRuns = nil
	for _, one := range activeRuns(s.runs) {
		if len(status.ActiveRuns) < mostShown {
			status.ActiveRuns = append(status.ActiveRuns, one.Name)
		}
	}
	for i := range s.runs {
		one := &s.runs[i]
		if one.Name == status.LastRunName {
			s.recordLastRun(one)
		}
		if at := scheduledTime(one); succeeded(one) && (status.LastSuccessfulTime == nil || !at.Before(status.LastSuccessfulTime.Time)) {
			status.LastSuccessfulTime = &metav1.Time{Time: at}
			status.LastSuccessfulRunName = one.Name
			status.LastSuccessfulInputs = one.Annotations[v1alpha1.RunInputsAnnotation]
		}
	}
}

// recordLastRun says how the last run ended, unless a later one failed before it had a
// session.
func (s *scheduleScope) recordLastRun(one *v1alpha1.ExactMatchSession) {
	known := findCondition(s.status().Conditions, v1alpha1.ConditionLastRunSucceeded)
	handled, last := s.status().LastHandledTime, s.status().LastScheduleTime
	if known != nil && known.Reason == v1alpha1.ReasonFileLate && handled != nil && last != nil && handled.After(last.Time) {
		return
	}
	word := metav1.ConditionUnknown
	switch {
	case succeeded(one):
		word = metav1.ConditionTrue
	case finished(one):
		word = metav1.ConditionFalse
	}
	reason := cmp.Or(one.StatusReason(), v1alpha1.ReasonRunCreated)
	s.setLastRun(word, reason, "ExactMatchSession "+one.Name+": "+reason)
}

// setLastRun sets the condition LastRunSucceeded.
func (s *scheduleScope) setLastRun(word metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.status().Conditions, metav1.Condition{
		Type: v1alpha1.ConditionLastRunSucceeded, Status: word, Reason: reason, Message: message, ObservedGeneration: s.object.Generation,
	})
}

// trimHistory deletes the sessions beyond the history limits. It never deletes one that is
// unfinished, or whose table is live or was published last.
func (r *ScheduleReconciler) trimHistory(ctx context.Context, s *scheduleScope) error {
	for _, one := range s.beyondHistory() {
		err := r.Delete(ctx, one, client.Preconditions{UID: &one.UID})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		s.event("Normal", v1alpha1.ReasonRunDeleted, "deleted ExactMatchSession "+one.Name+", which is beyond the history limits")
	}
	return nil
}

func (s *scheduleScope) beyondHistory() (beyond []*v1alpha1.ExactMatchSession) {
	if s.store == nil { // which table is live is unknown
		return nil
	}
	good, bad, hasLive := s.object.Spec.SuccessfulRunsHistoryLimit, s.object.Spec.FailedRunsHistoryLimit, false
	for i := range s.runs {
		one := &s.runs[i]
		live := isLiveRun(s.store, one)
		left := &bad
		if succeeded(one) {
			left = &good
		}
		switch {
		case deleted(one) || isActive(one):
		case live && (!hasLive || one.Status.Outcome != v1alpha1.ReasonAlreadyUploaded):
		case *left > 0:
			*left--
		default:
			beyond = append(beyond, one)
		}
		hasLive = hasLive || live
	}
	return beyond
}

// isLiveRun reports whether lookups are answered from the table of a run, or would be if
// the service had not lost it.
func isLiveRun(store *v1alpha1.ExactMatchDataStore, one *v1alpha1.ExactMatchSession) bool {
	if !isPublished(one) {
		return false
	}
	live := findCondition(one.Status.Conditions, v1alpha1.ConditionLive)
	return live != nil && live.Status == metav1.ConditionTrue || carries(store.Status.Live, one) || carries(store.Status.Published, one)
}

package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/session"
)

// What has ended costs no call of its own: it follows its store's status, and is
// judged again where that, a listing or the time says that the end is not true
// any more.

// revisits reports whether a session that has ended is judged again. Where it is
// not, it says of its table what the store shows.
func (r *SessionReconciler) revisits(ctx context.Context, s *scope) (bool, error) {
	store := &v1alpha1.ExactMatchDataStore{}
	if err := r.Get(ctx, s.named(s.object.Spec.DataStoreRef.Name), store); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if r.Recalls.take(s.object.UID) || s.expires(r.Now()) || outdated(store, s.object) {
		return true, nil
	}
	if word := liveWordOf(store, s.object); word != nil && !word.says(s.object) {
		setCondition(s, v1alpha1.ConditionLive, word.status, word.reason, word.message)
	}
	if live := store.Status.Live; isPublished(s.object) && carries(live, s.object) {
		s.status().LiveGeneration = live.Generation // the service gives another where it indexes anew
	}
	s.after = r.untilExpiry(s)
	return false, nil
}

// outdated reports whether the store shows that an end has to be judged again:
// something was held, or did not fit, under another spec of the store, or what was published and
// is still desired is lost.
func outdated(store *v1alpha1.ExactMatchDataStore, one *v1alpha1.ExactMatchSession) bool {
	switch one.Status.Outcome {
	case v1alpha1.ReasonHeld, v1alpha1.ReasonMissingColumn, v1alpha1.ReasonDuplicateHeader, v1alpha1.ReasonFormatInvalid:
		return one.Status.ObservedDataStoreGeneration != store.Generation
	}
	word := liveWordOf(store, one)
	return word != nil && word.reason == v1alpha1.ReasonTableLost && one.Spec.DesiredState == v1alpha1.DesiredCommitted && !one.Spec.Suspend
}

// concerns reports whether a store's status changes anything for a session.
func concerns(store *v1alpha1.ExactMatchDataStore, one *v1alpha1.ExactMatchSession) bool {
	if one.Status.Outcome == "" || !one.DeletionTimestamp.IsZero() || outdated(store, one) {
		return true
	}
	word := liveWordOf(store, one)
	return word != nil && !word.says(one)
}

// isIdle reports whether a session has an unfinished remote session and makes no
// calls about it.
func isIdle(one *v1alpha1.ExactMatchSession) bool {
	if one.Status.ID == "" || !session.FoldState(one.Status.State).Unfinished() || !one.DeletionTimestamp.IsZero() {
		return false
	}
	return one.Spec.Suspend || finished(one) && one.Status.Outcome != ""
}

// expires reports whether the service has given the sealed session up by now.
func (s *scope) expires(now time.Time) bool {
	end := s.status().SessionExpiryTime
	return isIdle(s.object) && end != nil && !now.Before(end.Time)
}

// untilExpiry is the wait until the service gives the idle session up, 0 where it
// does not. The service may take a while to say so.
func (r *SessionReconciler) untilExpiry(s *scope) time.Duration {
	if end := s.status().SessionExpiryTime; end != nil && isIdle(s.object) {
		return max(end.Sub(r.Now()), r.Options.PollInterval)
	}
	return 0
}

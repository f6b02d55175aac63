package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// admitNext leaves the admitted session admitted until it is done, then admits
// the oldest session in the queue. Nothing else writes status.activeSession.
func (r *DataStoreReconciler) admitNext(s *storeScope) {
	status := &s.object.Status
	var next *v1alpha1.ExactMatchSession
	status.QueuedSessions = 0
	holds := false
	for i := range s.sessions {
		one := &s.sessions[i]
		if one.Name == status.ActiveSession {
			holds = keepsAdmission(one)
			continue
		}
		if !isQueued(one) {
			continue
		}
		status.QueuedSessions++
		if next == nil || older(one, next) {
			next = one
		}
	}
	if holds {
		return
	}
	status.ActiveSession = ""
	if next != nil {
		status.ActiveSession = next.Name
		status.QueuedSessions--
	}
}

// reconcileDelete removes the finalizer once no unfinished session uses it, and does what
// its deletionPolicy says to the remote store.
func (r *DataStoreReconciler) reconcileDelete(ctx context.Context, s *storeScope) error {
	if !hasFinalizer(s.object) {
		s.finalizerRemoved = true
		return nil
	}
	for i := range s.sessions {
		if one := &s.sessions[i]; uses(one) {
			r.admitNext(s)
			return problem.Passes(v1alpha1.ReasonDeleting, r.Options.QueueInterval, "ExactMatchSession %q has an unfinished remote session; commit, cancel or delete it, and this data store is deleted", one.Name)
		}
	}
	if s.object.Spec.DeletionPolicy == v1alpha1.StoreDeletionPolicyDelete && s.object.Status.ID != "" {
		if err := r.deleteRemote(ctx, s); err != nil {
			return err
		}
	}
	return r.removeFinalizer(ctx, s)
}

// uses reports whether a session has, or may have, something at the service that
// is unfinished: a sealed remote session too, although its desired state is reached.
func uses(one *v1alpha1.ExactMatchSession) bool {
	status := &one.Status
	switch {
	case !one.DeletionTimestamp.IsZero():
		return true
	case status.ID == "" && status.Intent == nil:
		return false
	case !finished(one):
		return true
	}
	return status.ID != "" && session.FoldState(status.State).Unfinished() && status.Outcome != v1alpha1.ReasonForgotten
}

func (r *DataStoreReconciler) deleteRemote(ctx context.Context, s *storeScope) error {
	if err := r.openService(ctx, s); err != nil {
		return r.orOrphan(ctx, s, err)
	}
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	return r.orOrphan(ctx, s, s.client.Service.Stores().Delete(callCtx, s.object.Status.ID))
}

// orOrphan lets a deletion proceed, with a warning, where what it needs is gone, or
// the service has not answered until the deadline.
func (r *DataStoreReconciler) orOrphan(ctx context.Context, s *storeScope, err error) error {
	if err == nil {
		return nil
	}
	p := problem.Of(err)
	if !r.Options.proceeds(&s.object.Status.FinalizeDeadline, p, r.Now()) {
		return err
	}
	r.reportOrphan(ctx, s, p)
	return nil
}

func (r *DataStoreReconciler) removeFinalizer(ctx context.Context, s *storeScope) error {
	if err := removeFinalizer(ctx, r.Client, s.object); err != nil {
		return err
	}
	r.looks.drop(s.object.UID)
	r.graces.forget(s.object.UID)
	s.finalizerRemoved = true
	return nil
}

// older orders objects by age, then by name, so that two managers agree.
func older(a, b client.Object) bool {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !at.Equal(&bt) {
		return at.Before(&bt)
	}
	return a.GetNamespace()+"/"+a.GetName() < b.GetNamespace()+"/"+b.GetName()
}

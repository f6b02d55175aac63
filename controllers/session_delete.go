package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/session"
)

// deleteRemote removes the remote session, finished or not.
func (r *SessionReconciler) deleteRemote(ctx context.Context, s *scope) error {
	if err := r.stopWork(ctx, s); err != nil {
		return err
	}
	err := r.cancelOrphans(ctx, s)
	if err == nil {
		_, err = r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
			return nil, sessions.Delete(c, s.store.Status.ID, s.status().ID)
		})
	}
	if err != nil {
		err = r.orOrphan(s, err)
	}
	if err != nil {
		return err
	}
	return r.removeFinalizer(ctx, s)
}

// removeFinalizer ends the deletion: nothing of this object is left at the service.
func (r *SessionReconciler) removeFinalizer(ctx context.Context, s *scope) error {
	if err := r.dropWork(ctx, s); err != nil {
		return err
	}
	if err := r.sweep(ctx, s); err != nil {
		return err
	}
	if err := removeFinalizer(ctx, r.Client, s.object); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.reportOrphan(ctx)
	s.finalizerRemoved = true
	r.memory.forget(s.object.UID)
	r.memory.readings.forget(s.object.UID)
	r.graces.forget(s.object.UID)
	return nil
}

// sweep cancels what a create that was given up has made after all, unless the
// remote sessions are to stay or cannot be reached.
func (r *SessionReconciler) sweep(ctx context.Context, s *scope) error {
	if s.desired() == session.DeleteOrphan || s.orphanReason != "" || s.store == nil {
		return nil
	}
	if err := r.cancelOrphans(ctx, s); err != nil {
		return r.orOrphan(s, err)
	}
	return nil
}

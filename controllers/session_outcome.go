package controllers

import "context"

// stepFunc carries out one step. Its error becomes the pass's problem.
type stepFunc func(context.Context, *scope) error

// recordsOutcome is a step that records an outcome. The work for the session ends:
// its Jobs are deleted, and their task with the upload URI.
func (r *SessionReconciler) recordsOutcome(reason, message string) stepFunc {
	return func(ctx context.Context, s *scope) error { return r.recordOutcome(ctx, s, reason, message) }
}

func (r *SessionReconciler) recordOutcome(ctx context.Context, s *scope, reason, message string) error {
	if err := r.dropWork(ctx, s); err != nil {
		return err
	}
	if err := r.cancelOrphans(ctx, s); err != nil { // an end is not looked at again
		return err
	}
	setOutcome(s, reason, message)
	return nil
}

// setOutcome records the outcome: nothing more happens until the spec changes.
func setOutcome(s *scope, reason, message string) {
	s.status().Outcome, s.status().OutcomeMessage = reason, message
	if s.store != nil {
		s.status().ObservedDataStoreGeneration = s.store.Generation
	}
}

package controllers

import (
	"context"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/session"
)

// observeLive finds out what speaks against publishing the content now, and
// whether what was published still is: what the service shows live, the store's
// guards, and for what is sealed its pin, rules and key.
func (r *SessionReconciler) observeLive(ctx context.Context, s *scope) error {
	if s.facts.Preparation != session.PreparationReady || s.store.Status.ID == "" {
		return nil // no publication before the store is there
	}
	switch s.facts.Remote {
	case session.RemoteNone:
		live, err := r.isLive(ctx, s)
		if err != nil {
			return err
		}
		s.facts.Live = live
		s.facts.Guarded = len(guardsAgainst(s)) > 0
	case session.RemoteSealed:
		return r.observeSealed(ctx, s)
	case session.RemoteCompleted:
		if err := r.showStore(ctx, s); err != nil {
			return err
		}
		s.facts.Lost = s.isLost()
	}
	return nil
}

// observeSealed judges what is sealed where a commit is desired, by what the
// service shows at this moment where this session is admitted.
func (r *SessionReconciler) observeSealed(ctx context.Context, s *scope) error {
	if s.desired() != session.Committed {
		return nil
	}
	if s.facts.Admitted {
		if err := r.showStore(ctx, s); err != nil {
			return err
		}
	}
	s.facts.Guarded = len(objections(s)) > 0
	return nil
}

// showStore asks the service for the store.
func (r *SessionReconciler) showStore(ctx context.Context, s *scope) error {
	if s.shown != nil {
		return nil
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return err
	}
	s.shown, err = service.Stores().Get(ctx, s.store.Status.ID)
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
	}
	return err
}

// isLive reports whether the service proves that exactly the prepared content is
// live. It is asked only where our own record lets that be expected.
func (r *SessionReconciler) isLive(ctx context.Context, s *scope) (bool, error) {
	ours := s.store.Status.Live
	if ours == nil || ours.ContentKey != s.facts.ContentKey || !pipeline.KnownContentKey(ours.ContentKey) || s.wasContradicted() {
		return false, nil
	}
	if err := r.showStore(ctx, s); err != nil {
		return false, err
	}
	if showsLive(s.agent) {
		live := s.shown.Live
		return live != nil && live.ContentKey == s.facts.ContentKey && live.KeyID == s.status().KeyID, nil
	}
	return !shownLater(s.shown.DataLastUpdatedDateTime, ours.CompletionTime), nil
}

// wasContradicted reports whether the service showed the last attempt's table live
// and did not find it: then its word proves nothing.
func (s *scope) wasContradicted() bool {
	history := s.status().History
	return len(history) > 0 && history[0].Outcome == v1alpha1.ReasonVerificationFailed
}

// isLost reports whether the completed session's table was live, or had to be,
// and is not, although no later table replaced it.
func (s *scope) isLost() bool {
	if !showsLive(s.agent) || isReplaced(s.object) {
		return false
	}
	live, own := s.shown.Live, s.status().LiveGeneration
	switch {
	case own == 0 && s.status().ConsecutiveFailures < oldAnswers:
		return false // nobody has seen it live yet: prove asks again
	case live == nil:
		return true
	case live.SessionID == s.status().ID:
		return false
	}
	return live.Generation <= max(own, s.status().JudgedGeneration)
}

// oldAnswers is how often the service may show what was live before a commit that
// it has completed, until that is believed: a cache on the way has old answers.
const oldAnswers = 3

// showsOldAnswer reports whether the service shows of a completed session what was
// live before its commit. Whatever replaced its table is of a later generation.
func (s *scope) showsOldAnswer() bool {
	live := s.shown.Live
	return s.status().LiveGeneration == 0 && (live == nil || live.SessionID != s.status().ID && live.Generation <= s.status().JudgedGeneration)
}

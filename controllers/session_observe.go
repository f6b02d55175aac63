package controllers

import (
	"context"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/session"
)

// observe gathers the facts of a pass: the objects that the session refers to,
// the work in this process, and the remote session.
func (r *SessionReconciler) observe(ctx context.Context, s *scope) error {
	if err := r.observeStore(ctx, s); err != nil {
		return r.orOrphan(s, err)
	}
	if err := r.observeRemote(ctx, s); err != nil {
		return r.orOrphan(s, err)
	}
	if s.orphanReason != "" {
		s.facts = session.Facts{Preparation: session.PreparationReady}
		return nil
	}
	s.facts = session.Facts{
		Remote:           s.remoteFact(),
		RemoteContentKey: s.intentContentKey(),
		Intent:           r.intentFact(s),
		CancelRequested:  s.status().CancelRequestedTime != nil,
		RestartRequested: s.object.Spec.RestartToken != s.status().ObservedRestartToken,
		RenewRequested:   s.object.Spec.RenewToken != s.status().ObservedRenewToken,
		Admitted:         s.isAdmitted(),
	}
	switch d := s.desired(); {
	case s.deleting() || d == session.Cancelled || d == session.Suspended:
		// What ends or parks the session does not depend on its source, and a cancel
		// is no restart.
		s.takesAsIs()
		s.facts.RestartRequested = s.facts.RestartRequested && d != session.Cancelled
		return nil
	case s.stands():
		s.takesAsIs()
		name := s.object.Spec.FileName
		s.facts.RenameRequested = name != "" && s.remote.FileName != name
	default:
		if err := r.observeWork(ctx, s); err != nil {
			return err
		}
	}
	return r.observeLive(ctx, s)
}

// takesAsIs takes the content of the remote session as the desired one.
func (s *scope) takesAsIs() {
	s.facts.Preparation = session.PreparationReady
	s.facts.ContentKey = s.facts.RemoteContentKey
}

// isAdmitted reports whether the store has admitted this session. A new remote
// session also waits until the service has the current columns of the store.
func (s *scope) isAdmitted() bool {
	if s.store == nil || s.store.Status.ActiveSession != s.object.Name {
		return false
	}
	return s.status().ID != "" || isReady(s.store.Status.Conditions, s.store.Generation)
}

// observeStore reads the data store and its upload agent.
func (r *SessionReconciler) observeStore(ctx context.Context, s *scope) error {
	store := &v1alpha1.ExactMatchDataStore{}
	name := s.object.Spec.DataStoreRef.Name
	if err := r.Get(ctx, s.named(name), store); err != nil {
		return missing(err, v1alpha1.ReasonDataStoreNotFound, "ExactMatchDataStore", name)
	}
	agent := &v1alpha1.ExactMatchUploadAgent{}
	name = store.Spec.UploadAgentRef.Name
	if err := r.Get(ctx, s.named(name), agent); err != nil {
		return missing(err, v1alpha1.ReasonUploadAgentNotFound, "ExactMatchUploadAgent", name)
	}
	s.store, s.agent = store, agent
	return nil
}

// observeRemote reads the remote session, at most once a poll while the same
// upload goes on.
func (r *SessionReconciler) observeRemote(ctx context.Context, s *scope) error {
	id := s.status().ID
	if id == "" {
		return nil
	}
	now := r.Now()
	if last, ok := r.memory.lastPoll(s.object.UID); ok && last.remote.ID == id && isRecent(last.at, now, r.Options.PollInterval) {
		s.remote = last.remote
		r.mirror(s, last.remote) // the write of the pass that polled may have been held back
		return nil
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return err
	}
	got, err := service.Sessions().Get(ctx, s.store.Status.ID, id)
	switch {
	case edm.IsNotFound(err):
		s.remote = &edm.Session{ID: id, State: stateForgotten}
		return nil
	case err != nil:
		r.Clients.Failed(s.agent, s.client, err)
		return err
	}
	s.remote = got
	r.memory.setPoll(s.object.UID, poll{at: now, remote: got})
	r.mirror(s, got)
	return nil
}

// intentFact judges the recorded intent: only what this very process wrote and
// has not sent may be sent.
func (r *SessionReconciler) intentFact(s *scope) session.Intent {
	intent := s.status().Intent
	if intent == nil || intent.ClientRequestID == "" || s.status().ID != "" {
		return session.IntentNone
	}
	r.memory.intentSeen(intent.ClientRequestID, r.Now())
	if intent.Instance == r.Options.Instance && !r.memory.isSpent(intent.ClientRequestID) {
		return session.IntentFresh
	}
	return session.IntentInDoubt
}

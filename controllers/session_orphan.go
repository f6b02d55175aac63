package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// orphaned says what the deletion of a session orphans at the service against its
// deletionPolicy; "" where that is nothing.
func orphaned(object *v1alpha1.ExactMatchSession) string {
	status := &object.Status
	unfinished := session.FoldState(status.State).Unfinished()
	switch {
	case object.Spec.DeletionPolicy == v1alpha1.SessionDeletionPolicyOrphan:
		return ""
	case status.ID == "" && status.Intent == nil:
		return ""
	case status.ID == "":
		return "a create was sent, and the remote session that it may have created is orphaned"
	case object.Spec.DeletionPolicy == v1alpha1.SessionDeletionPolicyCancel && !unfinished:
		return ""
	case status.CancelRequestedTime != nil && unfinished:
		return "a cancel of the remote session " + status.ID + " was sent, and the response is not known"
	}
	return "the remote session " + status.ID + " is orphaned"
}

// reportOrphan reports what the deletion of a session orphans, in an event and in
// the log.
func (s *scope) reportOrphan(ctx context.Context) {
	left := orphaned(s.object)
	if s.orphanReason == "" || left == "" {
		return
	}
	s.event("Warning", v1alpha1.ReasonRemoteSessionOrphaned, left+": "+s.orphanReason)
	logOrphan(ctx, "ExactMatchSession", s.object, s.status().ID, s.agent, left+": "+s.orphanReason)
}

// orOrphan lets a deletion proceed without the service where what it needs is gone,
// or the service has not answered until the deadline.
func (r *SessionReconciler) orOrphan(s *scope, err error) error {
	if !s.deleting() {
		return err
	}
	p := problem.Of(err)
	if !r.Options.proceeds(&s.status().FinalizeDeadline, p, r.Now()) {
		return err
	}
	s.orphanReason = p.Message
	return nil
}

// cancelOrphan cancels a remote session that no object claims.
func (r *SessionReconciler) cancelOrphan(ctx context.Context, s *scope, orphan *edm.Session) error {
	_, err := r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
		return nil, sessions.Cancel(c, s.store.Status.ID, orphan.ID)
	})
	if edm.IsNotFound(err) || edm.HasCode(err, edm.CodeTooLate) {
		return nil
	}
	return err
}

// cancelOrphans cancels what an abandoned create has created after all: a request
// can be in flight for longer than anybody waits for its response.
func (r *SessionReconciler) cancelOrphans(ctx context.Context, s *scope) error {
	if intent := s.status().Intent; intent == nil || !intent.Unanswered {
		return nil
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return err
	}
	found, err := r.unclaimed(ctx, s, service.Sessions())
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
		return err
	}
	for i := range found {
		s.event("Warning", v1alpha1.ReasonAdopting, fmt.Sprintf("remote session %s is the result of an abandoned create; it is cancelled", found[i].ID))
		if err := r.cancelOrphan(ctx, s, &found[i]); err != nil {
			return err
		}
	}
	s.status().Intent.Unanswered = false
	return nil
}

// unclaimed lists the unfinished remote sessions of our agent that carry the
// intent's content and that no object claims, oldest first.
func (r *SessionReconciler) unclaimed(ctx context.Context, s *scope, sessions edm.Sessions) ([]edm.Session, error) {
	all, err := sessions.List(ctx, s.store.Status.ID, edm.Query{
		Filter:  fmt.Sprintf("uploadAgentId eq '%s'", s.agent.Status.ID),
		OrderBy: "creationDateTime",
	})
	if err != nil {
		return nil, err
	}
	claimed, err := r.claimed(ctx, s.object.Namespace)
	if err != nil {
		return nil, err
	}
	var found []edm.Session
	for _, one := range all {
		if one.UploadAgentID != s.agent.Status.ID {
			continue // a service that knows no $filter shows other clusters' sessions too
		}
		if session.FoldState(string(one.State)).Unfinished() && s.mayHaveAsked(&one) && !claimed[one.ID] {
			found = append(found, one)
		}
	}
	return found, nil
}

// mayHaveAsked reports whether a remote session answers to the intent: by its
// content, and only where the service does not show that, by the table's bytes.
func (s *scope) mayHaveAsked(one *edm.Session) bool {
	if one.ContentKey != "" {
		return one.ContentKey == s.status().Intent.ContentKey
	}
	return one.Checksum == "" || one.Checksum == s.status().PreparedChecksum
}

// claimed are the remote ids that objects of the namespace hold. The upload
// agent is of this namespace too, so no other namespace can hold its sessions.
func (r *SessionReconciler) claimed(ctx context.Context, namespace string) (map[string]bool, error) {
	list := &v1alpha1.ExactMatchSessionList{}
	if err := r.Reader.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	claimed := make(map[string]bool, len(list.Items))
	for i := range list.Items {
		claimed[list.Items[i].Status.ID] = true
	}
	return claimed, nil
}

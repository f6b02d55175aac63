package controllers

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/session"
)

// planCreate writes the intent to create under an optimistic lock and ends the
// pass: whoever finds it later knows that a session may exist.
func (r *SessionReconciler) planCreate(ctx context.Context, s *scope) error {
	if err := r.refuseUnpublishedFormat(s); err != nil {
		return err
	}
	if err := r.refuseSpentQuota(s); err != nil {
		return err
	}
	status := s.status()
	status.Attempt++
	status.Intent = &v1alpha1.CreateIntent{
		ContentKey: status.ContentKey, Instance: r.Options.Instance, Time: *r.stamp(),
		ClientRequestID: fmt.Sprintf("%s-%d-%d", s.object.UID, status.Revision, status.Attempt),
	}
	if err := r.writeLocked(ctx, s); err != nil {
		return err
	}
	s.after = time.Millisecond
	return nil
}

// refuseSpentQuota waits for the next slot where the store shows that none is
// left, so that no create is spent on a certain refusal.
func (r *SessionReconciler) refuseSpentQuota(s *scope) error {
	quota := s.store.Status.Quota
	if quota == nil || quota.Remaining > 0 || quota.NextSlotTime == nil {
		return nil
	}
	wait := quota.NextSlotTime.Sub(r.Now())
	if wait <= 0 {
		return nil
	}
	return passes(v1alpha1.ReasonQuotaExceeded, wait, "the data store has used its %d commits of the last 24 hours; the next slot opens at %s",
		quota.Max, quota.NextSlotTime.UTC().Format(time.RFC3339))
}

// create spends the intent on one POST. The id is then written with a context
// that outlives the manager's stop.
func (r *SessionReconciler) create(ctx context.Context, s *scope) error {
	service, err := r.service(ctx, s)
	if err != nil {
		return err
	}
	intent := s.status().Intent
	r.memory.spend(intent.ClientRequestID)
	bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), r.Options.RequestTimeout)
	defer stop()
	made, err := service.Sessions().Create(bounded, s.store.Status.ID, r.wanted(s), intent.ClientRequestID)
	if err != nil {
		r.Endpoints.note(s.agent, err)
		return r.afterFailedCreate(s, err)
	}
	return r.adopt(bounded, s, made)
}

// wanted is the session that a create asks for.
func (r *SessionReconciler) wanted(s *scope) edm.Session {
	rows, blocks := s.object.Spec.RowsPerBlock, s.status().PreparedBlocks
	names := make([]string, 0, len(s.plan.Columns))
	for _, c := range s.plan.Columns {
		names = append(names, c.Name)
	}
	return edm.Session{
		DataStoreID: s.store.Status.ID, UploadAgentID: s.agent.Status.ID, Fields: names,
		FileName: fileNameOf(s), Checksum: s.status().PreparedChecksum,
		RowsPerBlock: &rows, TotalBlockCount: &blocks,
		KeyID: s.status().KeyID, ContentKey: s.status().ContentKey,
	}
}

// fileNameOf is spec.fileName, else the last element of the source.
func fileNameOf(s *scope) string {
	if s.object.Spec.FileName != "" {
		return s.object.Spec.FileName
	}
	return s.plan.Source.Name()
}

// afterFailedCreate clears the intent where the service surely made nothing,
// and keeps it as doubtful otherwise.
func (r *SessionReconciler) afterFailedCreate(s *scope, err error) error {
	if edm.ClassOf(err) == edm.Ambiguous {
		return err
	}
	s.status().Intent = nil
	return err
}

// adopt takes a remote session as this object's own.
func (r *SessionReconciler) adopt(ctx context.Context, s *scope, remote *edm.Session) error {
	s.status().ID = remote.ID
	s.status().CommitRequestedTime, s.status().CancelRequestedTime = nil, nil
	s.remote, s.status().Step = remote, workReason(s)
	mirror(s.status(), remote)
	if err := r.write(context.WithoutCancel(ctx), s); err != nil {
		return err
	}
	r.memory.setPoll(s.object.UID, poll{at: r.Now(), remote: remote})
	s.event("Normal", v1alpha1.ReasonCreating, "remote session "+remote.ID+" opened, attempt "+fmt.Sprint(s.status().Attempt))
	s.after = time.Millisecond
	return nil
}

// settle finds out what an unanswered create has done: one session of ours is
// adopted, none allows a new intent, several are reduced to one.
func (r *SessionReconciler) settle(ctx context.Context, s *scope) error {
	intent := s.status().Intent
	if wait := intent.Time.Add(r.Options.RequestTimeout).Sub(r.Now()); wait > 0 {
		return passes(v1alpha1.ReasonAdopting, wait, "a create was sent and its answer is not known; the service is asked once the request has timed out")
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return r.orLeave(s, err)
	}
	found, err := r.unclaimed(ctx, s, service.Sessions())
	if err != nil {
		r.Endpoints.note(s.agent, err)
		return r.orLeave(s, err)
	}
	if len(found) == 0 {
		s.status().Intent = nil
		s.after = time.Millisecond
		return nil
	}
	if len(found) > 1 {
		s.event("Warning", v1alpha1.ReasonAdopting, fmt.Sprintf("%d sessions answer to one intent; remote session %s is cancelled", len(found), found[1].ID))
		s.after = time.Millisecond
		return service.Sessions().Cancel(ctx, s.store.Status.ID, found[1].ID)
	}
	return r.adopt(ctx, s, &found[0])
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
		sameContent := one.ContentKey == "" || one.ContentKey == s.status().Intent.ContentKey
		sameTable := one.Checksum == "" || one.Checksum == s.status().PreparedChecksum
		if session.FoldState(string(one.State)).Unfinished() && sameContent && sameTable && !claimed[one.ID] {
			found = append(found, one)
		}
	}
	return found, nil
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

package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/problem"
)

// planCreate writes the intent to create under an optimistic lock and ends the
// pass: a later pass that finds it knows that a session may exist.
func (r *SessionReconciler) planCreate(ctx context.Context, s *scope) error {
	if err := r.refuseUnpublishedFormat(s); err != nil {
		return err
	}
	if err := r.refuseSpentQuota(s); err != nil {
		return err
	}
	if err := r.confirmAdmission(ctx, s); err != nil {
		return err
	}
	status := s.status()
	if intent := status.Intent; intent != nil && intent.ContentKey != status.ContentKey {
		if err := r.cancelOrphans(ctx, s); err != nil { // nobody looks for that content again
			return err
		}
	}
	status.Attempt++
	status.Intent = &v1alpha1.CreateIntent{
		Unanswered: status.Intent != nil && status.Intent.Unanswered,
		ContentKey: status.ContentKey, Instance: r.Options.Instance, Time: *r.stamp(),
		ClientRequestID: fmt.Sprintf("%s-%d-%d", s.object.UID, status.Revision, status.Attempt),
		Rules:           rulesOf(plannedColumns(s)),
	}
	if err := r.record(ctx, s); err != nil {
		return err
	}
	s.after = time.Millisecond
	return nil
}

// confirmAdmission looks past the cache: what is spent while another session is
// admitted, or under another spec of the store than was judged, cannot be undone.
func (r *SessionReconciler) confirmAdmission(ctx context.Context, s *scope) error {
	now := &v1alpha1.ExactMatchDataStore{}
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(s.store), now); err != nil {
		return missing(err, v1alpha1.ReasonDataStoreNotFound, "ExactMatchDataStore", s.store.Name)
	}
	if now.Status.ActiveSession == s.object.Name && now.Generation == s.store.Generation {
		return nil
	}
	return executor.ErrBehind
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
	return problem.Passes(v1alpha1.ReasonQuotaExceeded, wait, "the data store has used its %d commits of the last 24 hours; the next slot opens at %s",
		quota.Max, problem.Clock(quota.NextSlotTime.Time, r.Now()))
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
	callCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), r.Options.RequestTimeout)
	defer stop()
	made, err := service.Sessions().Create(callCtx, s.store.Status.ID, r.wanted(s), intent.ClientRequestID)
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
		return r.afterFailedCreate(s, err)
	}
	return r.adopt(callCtx, s, made)
}

// wanted is the session that a create asks for.
func (r *SessionReconciler) wanted(s *scope) edm.Session {
	rows, blocks := s.object.Spec.RowsPerBlock, s.status().PreparedBlocks
	return edm.Session{
		DataStoreID: s.store.Status.ID, UploadAgentID: s.agent.Status.ID, Fields: uploadedColumns(s), Columns: plannedColumns(s),
		FileName: fileNameOf(s), Checksum: s.status().PreparedChecksum,
		RowsPerBlock: &rows, TotalBlockCount: &blocks,
		KeyID: s.status().KeyID, ContentKey: s.status().ContentKey,
	}
}

// plannedColumns are the plan's columns with the rules of their tokens.
func plannedColumns(s *scope) []edm.Column {
	columns := make([]edm.Column, 0, len(s.plan.Columns))
	for _, c := range s.plan.Columns {
		columns = append(columns, edm.Column{
			Name: c.Name, IsSearchable: c.IsSearchable, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters,
		})
	}
	return edm.WithRules(columns)
}

// fileNameOf is spec.fileName, else the last element of the source.
func fileNameOf(s *scope) string {
	if s.object.Spec.FileName != "" {
		return s.object.Spec.FileName
	}
	return s.sourceName
}

// afterFailedCreate clears the intent where the service surely made nothing,
// and keeps it in doubt otherwise.
func (r *SessionReconciler) afterFailedCreate(s *scope, err error) error {
	if edm.ClassOf(err) == edm.Ambiguous {
		return err
	}
	intent := s.status().Intent
	s.status().Intent = nil
	if intent.Unanswered { // an earlier create of this content may still turn up
		s.status().Intent = &v1alpha1.CreateIntent{ContentKey: intent.ContentKey, Time: intent.Time, Unanswered: true}
	}
	return err
}

// adopt takes a remote session as this object's own.
func (r *SessionReconciler) adopt(ctx context.Context, s *scope, remote *edm.Session) error {
	s.status().ID = remote.ID
	s.status().CommitRequestedTime, s.status().CancelRequestedTime = nil, nil
	s.remote = remote
	r.mirror(s, remote)
	r.describe(s, nil)
	ctx = context.WithoutCancel(ctx)
	if err := r.claim(ctx, s); err != nil {
		return r.disown(ctx, s, remote, err)
	}
	r.memory.setPoll(s.object.UID, poll{at: r.Now(), remote: remote})
	s.event("Normal", v1alpha1.ReasonCreating, "created remote session "+remote.ID+", attempt "+fmt.Sprint(s.status().Attempt))
	s.after = time.Millisecond
	return nil
}

// claim writes the id of a remote session down. Where the object has changed
// meanwhile and still carries the intent that the session answers, the id is
// written all the same: without it the session would have to be looked for.
func (r *SessionReconciler) claim(ctx context.Context, s *scope) error {
	err := r.write(ctx, s)
	if !apierrors.IsConflict(err) {
		return err
	}
	now := &v1alpha1.ExactMatchSession{}
	if failed := r.Reader.Get(ctx, client.ObjectKeyFromObject(s.object), now); failed != nil {
		return failed
	}
	asked, intended := s.status().Intent, now.Status.Intent
	if intended == nil || intended.ClientRequestID != asked.ClientRequestID || now.Status.ID != "" {
		return err
	}
	s.before = now.DeepCopy()
	now.Status = s.object.Status
	s.object = now
	return r.write(ctx, s)
}

// disown cancels a session that this pass has made or found and that the object
// cannot have any more: the object is gone, or has another session. Where
// neither is certain, it is left to the pass that resolves the intent.
func (r *SessionReconciler) disown(ctx context.Context, s *scope, remote *edm.Session, cause error) error {
	now := &v1alpha1.ExactMatchSession{}
	err := r.Reader.Get(ctx, client.ObjectKeyFromObject(s.object), now)
	if err != nil && !apierrors.IsNotFound(err) {
		return cause
	}
	gone := err != nil || now.UID != s.object.UID
	if !gone && (now.Status.ID == "" || now.Status.ID == remote.ID) {
		return cause
	}
	if err := r.cancelOrphan(ctx, s, remote); err != nil {
		return err
	}
	// No event: the pass that owns the object now reports on it.
	logf.FromContext(ctx).Info("cancelled a remote session that was created too late", "id", remote.ID)
	return cause
}

// resolve finds out what a create in doubt has done: one session of ours is
// adopted, none allows a new intent, several are reduced to one.
func (r *SessionReconciler) resolve(ctx context.Context, s *scope) error {
	intent, now := s.status().Intent, r.Now()
	// Counted from when this process saw the intent: the clock of the one that
	// wrote it may be another.
	if wait := r.memory.intentSeen(intent.ClientRequestID, now).Add(r.Options.RequestTimeout).Sub(now); wait > 0 {
		return problem.Passes(v1alpha1.ReasonAdopting, wait, "a create was sent and its response is not known; the operator asks the service once the request has timed out")
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return r.orOrphan(s, err)
	}
	found, err := r.unclaimed(ctx, s, service.Sessions())
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
		return r.orOrphan(s, err)
	}
	if len(found) == 0 {
		s.status().Intent = &v1alpha1.CreateIntent{ContentKey: intent.ContentKey, Time: intent.Time, Unanswered: true}
		s.after = time.Millisecond
		return nil
	}
	if len(found) > 1 {
		s.event("Warning", v1alpha1.ReasonAdopting, fmt.Sprintf("%d remote sessions match one intent; remote session %s is cancelled", len(found), found[1].ID))
		s.after = time.Millisecond
		return r.cancelOrphan(ctx, s, &found[1])
	}
	return r.adopt(ctx, s, &found[0])
}

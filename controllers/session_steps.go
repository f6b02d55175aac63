package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// steps is what each step of the lifecycle's table does.
func (r *SessionReconciler) steps() map[session.Step]stepFunc {
	return map[session.Step]stepFunc{
		session.StepNone:              r.pause,
		session.StepPrepare:           r.prepare,
		session.StepRejectSource:      r.rejectSource,
		session.StepAlreadyUploaded:   r.alreadyUploaded,
		session.StepHold:              r.hold,
		session.StepQueue:             r.queue,
		session.StepPlan:              r.planCreate,
		session.StepCreate:            r.create,
		session.StepResolve:           r.resolve,
		session.StepUpload:            r.upload,
		session.StepRename:            r.rename,
		session.StepRenew:             r.renew,
		session.StepCommit:            r.commit,
		session.StepWatch:             r.watch,
		session.StepCancel:            r.cancel,
		session.StepAbandon:           r.abandon,
		session.StepSupersede:         r.supersede,
		session.StepRestart:           r.restart,
		session.StepDelete:            r.deleteRemote,
		session.StepRemoveFinalizer:   r.removeFinalizer,
		session.StepUploaded:          r.recordsOutcome(v1alpha1.ReasonUploaded, "all blocks are uploaded and sealed; set spec.desiredState to Committed to publish the table"),
		session.StepCompleted:         r.completed,
		session.StepCancelled:         r.recordsOutcome(v1alpha1.ReasonCancelled, "cancelled, as spec.desiredState asks"),
		session.StepTooLate:           r.recordsOutcome(v1alpha1.ReasonTooLate, "the session was committed before it could be cancelled; commit other content to replace the table"),
		session.StepCancelledRemotely: r.recordsOutcome(v1alpha1.ReasonCancelledRemotely, "somebody cancelled the session at the service; change spec.restartToken to upload again"),
		session.StepFail:              r.fail,
	}
}

// pause stops the work; the remote session stays as it is.
func (r *SessionReconciler) pause(ctx context.Context, s *scope) error { return r.stopWork(ctx, s) }

// rejectSource ends with the reason that the reading gave.
func (r *SessionReconciler) rejectSource(ctx context.Context, s *scope) error {
	return r.reject(ctx, s, problem.Of(s.work.Err))
}

// hold ends with what forbids to publish the content; what is sealed stays sealed.
func (r *SessionReconciler) hold(ctx context.Context, s *scope) error {
	if err := r.stopWork(ctx, s); err != nil {
		return err
	}
	if err := r.cancelOrphans(ctx, s); err != nil {
		return err
	}
	message := guardMessage(s)
	if s.facts.Remote == session.RemoteSealed {
		message = strings.Join(objections(s), "; ")
	}
	setOutcome(s, v1alpha1.ReasonHeld, message)
	return nil
}

// queue waits until the store's reconciler admits this session; the store's status
// wakes it.
func (r *SessionReconciler) queue(ctx context.Context, s *scope) error {
	ready := findCondition(s.store.Status.Conditions, v1alpha1.ConditionReady)
	active := s.store.Status.ActiveSession
	switch {
	case ready != nil && ready.Status == metav1.ConditionFalse:
		return problem.NeedsRepair(v1alpha1.ReasonDataStoreNotReady, "ExactMatchDataStore %q: %s: %s", s.store.Name, ready.Reason, ready.Message)
	case active != "" && active != s.object.Name:
		s.status().WaitingFor = "ExactMatchSession " + active + r.progressOf(ctx, s, active)
	case !isReady(s.store.Status.Conditions, s.store.Generation):
		s.status().WaitingFor = "ExactMatchDataStore " + s.store.Name
		if ready != nil && ready.Message != "" {
			s.status().WaitingFor += " (" + problem.Truncate(ready.Message) + ")"
		}
	default:
		s.status().WaitingFor = "admission by ExactMatchDataStore " + s.store.Name
	}
	s.after = r.Options.QueueInterval
	return nil
}

// progressOf says in brackets what another session does, and why where it
// does not get further.
func (r *SessionReconciler) progressOf(ctx context.Context, s *scope, name string) string {
	other := &v1alpha1.ExactMatchSession{}
	if r.Get(ctx, s.named(name), other) != nil || other.StatusReason() == "" {
		return ""
	}
	words := other.StatusReason()
	if c := findCondition(other.Status.Conditions, v1alpha1.ConditionFinished); other.Status.ConsecutiveFailures > 0 || other.Spec.Suspend {
		words += ": " + problem.Truncate(c.Message)
	}
	return " (" + words + ")"
}

// rename gives the open remote session the file name of the spec.
func (r *SessionReconciler) rename(ctx context.Context, s *scope) error {
	got, err := r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
		return sessions.Update(c, s.store.Status.ID, s.status().ID, fileNameOf(s))
	})
	if err != nil {
		return r.resolveByGet(ctx, s, err)
	}
	r.mirror(s, got)
	s.after = time.Millisecond
	return nil
}

// renew fetches a fresh upload URI; the running upload takes it up by itself.
func (r *SessionReconciler) renew(ctx context.Context, s *scope) error {
	got, err := r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
		return sessions.Renew(c, s.store.Status.ID, s.status().ID)
	})
	if err != nil {
		return r.resolveByGet(ctx, s, err)
	}
	s.status().ObservedRenewToken = s.object.Spec.RenewToken
	if got.DataUploadURI != "" {
		s.remote = got
		r.memory.setPoll(s.object.UID, poll{at: r.Now(), remote: got})
		r.mirror(s, got)
	}
	s.event("Normal", v1alpha1.ReasonRenewing, fmt.Sprintf("upload URI renewed (renewal %d of this attempt); it is valid until %s",
		s.status().UploadURIRenewals, problem.Clock(edm.UploadURIExpiry(got.DataUploadURI), r.Now())))
	s.after = time.Millisecond
	return nil
}

// commit records the request before it is sent, so that a crash in between
// cannot make a commit that nobody remembers.
func (r *SessionReconciler) commit(ctx context.Context, s *scope) error {
	if err := r.refuseUnpublishedFormat(s); err != nil {
		return err
	}
	if err := r.cancelOrphans(ctx, s); err != nil {
		return err
	}
	if err := r.confirmAdmission(ctx, s); err != nil {
		return err
	}
	r.adviseOfSource(ctx, s)
	if judged := s.judgedAgainst(); judged != nil {
		s.status().JudgedGeneration = *judged
	}
	if s.status().CommitRequestedTime == nil {
		s.status().CommitRequestedTime = r.stamp()
	}
	if err := r.record(ctx, s); err != nil {
		return err
	}
	_, err := r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
		return nil, sessions.Commit(c, s.store.Status.ID, s.status().ID, s.judgedAgainst())
	})
	if edm.HasCode(err, edm.CodeLiveChanged) {
		return problem.Passes(v1alpha1.ReasonRetrying, time.Second, "another table went live, or is about to, since the commit was checked; it is checked again")
	}
	if err != nil {
		return r.resolveByGet(ctx, s, err)
	}
	if err := r.stopWork(ctx, s); err != nil {
		return err
	}
	s.event("Normal", v1alpha1.ReasonCommitting, "the session was committed")
	s.after = uploadedCheck
	return nil
}

// cancel records the request and cancels the remote session.
func (r *SessionReconciler) cancel(ctx context.Context, s *scope) error {
	err := r.cancelRemote(ctx, s)
	if err != nil {
		err = r.orOrphan(s, err)
	}
	if s.orphanReason != "" {
		return r.removeFinalizer(ctx, s)
	}
	s.after = time.Millisecond
	return err
}

// cancelRemote is the recorded cancel; a session that the service has forgotten
// needs none.
func (r *SessionReconciler) cancelRemote(ctx context.Context, s *scope) error {
	if err := r.stopWork(ctx, s); err != nil {
		return err
	}
	if err := r.cancelOrphans(ctx, s); err != nil {
		return err
	}
	if s.status().CancelRequestedTime == nil {
		s.status().CancelRequestedTime = r.stamp()
		if err := r.record(ctx, s); err != nil {
			return err
		}
	}
	_, err := r.call(ctx, s, func(c context.Context, sessions edm.Sessions) (*edm.Session, error) {
		return nil, sessions.Cancel(c, s.store.Status.ID, s.status().ID)
	})
	if err == nil {
		s.status().State = string(edm.StateCancelled) // also where nobody can look any more
		return nil
	}
	if edm.IsNotFound(err) {
		return nil
	}
	return r.resolveByGet(ctx, s, err)
}

// resolveByGet looks whether the session is in another state by now before
// anybody classifies a failed or unanswered call: it had its effect, or somebody
// else, or the time, was faster. The next pass judges that state.
func (r *SessionReconciler) resolveByGet(ctx context.Context, s *scope, failed error) error {
	before := s.remoteFact()
	r.memory.lookAgain(s.object.UID)
	if err := r.observeRemote(ctx, s); err != nil {
		return failed
	}
	if s.remoteFact() != before {
		s.after = time.Millisecond
		return nil
	}
	return failed
}

// abandon cancels an attempt whose upload cannot go on, and ends with why.
func (r *SessionReconciler) abandon(ctx context.Context, s *scope) error {
	p := problem.Of(s.work.Err)
	if err := r.cancelRemote(ctx, s); err != nil || s.isCommitted() {
		return err
	}
	r.archive(s, p.Reason)
	return r.reject(ctx, s, p)
}

// supersede cancels the session of older content; the next pass opens its
// successor.
func (r *SessionReconciler) supersede(ctx context.Context, s *scope) error {
	if err := r.cancelRemote(ctx, s); err != nil || s.isCommitted() {
		return err
	}
	s.event("Normal", v1alpha1.ReasonSuperseding, "the content of the source changed; the remote session with the older content was cancelled")
	r.archive(s, v1alpha1.ReasonSuperseding)
	s.after = time.Millisecond
	return nil
}

// restart files an ended attempt and lets the next one begin.
func (r *SessionReconciler) restart(ctx context.Context, s *scope) error {
	if err := r.stopWork(ctx, s); err != nil { // an upload that has ended is not the next attempt's
		return err
	}
	if err := r.cancelOrphans(ctx, s); err != nil {
		return err
	}
	s.status().ObservedRestartToken = s.object.Spec.RestartToken
	outcome := string(s.remote.State)
	if live := findCondition(s.status().Conditions, v1alpha1.ConditionLive); live != nil && live.Reason == v1alpha1.ReasonVerificationFailed {
		outcome = live.Reason
	}
	r.archive(s, outcome)
	s.after = time.Millisecond
	return nil
}

// watch follows a committed session's indexing jobs.
func (r *SessionReconciler) watch(ctx context.Context, s *scope) error {
	if err := r.stopWork(ctx, s); err != nil {
		return err
	}
	s.after = r.Options.PollInterval
	return nil
}

// fail ends with the service's own words.
func (r *SessionReconciler) fail(ctx context.Context, s *scope) error {
	reason, message := v1alpha1.ReasonFailed, "the service failed the session"
	switch s.remoteFact() {
	case session.RemoteExpired:
		reason, message = v1alpha1.ReasonExpired, "the session expired at the service before it was committed"
	case session.RemoteForgotten:
		reason, message = v1alpha1.ReasonForgotten, "the service no longer knows the session"
	}
	if e := s.remote.Error; e != nil {
		message += ": " + problem.Truncate(e.Code) + ": " + problem.Truncate(e.Message)
	}
	return r.recordOutcome(ctx, s, reason, message+"; change spec.restartToken to try again")
}

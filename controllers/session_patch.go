package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// sessionPass ends a pass over a session.
type sessionPass struct {
	r *SessionReconciler
	s *scope
	// found is what the pass met, nil where that is nothing; report sets it.
	found *problem.Problem
	// next is when to look again; report sets it.
	next ctrl.Result
}

// patchStatus is the exit of a pass.
func (r *SessionReconciler) patchStatus(ctx context.Context, s *scope, err error) (ctrl.Result, error) {
	return patchStatus(ctx, &sessionPass{r: r, s: s}, err)
}

func (p *sessionPass) isOver() bool                    { return p.s.finalizerRemoved }
func (p *sessionPass) heldBack() time.Duration         { return p.r.heldBack(p.s) }
func (p *sessionPass) write(ctx context.Context) error { return p.r.write(ctx, p.s) }

func (p *sessionPass) tell(ctx context.Context) {
	p.r.tell(p.s)
	if p.s.step != "" || p.found != nil {
		p.log(ctx)
	}
	if p.isOver() {
		p.r.journal.forget(p.s.object.UID)
	}
}

// log has one line for each step that a session takes, and one for each problem.
func (p *sessionPass) log(ctx context.Context) {
	s, status := p.s, p.s.status()
	before := said{reason: (&v1alpha1.ExactMatchSession{Status: s.first}).StatusReason(), outcome: s.first.Outcome, remoteID: s.first.ID, revision: s.first.Revision, attempt: s.first.Attempt}
	now := said{step: s.step, reason: s.object.StatusReason(), outcome: status.Outcome, remoteID: status.ID, revision: status.Revision, attempt: status.Attempt}
	if p.found != nil {
		now.problem = p.found.Gist()
	}
	if !p.r.journal.isNews(s.object.UID, before, now) {
		return
	}
	values := []any{"step", s.step, "reason", now.reason, "situation", s.situation, "desired", s.desired(),
		"revision", now.revision, "attempt", now.attempt, "remoteID", now.remoteID}
	if now.outcome != "" && p.found == nil {
		values = append(values, "message", status.OutcomeMessage)
	}
	logPass(ctx, s.began, p.next, p.found, values...)
}

func (p *sessionPass) report(err error) ctrl.Result {
	r, s := p.r, p.s
	err = r.graces.grace(s.object, s.status().Conditions, err, r.Options, r.Now())
	if err != nil {
		p.found = problem.Of(err)
	}
	countError(sessionController, p.found)
	r.report(s, err)
	if s.after == 0 && s.status().Outcome != "" {
		s.after = r.untilExpiry(s)
	}
	p.next = s.requeue(err)
	return p.next
}

// heldBack returns how long a status that differs only in numbers must wait
// for its write, so that watching stays cheap.
func (r *SessionReconciler) heldBack(s *scope) time.Duration {
	if !changed(s) || s.step == "" || s.object.StatusReason() != s.before.StatusReason() || s.status().Outcome != s.before.Status.Outcome {
		return 0
	}
	if s.status().ObservedGeneration != s.before.Status.ObservedGeneration || s.status().ID != s.before.Status.ID {
		return 0
	}
	if s.status().ConsecutiveFailures != s.before.Status.ConsecutiveFailures || len(s.events) > 0 {
		return 0
	}
	last, now := r.memory.lastWrite(s.object.UID), r.Now()
	if !isRecent(last, now, r.Options.StatusInterval) {
		return 0
	}
	wait := r.Options.StatusInterval - now.Sub(last)
	if s.after > 0 {
		wait = min(wait, s.after)
	}
	return wait
}

// changed reports whether status is another than the API server has.
func changed(s *scope) bool { return !equality.Semantic.DeepEqual(s.before.Status, s.object.Status) }

// record writes, in the middle of a step, what the step is about to do.
func (r *SessionReconciler) record(ctx context.Context, s *scope) error {
	r.describe(s, nil)
	return r.write(ctx, s)
}

// write patches status where it changed, and only if nobody wrote the object in
// between: a pass over an old cache, or a manager that is the leader no more,
// gets a conflict and changes nothing.
func (r *SessionReconciler) write(ctx context.Context, s *scope) error {
	if !changed(s) {
		return nil
	}
	written := s.object.DeepCopy()
	if err := r.Status().Patch(ctx, written, locked(s.before)); err != nil {
		return err
	}
	s.object, s.before = written, written.DeepCopy()
	r.memory.setWritten(s.object, r.Now())
	return nil
}

// tell sends the events and counts the pass.
func (r *SessionReconciler) tell(s *scope) {
	for _, e := range s.events {
		r.Recorder.Eventf(s.object, nil, e.kind, e.reason, e.reason, "%s", noteOf(e.message))
	}
	if s.status().Outcome != "" && s.status().Outcome != s.first.Outcome {
		kind := "Normal"
		if v := verdictOf(s, nil); v.stalled {
			kind = "Warning"
		}
		r.Recorder.Eventf(s.object, nil, kind, s.status().Outcome, s.status().Outcome, "%s", noteOf(s.status().OutcomeMessage))
	}
	if s.status().Outcome == "" {
		tellStalled(r.Recorder, s.object, s.first.Conditions, s.status().Conditions)
	}
	r.count(s)
}

// requeue ends a pass over a session; the time of the next retry, which status
// states, is kept.
func (s *scope) requeue(err error) ctrl.Result {
	if s.status().NextRetryTime != nil {
		return ctrl.Result{RequeueAfter: s.after}
	}
	if err == nil {
		return requeue(s.after, nil)
	}
	return requeue(s.after, problem.Of(err))
}

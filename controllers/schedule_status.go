package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/api/v1alpha1"
)

// patchStatus is the exit of a pass.
func (r *ScheduleReconciler) patchStatus(ctx context.Context, s *scheduleScope, err error) (ctrl.Result, error) {
	return patchStatus(ctx, &schedulePass{r: r, s: s}, err)
}

func (p *schedulePass) isOver() bool            { return false }
func (p *schedulePass) heldBack() time.Duration { return 0 }

func (p *schedulePass) report(err error) ctrl.Result {
	s, status := p.s, p.s.status()
	status.ObservedGeneration = s.object.Generation
	p.found = simpleConditions(&status.Conditions, s.object.Generation, "the schedule is in force", err)
	countError(scheduleController, p.found)
	if s.object.Spec.Suspend && p.found == nil {
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
			meta.RemoveStatusCondition(&status.Conditions, kind)
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSuspended, ObservedGeneration: s.object.Generation,
			Message: "spec.suspend is true; no run is made until it is false",
		})
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSuspended)
	}
	p.next = ctrl.Result{RequeueAfter: p.after()}
	return p.next
}

// after is when to look again: when the next run is due, or what a run waits for may be
// there. A clock that is set is noticed within a resync.
func (p *schedulePass) after() time.Duration {
	after := spread(p.r.Options.ResyncInterval)
	if p.found != nil {
		return min(after, again(p.found, p.r.Options))
	}
	if next := p.s.decision.Next; !next.IsZero() {
		after = min(after, next.Sub(p.s.now))
	}
	return max(after, time.Millisecond)
}

func (p *schedulePass) write(ctx context.Context) error {
	if equality.Semantic.DeepEqual(p.s.before.Status, p.s.object.Status) {
		return nil
	}
	return p.r.Status().Patch(ctx, p.s.object, locked(p.s.before))
}

func (p *schedulePass) tell(ctx context.Context) {
	before, now := &p.s.before.Status, &p.s.object.Status
	for _, e := range p.s.events {
		p.r.Recorder.Eventf(p.s.object, nil, e.kind, e.reason, e.reason, "%s", noteOf(e.message))
	}
	p.r.journal.tell(ctx, p.r.Recorder, news{
		object: p.s.object, began: p.s.began, before: before.Conditions, now: now.Conditions,
		was: saidOf(before.Conditions, before.LastRunName, nil), is: saidOf(now.Conditions, now.LastRunName, p.found), met: p.found, next: p.next,
	})
}

var _ pass = &schedulePass{}

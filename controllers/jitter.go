package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
)

// mostJitter is the share by which intervals are spread at most: objects that were
// made, or failed, together shall not call together for ever.
const mostJitter = 0.1

// spread lengthens an interval by up to a tenth.
func spread(interval time.Duration) time.Duration {
	if interval <= 0 {
		return interval
	}
	return wait.Jitter(interval, mostJitter)
}

// requeue ends a pass that looks again after an interval; the end of a grace, or of
// a wait that the service asked for, which the message states, is kept.
func requeue(after time.Duration, p *problem) ctrl.Result {
	if p != nil && p.remedy == await || p.isAsked() {
		return ctrl.Result{RequeueAfter: after}
	}
	return ctrl.Result{RequeueAfter: spread(after)}
}

// requeue ends a pass over a session; the time of the next attempt, which status
// states, is kept.
func (s *scope) requeue(err error) ctrl.Result {
	if s.status().NextAttemptTime != nil {
		return ctrl.Result{RequeueAfter: s.after}
	}
	if err == nil {
		return requeue(s.after, nil)
	}
	return requeue(s.after, asProblem(err))
}

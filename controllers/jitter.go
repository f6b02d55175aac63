package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/internal/problem"
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
func requeue(after time.Duration, p *problem.Problem) ctrl.Result {
	if p != nil && p.Remedy == problem.Await || p.IsAsked() {
		return ctrl.Result{RequeueAfter: after}
	}
	return ctrl.Result{RequeueAfter: spread(after)}
}

// again is when to look again at a store or an agent with the problem.
func again(p *problem.Problem, o Options) time.Duration {
	switch p.Remedy {
	case problem.Await:
		return p.After
	case problem.Retry:
		return max(p.After, o.PollInterval)
	}
	return max(p.After, o.RepairInterval)
}

// backoff is the wait after the given number of consecutive failures: 1 s doubling
// to at most 5 min. It is derived from status, so a restart does not forget it.
func backoff(failures int32) time.Duration {
	const most = 5 * time.Minute
	if failures > 9 {
		return most
	}
	return min(most, time.Second<<max(failures-1, 0))
}

package controllers

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// said is what a line of the log says of an object, but for what differs from look
// to look.
type said struct {
	step            session.Step // "" of a data store and an upload agent
	reason, outcome string
	remoteID        string
	revision        int64
	attempt         int32
	problem         string
}

// journal has what the log says of each object. A pass that comes to the same has no
// line. A restart may lose it: then status says what was said.
type journal struct {
	mu   sync.Mutex
	last map[types.UID]said
}

// isNews notes what a pass came to, and reports whether that is worth a line: whether
// the log says something else of the object, or, where this process has not logged it,
// status did before the pass.
func (j *journal) isNews(uid types.UID, before, now said) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	known, ok := j.last[uid]
	if !ok {
		known = before
		known.step, known.problem = now.step, now.problem
	}
	if j.last == nil {
		j.last = map[types.UID]said{}
	}
	j.last[uid] = now
	return known != now
}

// saidOf is what the log says of a data store or an upload agent.
func saidOf(conditions []metav1.Condition, id string, met *problem.Problem) said {
	is := said{remoteID: id}
	if ready := findCondition(conditions, v1alpha1.ConditionReady); ready != nil {
		is.reason = ready.Reason
	}
	if met != nil {
		is.problem = met.Gist()
	}
	return is
}

// forget drops a deleted object.
func (j *journal) forget(uid types.UID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.last, uid)
}

// logPass writes the line of a pass, with what it met.
func logPass(ctx context.Context, began time.Time, next ctrl.Result, met *problem.Problem, values ...any) {
	values = append(values, "took", time.Since(began).Round(time.Millisecond).String(), "next", next.RequeueAfter.Round(time.Millisecond).String())
	if met == nil {
		logf.FromContext(ctx).Info("reconciled", values...)
		return
	}
	logf.FromContext(ctx).Info("reconciliation did not succeed", append(values, "message", met.Message, "stalled", met.Stalls())...)
}

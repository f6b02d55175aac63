package controllers

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// news is the end of a pass over a data store or an upload agent.
type news struct {
	object      client.Object
	began       time.Time
	isOver      bool // the finalizer is removed
	before, now []metav1.Condition
	was, is     said
	met         *problem.Problem // nil where the pass met nothing
	next        ctrl.Result
}

// tell sends the event of an object that is Stalled since the pass, and logs the pass
// where that is news.
func (j *journal) tell(ctx context.Context, recorder events.EventRecorder, n news) {
	tellStalled(recorder, n.object, n.before, n.now)
	if n.isOver {
		j.forget(n.object.GetUID())
		return
	}
	if j.isNews(n.object.GetUID(), n.was, n.is) {
		logPass(ctx, n.began, n.next, n.met, "reason", n.is.reason, "remoteID", n.is.remoteID)
	}
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

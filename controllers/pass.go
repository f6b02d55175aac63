package controllers

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
)

// pass is one pass over an object of any kind, as far as its end goes.
type pass interface {
	// isOver reports whether the finalizer is removed: the object may be gone, so
	// nothing is left to write.
	isOver() bool
	// report turns what the pass came to into status, and says when to look again.
	report(err error) ctrl.Result
	// heldBack is how long a status waits that is not worth a write yet, else 0.
	heldBack() time.Duration
	// write patches status where it changed, unless somebody wrote the object in
	// between.
	write(ctx context.Context) error
	// tell sends events, counts the pass, and logs it where that is news.
	tell(ctx context.Context)
}

// patchStatus is the one exit of a pass, for each kind: it writes the result,
// always, and only then tells anybody.
func patchStatus(ctx context.Context, p pass, err error) (ctrl.Result, error) {
	if p.isOver() {
		p.tell(ctx)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if isOvertaken(ctx, err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	next := p.report(err)
	if wait := p.heldBack(); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if failed := p.write(ctx); apierrors.IsConflict(failed) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if failed != nil {
		return ctrl.Result{}, client.IgnoreNotFound(failed)
	}
	p.tell(ctx)
	return next, nil
}

// isOvertaken reports whether an error is no failure: somebody wrote in between, the
// cache is behind, or the manager stops. The next pass judges afresh.
func isOvertaken(ctx context.Context, err error) bool {
	return apierrors.IsConflict(err) || errors.Is(err, executor.ErrBehind) || edm.Interrupted(err) && ctx.Err() != nil
}

// conflictRetry is the wait after a write that met a newer object: the cache
// shows it by then.
const conflictRetry = 100 * time.Millisecond

// locked is a patch that fails where the object is another than before.
func locked(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

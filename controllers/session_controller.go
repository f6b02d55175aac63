package controllers

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchsessions,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchsessions/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes one session one step further.
func (r *SessionReconciler) Reconcile(ctx context.Context, req ctrl.Request) (result ctrl.Result, err error) {
	object := &v1alpha1.ExactMatchSession{}
	if err := r.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.memory.behind(object) {
		return ctrl.Result{RequeueAfter: cacheCheck}, nil
	}
	s := newScope(object)
	defer func() { result, err = r.patchStatus(ctx, s, err) }()
	if err := r.ensureFinalizer(ctx, s); err != nil || s.finalizerRemoved {
		return ctrl.Result{}, err
	}
	if s.hasOutcome() {
		if again, err := r.revisits(ctx, s); err != nil || !again {
			return ctrl.Result{}, err
		}
	}
	if s.waits(r.Now(), r.memory.pauseOf(s.object)) {
		return ctrl.Result{}, nil
	}
	s.status().Outcome, s.status().OutcomeMessage = "", "" // judged afresh
	if err := r.observe(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.decide(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.endOthers(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.act(ctx, s)
}

// act takes the step of this pass. A step without an action is a mistake in the
// manager, which only another version mends.
func (r *SessionReconciler) act(ctx context.Context, s *scope) error {
	do := r.steps()[s.step]
	if do == nil {
		return problem.NeedsRepair(v1alpha1.ReasonInternalError, "the manager has no action for the step %q; report this as a bug, and run another version of it", s.step)
	}
	return do(ctx, s)
}

// decide finds the step of the pass. What a reading has found out is recorded first,
// where the lifecycle would have the source read: it decides what comes next.
func (r *SessionReconciler) decide(ctx context.Context, s *scope) error {
	r.judge(s)
	if s.step != session.StepPrepare || !s.hasRead() {
		return nil
	}
	if err := r.takeReading(ctx, s); err != nil {
		return err
	}
	s.judgeWork()
	if err := r.observeLive(ctx, s); err != nil {
		return err
	}
	r.judge(s)
	return nil
}

// judge finds the situation, and what the lifecycle's table has done in it.
func (r *SessionReconciler) judge(s *scope) {
	now := r.Now()
	s.situation, s.step = session.Observe(s.facts, now), session.Next(s.desired(), s.facts, now)
}

// ensureFinalizer keeps the object that carries the finalizer, and tells where one
// that is being deleted has lost it.
func (r *SessionReconciler) ensureFinalizer(ctx context.Context, s *scope) error {
	s.finalizerRemoved = s.deleting() && !hasFinalizer(s.object)
	added, err := ensureFinalizer(ctx, r.Client, s.object)
	if added && err == nil {
		s.before = s.object.DeepCopy()
		r.memory.setWritten(s.object, r.Now())
	}
	return err
}

// SetupWithManager has the manager reconcile a session when its spec, its store, a
// Job or pod of it changes, or its work in this process.
func (r *SessionReconciler) SetupWithManager(mgr ctrl.Manager) error {
	made := builder.ControllerManagedBy(mgr).
		For(&v1alpha1.ExactMatchSession{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ExactMatchDataStore{}, handler.EnqueueRequestsFromMapFunc(r.sessionsOfStore)).
		WatchesRawSource(source.Channel(r.Wakes, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 16})
	if r.Options.workersEnabled() {
		made = made.Owns(&batchv1.Job{}).Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(sessionOfPod))
	}
	return made.Complete(r)
}

package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
)

// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchdatastores,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchdatastores/status,verbs=patch

// Reconcile reconciles one data store with its spec.
func (r *DataStoreReconciler) Reconcile(ctx context.Context, req ctrl.Request) (result ctrl.Result, err error) {
	object := &v1alpha1.ExactMatchDataStore{}
	if err := r.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &storeScope{object: object.DeepCopy(), before: object.DeepCopy(), began: time.Now()}
	defer func() { result, err = r.patchStatus(ctx, s, err) }()
	if s.sessions, err = r.sessionsOf(ctx, object); err != nil {
		return ctrl.Result{}, err
	}
	if !object.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.reconcileDelete(ctx, s)
	}
	if err := r.ensureFinalizer(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if s.after = r.freshFor(ctx, s); s.after == 0 {
		if err := r.reach(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	r.admitNext(s)
	return ctrl.Result{}, nil
}

// SetupWithManager has the manager reconcile a data store when its spec or its upload
// agent changes, or a session takes a step that can move the queue.
func (r *DataStoreReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return builder.ControllerManagedBy(mgr).
		For(&v1alpha1.ExactMatchDataStore{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ExactMatchSession{}, handler.EnqueueRequestsFromMapFunc(storeOfSession), builder.WithPredicates(stepChanged())).
		Watches(&v1alpha1.ExactMatchUploadAgent{}, handler.EnqueueRequestsFromMapFunc(r.storesOfAgent)).
		// A pass calls the service: one store does not wait for the response to another.
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r)
}

// ensureFinalizer keeps the object that carries the finalizer.
func (r *DataStoreReconciler) ensureFinalizer(ctx context.Context, s *storeScope) error {
	added, err := ensureFinalizer(ctx, r.Client, s.object)
	if added && err == nil {
		s.before = s.object.DeepCopy()
	}
	return err
}

// reach makes sure that the remote store exists and carries the spec's columns.
func (r *DataStoreReconciler) reach(ctx context.Context, s *storeScope) error {
	r.looks.forget(s.object.UID)
	if err := checkDelimiters(s.object); err != nil {
		return err
	}
	if err := r.openService(ctx, s); err != nil {
		return err
	}
	if err := r.recordKey(ctx, s); err != nil {
		return err
	}
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	remote, err := r.ensureRemote(callCtx, s)
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
		return err
	}
	mirrorStore(&s.object.Status, remote)
	recordLive(s, remote)
	s.looked = true
	if err := r.recall(callCtx, s); err != nil {
		r.Clients.Failed(s.agent, s.client, err)
		return err
	}
	r.looks.remember(s.object.UID, look{at: r.Now(), agent: s.agent.UID, generation: s.agent.Generation})
	return nil
}

// checkDelimiters refuses an ignored delimiter that does nothing: its author
// believes that values match which do not.
func checkDelimiters(store *v1alpha1.ExactMatchDataStore) error {
	return pipeline.CheckDelimiters(convert.Columns(store))
}

// recordKey shows which key the store's tokens are made under.
func (r *DataStoreReconciler) recordKey(ctx context.Context, s *storeScope) error {
	read := r.Clients.Fresh(s.object.Namespace)
	ref := s.object.Spec.KeySecretRef
	key, err := read.Secret(ctx, ref.Name, ref.Key)
	if err != nil {
		return err
	}
	keyID, err := pipeline.KeyID(key, displayName(s.object))
	if err != nil {
		return problem.NeedsRepair(v1alpha1.ReasonKeyTooShort, "Secret %q, key %q: %v", ref.Name, ref.Key, err)
	}
	s.object.Status.KeyID = keyID
	return nil
}

// mirrorStore copies the remote store into status.
func mirrorStore(status *v1alpha1.ExactMatchDataStoreStatus, from *edm.DataStore) {
	status.ID, status.DisplayName = from.ID, from.DisplayName
	status.DataLastUpdatedDateTime = stampOf(from.DataLastUpdatedDateTime)
	status.Quota = nil
	if q := from.Quota; q != nil {
		status.Quota = &v1alpha1.Quota{Max: q.Max, Remaining: q.Remaining, NextSlotTime: stampOf(q.NextSlotDateTime)}
	}
}

// storePass ends a pass over a data store.
type storePass struct {
	r *DataStoreReconciler
	s *storeScope
	// found is what the pass met, nil where that is nothing; report sets it.
	found *problem.Problem
	// next is when to look again; report sets it.
	next ctrl.Result
}

// patchStatus is the exit of a pass.
func (r *DataStoreReconciler) patchStatus(ctx context.Context, s *storeScope, err error) (ctrl.Result, error) {
	return patchStatus(ctx, &storePass{r: r, s: s}, err)
}

func (p *storePass) isOver() bool            { return p.s.finalizerRemoved }
func (p *storePass) heldBack() time.Duration { return 0 }

func (p *storePass) report(err error) ctrl.Result {
	r, s := p.r, p.s
	status, after := &s.object.Status, s.after
	if after == 0 {
		after = r.Options.ResyncInterval
	}
	status.ObservedGeneration = s.object.Generation
	err = problem.Dated(r.graces.grace(s.object, status.Conditions, err, r.Options, r.Now()), r.Now())
	r.reportLive(s, err)
	p.found = simpleConditions(&status.Conditions, s.object.Generation, "the remote data store exists", err)
	countError(storeController, p.found)
	if p.found != nil {
		after = again(p.found, r.Options)
	}
	p.next = requeue(after, p.found)
	return p.next
}

func (p *storePass) write(ctx context.Context) error {
	if equality.Semantic.DeepEqual(p.s.before.Status, p.s.object.Status) {
		return nil
	}
	return p.r.Status().Patch(ctx, p.s.object, locked(p.s.before))
}

func (p *storePass) tell(ctx context.Context) {
	before, now := &p.s.before.Status, &p.s.object.Status
	p.r.journal.tell(ctx, p.r.Recorder, news{
		object: p.s.object, began: p.s.began, isOver: p.isOver(), before: before.Conditions, now: now.Conditions,
		was: saidOf(before.Conditions, before.ID, nil), is: saidOf(now.Conditions, now.ID, p.found), met: p.found, next: p.next,
	})
}

// freshFor returns for how long yet the store's status is as good as another
// look, at most a poll interval; 0 asks for one. When another session is admitted, the
// quota and the live table have changed, so that session gets them as they are.
func (r *DataStoreReconciler) freshFor(ctx context.Context, s *storeScope) time.Duration {
	if !isReady(s.object.Status.Conditions, s.object.Generation) {
		return 0
	}
	if active := s.object.Status.ActiveSession; active != "" && !slices.ContainsFunc(s.sessions, func(one v1alpha1.ExactMatchSession) bool {
		return one.Name == active && keepsAdmission(&one)
	}) {
		return 0
	}
	last, agent := r.looks.of(s.object.UID), &v1alpha1.ExactMatchUploadAgent{}
	key := client.ObjectKey{Namespace: s.object.Namespace, Name: s.object.Spec.UploadAgentRef.Name}
	if r.Get(ctx, key, agent) != nil || agentProblem(agent) != nil || agent.UID != last.agent || agent.Generation != last.generation {
		return 0
	}
	if now := r.Now(); isRecent(last.at, now, r.Options.PollInterval) {
		return last.at.Add(r.Options.PollInterval).Sub(now)
	}
	return 0
}

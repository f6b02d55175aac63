package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchuploadagents,verbs=list;watch;patch
// +kubebuilder:rbac:groups=exactmatch.dev,resources=exactmatchuploadagents/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=serviceaccounts/token,resourceNames=exactmatch,verbs=create

// Reconcile reconciles one upload agent with its spec.
func (r *UploadAgentReconciler) Reconcile(ctx context.Context, req ctrl.Request) (result ctrl.Result, err error) {
	object := &v1alpha1.ExactMatchUploadAgent{}
	if err := r.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &agentScope{object: object.DeepCopy(), before: object.DeepCopy(), began: time.Now()}
	defer func() { result, err = r.patchStatus(ctx, s, err) }()
	if err := r.ensureFinalizer(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.countStores(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if deleted(object) {
		return ctrl.Result{}, r.reconcileDelete(ctx, s)
	}
	return ctrl.Result{}, r.register(ctx, s)
}

// SetupWithManager has the manager reconcile an upload agent when its spec changes, a
// data store of it comes or goes, or somebody else's call is refused.
func (r *UploadAgentReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return builder.ControllerManagedBy(mgr).
		For(&v1alpha1.ExactMatchUploadAgent{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ExactMatchDataStore{}, handler.EnqueueRequestsFromMapFunc(agentOfStore), builder.WithPredicates(storeComesOrGoes())).
		WatchesRawSource(source.Channel(r.Wakes, &handler.EnqueueRequestForObject{})).
		// As for data stores: an endpoint that does not answer holds up no other agent.
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r)
}

// ensureFinalizer keeps the object that carries the finalizer.
func (r *UploadAgentReconciler) ensureFinalizer(ctx context.Context, s *agentScope) error {
	added, err := ensureFinalizer(ctx, r.Client, s.object)
	if added && err == nil {
		s.before = s.object.DeepCopy()
	}
	return err
}

// countStores lists the data stores that refer to the agent, as they lie in the
// cache, and counts those that have a remote store through it.
func (r *UploadAgentReconciler) countStores(ctx context.Context, s *agentScope) error {
	list := &v1alpha1.ExactMatchDataStoreList{}
	if err := r.List(ctx, list, client.InNamespace(s.object.Namespace), client.MatchingFields{agentIndex: s.object.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	s.stores, s.object.Status.DataStores = list.Items, 0
	for i := range s.stores {
		if s.stores[i].Status.ID != "" {
			s.object.Status.DataStores++
		}
	}
	return nil
}

// register finds the remote agent or makes it. Our object's UID stands in the
// description, so a create in doubt is resolved by a list.
func (r *UploadAgentReconciler) register(ctx context.Context, s *agentScope) error {
	if s.object.Spec.Workers.Mode == v1alpha1.WorkersModeJob && r.Options.WorkerImage == "" {
		return problem.NeedsChange(v1alpha1.ReasonWorkersUnavailable, "spec.workers.mode Job requires a manager that was started with --worker-image; give it the operator's image, or use Manager")
	}
	opened, err := r.Clients.Open(ctx, s.object, r.Clients.Fresh(s.object.Namespace))
	if err != nil {
		return err
	}
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	remote, err := r.ensureRemote(callCtx, s, opened.Service.Agents())
	if err != nil {
		r.Clients.Failed(s.object, opened, err)
		return r.noSuchPath(s.object, err)
	}
	format, err := opened.Service.BlockFormat(callCtx)
	if err != nil {
		r.Clients.Failed(s.object, opened, err)
		return r.noSuchPath(s.object, err)
	}
	status := &s.object.Status
	status.ID, status.CreationDateTime, status.BlockFormat = remote.ID, stampOf(remote.CreationDateTime), format
	return nil
}

// describe is how the remote agent names its object.
func describe(agent *v1alpha1.ExactMatchUploadAgent) string {
	return fmt.Sprintf("exactmatch.dev %s/%s (%s)", agent.Namespace, agent.Name, agent.UID)
}

func (r *UploadAgentReconciler) ensureRemote(ctx context.Context, s *agentScope, agents edm.Agents) (*edm.UploadAgent, error) {
	if id := s.object.Status.ID; id != "" {
		remote, err := agents.Get(ctx, id)
		if !edm.IsNotFound(err) {
			return remote, err
		}
	}
	all, err := agents.List(ctx, edm.Query{})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Description == describe(s.object) {
			return &all[i], nil
		}
	}
	return agents.Create(ctx, edm.UploadAgent{Description: describe(s.object)}, string(s.object.UID)+"-agent")
}

// remove deletes the remote agent once no data store refers to the object.
func (r *UploadAgentReconciler) reconcileDelete(ctx context.Context, s *agentScope) error {
	if !hasFinalizer(s.object) {
		s.finalizerRemoved = true
		return nil
	}
	if n := len(s.stores); n > 0 {
		return problem.Passes(v1alpha1.ReasonDeleting, r.Options.QueueInterval, "ExactMatchDataStore %q%s refers to this upload agent; delete it, and the upload agent is deleted",
			s.stores[0].Name, andMore(n-1))
	}
	if err := r.unregister(ctx, s); err != nil {
		return err
	}
	if err := removeFinalizer(ctx, r.Client, s.object); err != nil {
		return err
	}
	r.Clients.Forget(s.object.UID)
	r.graces.forget(s.object.UID)
	s.finalizerRemoved = true
	return nil
}

// unregister deletes the remote agent, or leaves it with a warning where the
// service cannot be asked any more.
func (r *UploadAgentReconciler) unregister(ctx context.Context, s *agentScope) error {
	if s.object.Status.ID == "" {
		return nil
	}
	opened, err := r.Clients.OpenFor(ctx, s.object, s.object, r.Clients.Fresh(s.object.Namespace))
	if err == nil {
		callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
		defer stop()
		err = opened.Service.Agents().Delete(callCtx, s.object.Status.ID)
	}
	if err == nil {
		return nil
	}
	p := problem.Of(err)
	if !r.Options.proceeds(&s.object.Status.FinalizeDeadline, p, r.Now()) {
		return err
	}
	r.reportOrphan(ctx, s, p)
	return nil
}

// agentPass ends a pass over an upload agent.
type agentPass struct {
	r *UploadAgentReconciler
	s *agentScope
	// found is what the pass met, nil where that is nothing; report sets it.
	found *problem.Problem
	// next is when to look again; report sets it.
	next ctrl.Result
}

// patchStatus is the exit of a pass.
func (r *UploadAgentReconciler) patchStatus(ctx context.Context, s *agentScope, err error) (ctrl.Result, error) {
	return patchStatus(ctx, &agentPass{r: r, s: s}, err)
}

func (p *agentPass) isOver() bool            { return p.s.finalizerRemoved }
func (p *agentPass) heldBack() time.Duration { return 0 }

func (p *agentPass) report(err error) ctrl.Result {
	r, object := p.r, p.s.object
	status, after := &object.Status, r.Options.AgentInterval
	status.ObservedGeneration = object.Generation
	err = problem.Dated(r.graces.grace(object, status.Conditions, err, r.Options, r.Now()), r.Now())
	p.found = simpleConditions(&status.Conditions, object.Generation, "the upload agent is registered", err)
	countError(agentController, p.found)
	if p.found != nil {
		after = again(p.found, r.Options)
	}
	p.next = requeue(after, p.found)
	return p.next
}

func (p *agentPass) write(ctx context.Context) error {
	if equality.Semantic.DeepEqual(p.s.before.Status, p.s.object.Status) {
		return nil
	}
	return p.r.Status().Patch(ctx, p.s.object, locked(p.s.before))
}

func (p *agentPass) tell(ctx context.Context) {
	before, now := &p.s.before.Status, &p.s.object.Status
	p.r.journal.tell(ctx, p.r.Recorder, news{
		object: p.s.object, began: p.s.began, isOver: p.isOver(), before: before.Conditions, now: now.Conditions,
		was: saidOf(before.Conditions, before.ID, nil), is: saidOf(now.Conditions, now.ID, p.found), met: p.found, next: p.next,
	})
}

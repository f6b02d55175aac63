package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"exactmatch.dev/operator/api/v1alpha1"
)

func (r *UploadAgentReconciler) setup(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).
		For(&v1alpha1.ExactMatchUploadAgent{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ExactMatchDataStore{}, handler.EnqueueRequestsFromMapFunc(agentOfStore), builder.WithPredicates(storeComesOrGoes())).
		WatchesRawSource(source.Channel(r.Wakes, &handler.EnqueueRequestForObject{})).
		// As for data stores: an endpoint that does not answer holds up no other agent.
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r)
}

func agentOfStore(_ context.Context, o client.Object) []ctrl.Request {
	store := o.(*v1alpha1.ExactMatchDataStore)
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: store.Namespace, Name: store.Spec.UploadAgentRef.Name}}}
}

// storeComesOrGoes passes the changes of a data store that its agent counts: a
// new store, one that is gone, and a remote id.
func storeComesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.(*v1alpha1.ExactMatchDataStore).Status.ID != e.ObjectNew.(*v1alpha1.ExactMatchDataStore).Status.ID
	}}
}

// andMore ends a message that names one of several.
func andMore(others int) string {
	if others == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", others)
}

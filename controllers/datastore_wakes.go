package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"exactmatch.dev/operator/api/v1alpha1"
)

func storeOfSession(_ context.Context, o client.Object) []ctrl.Request {
	one := o.(*v1alpha1.ExactMatchSession)
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: one.Namespace, Name: one.Spec.DataStoreRef.Name}}}
}

// stepChanged lets those changes of a session through that can move the queue.
func stepChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.ExactMatchSession), e.ObjectNew.(*v1alpha1.ExactMatchSession)
		return before.StatusReason() != after.StatusReason() || before.Status.Outcome != after.Status.Outcome ||
			before.Generation != after.Generation || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
	}}
}

func (r *DataStoreReconciler) storesOfAgent(ctx context.Context, agent client.Object) []ctrl.Request {
	list := &v1alpha1.ExactMatchDataStoreList{}
	if err := r.List(ctx, list, client.InNamespace(agent.GetNamespace()), client.MatchingFields{agentIndex: agent.GetName()}); err != nil {
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"exactmatch.dev/operator/api/v1alpha1"
)

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

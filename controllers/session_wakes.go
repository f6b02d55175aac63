package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
)

// sessionOfPod wakes the session of a worker's pod.
func sessionOfPod(_ context.Context, pod client.Object) []ctrl.Request {
	name := pod.GetAnnotations()[jobs.SessionAnnotation]
	if name == "" || pod.GetLabels()[jobs.ManagedByLabel] != jobs.ManagedBy {
		return nil
	}
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: pod.GetNamespace(), Name: name}}}
}

// sessionsOfStore wakes those sessions that a change of their store concerns.
func (r *SessionReconciler) sessionsOfStore(ctx context.Context, store client.Object) []ctrl.Request {
	shown := store.(*v1alpha1.ExactMatchDataStore)
	all, err := sessionsOf(ctx, r.Client, store)
	if err != nil {
		return nil
	}
	var requests []ctrl.Request
	for i := range all {
		if one := &all[i]; concerns(shown, one) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(one)})
		}
	}
	return requests
}

// wakeUp is the object that a wake of the pool is about.
func wakeUp(owner executor.Owner) client.Object {
	woken := &v1alpha1.ExactMatchSession{}
	woken.Namespace, woken.Name = owner.Namespace, owner.Name
	return woken
}

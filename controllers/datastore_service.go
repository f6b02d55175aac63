package controllers

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// sessionsOf lists the sessions that refer to the store, as they lie in the cache:
// a store may have thousands, and nobody may change one.
func (r *DataStoreReconciler) sessionsOf(ctx context.Context, store *v1alpha1.ExactMatchDataStore) ([]v1alpha1.ExactMatchSession, error) {
	return sessionsOf(ctx, r.Client, store)
}

func sessionsOf(ctx context.Context, reader client.Reader, store client.Object) ([]v1alpha1.ExactMatchSession, error) {
	list := &v1alpha1.ExactMatchSessionList{}
	err := reader.List(ctx, list, client.InNamespace(store.GetNamespace()), client.MatchingFields{storeIndex: store.GetName()}, client.UnsafeDisableDeepCopy)
	return list.Items, err
}

// openService opens the client of the store's upload agent.
func (r *DataStoreReconciler) openService(ctx context.Context, s *storeScope) error {
	agent := &v1alpha1.ExactMatchUploadAgent{}
	name := s.object.Spec.UploadAgentRef.Name
	if err := r.Get(ctx, client.ObjectKey{Namespace: s.object.Namespace, Name: name}, agent); err != nil {
		return missing(err, v1alpha1.ReasonUploadAgentNotFound, "ExactMatchUploadAgent", name)
	}
	s.agent = agent
	if p := agentProblem(agent); p != nil && !deleted(s.object) {
		return p
	}
	opened, err := r.Clients.OpenFor(ctx, s.object, agent, r.Clients.Fresh(agent.Namespace))
	if err != nil {
		return err
	}
	s.client = opened
	return nil
}

// agentProblem is why an upload agent cannot be used now, nil where it can.
func agentProblem(agent *v1alpha1.ExactMatchUploadAgent) *problem.Problem {
	if stalled := findCondition(agent.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Status == metav1.ConditionTrue {
		return problem.NeedsRepair(stalled.Reason, "ExactMatchUploadAgent %q: %s", agent.Name, stalled.Message)
	}
	if agent.Status.ID == "" {
		message := "is not registered yet"
		if ready := findCondition(agent.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			message = ready.Message
		}
		return problem.Passes(v1alpha1.ReasonUploadAgentNotReady, time.Second, "ExactMatchUploadAgent %q: %s", agent.Name, message)
	}
	return nil
}

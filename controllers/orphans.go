package controllers

import (
	"context"
	"net/url"

	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// logOrphan names what a deletion orphans at the service. It is logged because a
// namespace that is being deleted accepts no events.
func logOrphan(ctx context.Context, kind string, object client.Object, id string, agent *v1alpha1.ExactMatchUploadAgent, why string) {
	logf.FromContext(ctx).Info("remote object orphaned",
		"kind", kind, "object", client.ObjectKeyFromObject(object).String(), "remoteID", id, "endpoint", hostOf(agent), "why", why)
}

// hostOf is the host of an agent's endpoint.
func hostOf(agent *v1alpha1.ExactMatchUploadAgent) string {
	if agent == nil {
		return "unknown, the ExactMatchUploadAgent does not exist"
	}
	at, err := url.Parse(agent.Spec.Endpoint)
	if err != nil {
		return agent.Spec.Endpoint
	}
	return at.Host
}

// reportOrphan reports that the deletion of a data store orphans the remote one.
func (r *DataStoreReconciler) reportOrphan(ctx context.Context, s *storeScope, p *problem.Problem) {
	id := s.object.Status.ID
	r.Recorder.Eventf(s.object, nil, "Warning", v1alpha1.ReasonRemoteStoreOrphaned, "Delete", "the remote data store %s is orphaned: %s", id, p.Message)
	logOrphan(ctx, "ExactMatchDataStore", s.object, id, s.agent, p.Message)
}

// reportOrphan reports that the deletion of an upload agent orphans the remote one.
func (r *UploadAgentReconciler) reportOrphan(ctx context.Context, s *agentScope, p *problem.Problem) {
	id := s.object.Status.ID
	r.Recorder.Eventf(s.object, nil, "Warning", v1alpha1.ReasonRemoteAgentOrphaned, "Delete", "the remote upload agent %s is orphaned: %s", id, p.Message)
	logOrphan(ctx, "ExactMatchUploadAgent", s.object, id, s.object, p.Message)
}

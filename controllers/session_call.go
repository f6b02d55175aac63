package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// missing turns a 404 of the API server into a problem that names the object.
func missing(err error, reason, kind, name string) error {
	if apierrors.IsNotFound(err) {
		return problem.Absent(reason, "%s %q does not exist in this namespace; create it", kind, name)
	}
	return err
}

// service opens the client of the agent on first use.
func (r *SessionReconciler) service(ctx context.Context, s *scope) (edm.Service, error) {
	if s.client != nil {
		return s.client.Service, nil
	}
	if stalled := findCondition(s.agent.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Status == metav1.ConditionTrue && !s.deleting() {
		return nil, problem.NeedsRepair(stalled.Reason, "ExactMatchUploadAgent %q: %s", s.agent.Name, stalled.Message)
	}
	opened, err := r.Clients.OpenFor(ctx, s.object, s.agent, r.references(s))
	if err != nil {
		return nil, err
	}
	s.client = opened
	return opened.Service, nil
}

// references reads what the session names. A spec that nobody has looked at yet,
// or a deletion, may have come together with a change of that.
func (r *SessionReconciler) references(s *scope) *clients.Reader {
	if s.first.ObservedGeneration != s.object.Generation {
		return r.Clients.Fresh(s.object.Namespace)
	}
	return r.Clients.Recent(s.object.Namespace)
}

// refuseUnpublishedFormat keeps our blocks from a service that does not read
// them, unless the user says that it may be tried.
func (r *SessionReconciler) refuseUnpublishedFormat(s *scope) error {
	if s.agent.Status.BlockFormat == edm.BlockFormatV1 || s.agent.Spec.AllowUnpublishedFormat {
		return nil
	}
	return problem.NeedsRepair(v1alpha1.ReasonFormatUnpublished,
		"the service behind ExactMatchUploadAgent %q does not publish that it reads %s; the operator observes, renews and cancels there, and uploads only if the agent's spec.allowUnpublishedFormat is true",
		s.agent.Name, edm.BlockFormatV1)
}

// call makes the one remote lifecycle call of a pass.
func (r *SessionReconciler) call(ctx context.Context, s *scope, do func(context.Context, edm.Sessions) (*edm.Session, error)) (*edm.Session, error) {
	service, err := r.service(ctx, s)
	if err != nil {
		return nil, err
	}
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	r.memory.lookAgain(s.object.UID)
	got, err := do(callCtx, service.Sessions())
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
	}
	return got, err
}

// stamp is now, in the precision that the API keeps.
func (r *SessionReconciler) stamp() *metav1.Time {
	return &metav1.Time{Time: r.Now().Truncate(time.Second)}
}

// uploadedCheck is the wait between the seal's acknowledgement and the GET that
// must show it.
const uploadedCheck = 200 * time.Millisecond

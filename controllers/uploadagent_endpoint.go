package controllers

import (
	"net/url"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// noSuchPath tells what a 404 of a collection most likely means: the
// endpoint's path is wrong. It may also be a proxy's, whose server starts,
// so it is tried again.
func (r *UploadAgentReconciler) noSuchPath(agent *v1alpha1.ExactMatchUploadAgent, err error) error {
	at, invalid := url.Parse(agent.Spec.Endpoint)
	if invalid != nil || !edm.IsNoSuchPath(err) {
		return err
	}
	return problem.Passes(v1alpha1.ReasonUploadAgentNotReady, r.Options.RepairInterval, "%s; spec.endpoint must end before /dataClassification, as in %s://%s/beta",
		problem.Truncate(err.Error()), at.Scheme, at.Host)
}

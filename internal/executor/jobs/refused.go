package jobs

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// jobRefused says why the API server refuses a Job, and who can correct it: only
// the fields that come from the agent's template are a user's.
func jobRefused(agent string, err error) error {
	if ofTemplate(err) {
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable, "the API server refuses the Job of the workers: %s; correct spec.workers.template of ExactMatchUploadAgent %q",
			problem.Truncate(err.Error()), agent)
	}
	return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable, "the API server refuses the Job of the workers: %s; this is a bug of the operator, please report it",
		problem.Truncate(err.Error()))
}

// ofTemplate reports whether every field that is refused comes from
// spec.workers.template.
func ofTemplate(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	causes := status.Status().Details.Causes
	for _, cause := range causes {
		if !strings.HasPrefix(cause.Field, "spec.template.") && !strings.HasPrefix(cause.Field, "metadata.labels") && !strings.HasPrefix(cause.Field, "metadata.annotations") {
			return false
		}
	}
	return len(causes) > 0
}

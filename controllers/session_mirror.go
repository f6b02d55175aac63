package controllers

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// mirror copies the remote session into status, and counts a renewal where the
// upload URI is another than before.
func (r *SessionReconciler) mirror(s *scope, from *edm.Session) {
	mirror(s.status(), from)
	status, expiry := s.status(), edm.UploadURIExpiry(from.DataUploadURI).Truncate(time.Second)
	if expiry.IsZero() || status.UploadURIExpiryTime != nil && status.UploadURIExpiryTime.Time.Equal(expiry) {
		return
	}
	if status.UploadURIExpiryTime != nil {
		status.UploadURIRenewals++
	}
	status.UploadURIIssuedTime, status.UploadURIExpiryTime = r.stamp(), &metav1.Time{Time: expiry}
}

// mirror copies the properties under Graph's names. The upload URI comes without
// its query: that is the signature.
func mirror(status *v1alpha1.ExactMatchSessionStatus, from *edm.Session) {
	status.ID = from.ID
	status.State = problem.Truncate(string(from.State))
	status.CreationDateTime = stampOf(from.CreationDateTime)
	status.StartDateTime = stampOf(from.StartDateTime)
	status.LastUpdatedDateTime = stampOf(from.LastUpdatedDateTime)
	status.CompletionDateTime = stampOf(from.CompletionDateTime)
	status.UploadCompletionDateTime = stampOf(from.UploadCompletionDateTime)
	status.ProcessingCompletionDateTime = stampOf(from.ProcessingCompletionDateTime)
	status.Error = mirrorError(from.Error)
	status.DatastoreID = problem.Truncate(from.DataStoreID)
	status.UploadAgentID = problem.Truncate(from.UploadAgentID)
	status.Fields = truncateFields(from.Fields)
	status.FileName = problem.Truncate(from.FileName)
	status.Checksum = problem.Truncate(from.Checksum)
	status.DataUploadURI = problem.Truncate(withoutQuery(from.DataUploadURI))
	status.RowsPerBlock = from.RowsPerBlock
	status.TotalBlockCount, status.RemainingBlockCount = from.TotalBlockCount, from.RemainingBlockCount
	status.TotalJobCount, status.RemainingJobCount = from.TotalJobCount, from.RemainingJobCount
	status.SessionExpiryTime = stampOf(from.ExpirationDateTime)
}

// unmirror empties the mirror: the object has no remote session now.
func unmirror(status *v1alpha1.ExactMatchSessionStatus) {
	mirror(status, &edm.Session{})
	status.UploadURIRenewals, status.UploadURIIssuedTime, status.UploadURIExpiryTime = 0, nil, nil
}

// withoutQuery cuts the signature off an upload URI.
func withoutQuery(uri string) string {
	for i := range uri {
		if uri[i] == '?' || uri[i] == '#' {
			return uri[:i]
		}
	}
	return uri
}

// truncateFields returns the fields of a remote session, at most maxFields of them.
func truncateFields(fields []string) []string {
	if len(fields) > maxFields {
		fields = fields[:maxFields]
	}
	if !slices.ContainsFunc(fields, func(f string) bool { return problem.Truncate(f) != f }) {
		return fields
	}
	out := make([]string, 0, len(fields))
	for _, f := range fields {
		out = append(out, problem.Truncate(f))
	}
	return out
}

// stampOf leaves out a time that Kubernetes could not read again.
func stampOf(t *time.Time) *metav1.Time {
	if t == nil || !edm.Storable(*t) {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)} // what the API keeps
}

func mirrorError(from *edm.ClassificationError) *v1alpha1.ClassificationError {
	if from == nil {
		return nil
	}
	to := &v1alpha1.ClassificationError{ClassificationErrorBase: mirrorErrorBase(from.ErrorBase)}
	for _, d := range from.Details[:min(len(from.Details), maxDetails)] {
		to.Details = append(to.Details, mirrorErrorBase(d))
	}
	return to
}

func mirrorErrorBase(from edm.ErrorBase) v1alpha1.ClassificationErrorBase {
	to := v1alpha1.ClassificationErrorBase{Code: problem.Truncate(from.Code), Message: problem.Truncate(from.Message), Target: problem.Truncate(from.Target)}
	if e := from.InnerError; e != nil {
		to.InnerError = &v1alpha1.ClassificationInnerError{
			ErrorDateTime: stampOf(e.ErrorDateTime), ClientRequestID: problem.Truncate(e.ClientRequestID), ActivityID: problem.Truncate(e.ActivityID), Code: problem.Truncate(e.Code),
		}
	}
	return to
}

// What of a service's answer is mirrored at most.
const (
	maxFields  = 32
	maxDetails = 10
)

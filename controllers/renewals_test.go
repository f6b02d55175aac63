package controllers

import (
	"testing"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// TestRenewalsOfTheUploadURIAreCounted: the first URI of an attempt is no renewal,
// and neither is the same one again.
func TestRenewalsOfTheUploadURIAreCounted(t *testing.T) {
	r := &SessionReconciler{Now: time.Now}
	s := newScope(&v1alpha1.ExactMatchSession{})
	for i, tc := range []struct {
		expiry   string
		renewals int32
	}{{"2030-01-01T00:00:00Z", 0}, {"2030-01-01T00:00:00Z", 0}, {"2030-01-02T00:00:00Z", 1}, {"2030-01-03T00:00:00Z", 2}} {
		r.mirror(s, &edm.Session{ID: "remote", DataUploadURI: "https://storage.example.com/one?se=" + tc.expiry})
		if got := s.status().UploadURIRenewals; got != tc.renewals {
			t.Errorf("URI %d: %d renewals, want %d", i+1, got, tc.renewals)
		}
		if got := s.status().UploadURIExpiryTime; got == nil || got.UTC().Format(time.RFC3339) != tc.expiry {
			t.Errorf("URI %d expires at %v, want %s", i+1, got, tc.expiry)
		}
	}
	unmirror(s.status())
	if got := s.status(); got.UploadURIRenewals != 0 || got.UploadURIIssuedTime != nil || got.UploadURIExpiryTime != nil {
		t.Errorf("without a remote session: %d renewals, issued %v, expires %v", got.UploadURIRenewals, got.UploadURIIssuedTime, got.UploadURIExpiryTime)
	}
}

package controllers

import (
	"testing"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// A quota that is spent holds a create back, and one that the service shows no more
// does not.
func TestAQuotaThatIsGoneHoldsNothingBack(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	r := &SessionReconciler{}
	r.Now = func() time.Time { return now }
	next := now.Add(time.Hour)
	s := newScope(&v1alpha1.ExactMatchSession{})
	s.store = &v1alpha1.ExactMatchDataStore{}
	mirrorStore(&s.store.Status, &edm.DataStore{ID: "1", Quota: &edm.Quota{Max: 5, NextSlotDateTime: &next}})
	if err := r.refuseSpentQuota(s); problem.Of(err) == nil || problem.Of(err).Reason != v1alpha1.ReasonQuotaExceeded {
		t.Errorf("a spent quota is %v", err)
	}
	mirrorStore(&s.store.Status, &edm.DataStore{ID: "1"})
	if err := r.refuseSpentQuota(s); err != nil || s.store.Status.Quota != nil {
		t.Errorf("no quota is %v, and the status shows %+v", err, s.store.Status.Quota)
	}
}

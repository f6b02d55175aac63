package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
)

// DataStoreReconciler reconciles an ExactMatchDataStore: it creates or adopts the remote data store, admits one session
// at a time to upload, and shows the quota and what is live.
type DataStoreReconciler struct {
	client.Client
	Recorder events.EventRecorder
	Clients  *clients.Cache
	Recalls  *recalls
	Options  Options
	Now      func() time.Time

	looks   looks
	graces  graces
	journal journal
}

// storeScope is what one pass over a data store knows.
type storeScope struct {
	// object is changed by the pass; before is what the API server has.
	object, before *v1alpha1.ExactMatchDataStore
	// sessions refer to the store. They lie in the cache: nobody may change one.
	sessions []v1alpha1.ExactMatchSession
	// agent is the store's, and client speaks to its service; openService sets both.
	// They are nil where the pass does without the service, and client also where it
	// cannot be opened.
	agent  *v1alpha1.ExactMatchUploadAgent
	client *clients.Client
	// after is when to look again; 0 is after a resync.
	after time.Duration
	// looked: the service was asked in this pass, and answered.
	looked bool
	// finalizerRemoved: the object may be gone, so there is nothing left to write.
	finalizerRemoved bool
	// began is when the pass did.
	began time.Time
}

// displayName is the name under which the service knows the store.
func displayName(store *v1alpha1.ExactMatchDataStore) string {
	if store.Spec.DisplayName != "" {
		return store.Spec.DisplayName
	}
	return store.Name
}

// finished reports whether nothing more happens to a session.
func finished(one *v1alpha1.ExactMatchSession) bool {
	c := findCondition(one.Status.Conditions, v1alpha1.ConditionFinished)
	return c != nil && c.Status == metav1.ConditionTrue && one.Status.ObservedGeneration == one.Generation
}

// keepsAdmission reports whether the admitted session stays admitted: until it is
// finished, also while it is suspended with an unfinished remote session. One that
// waits for a repair gives up its admission, and queues again after it.
func keepsAdmission(one *v1alpha1.ExactMatchSession) bool {
	suspendedIdle := one.Spec.Suspend && one.Status.ID == ""
	return !finished(one) && !suspendedIdle
}

// isQueued reports whether a session waits in the queue.
func isQueued(one *v1alpha1.ExactMatchSession) bool {
	return one.StatusReason() == v1alpha1.ReasonQueued && one.DeletionTimestamp.IsZero() && !one.Spec.Suspend
}

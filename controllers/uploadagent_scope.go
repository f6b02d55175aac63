package controllers

import (
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
)

// UploadAgentReconciler registers the upload agent at its endpoint and finds
// out whether the endpoint takes our blocks.
type UploadAgentReconciler struct {
	client.Client
	Recorder events.EventRecorder
	Clients  *clients.Cache
	Options  Options
	Now      func() time.Time
	// Wakes are agents whose credentials or endpoint were refused to somebody else.
	Wakes <-chan event.GenericEvent

	graces  graces
	journal journal
}

// agentScope is what one pass over an upload agent knows.
type agentScope struct {
	// object is changed by the pass; before is what the API server has.
	object, before *v1alpha1.ExactMatchUploadAgent
	// stores refer to the agent; countStores sets them.
	stores []v1alpha1.ExactMatchDataStore
	// finalizerRemoved: the object may be gone, so there is nothing left to write.
	finalizerRemoved bool
	// began is when the pass did.
	began time.Time
}

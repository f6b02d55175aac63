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
	object, before   *v1alpha1.ExactMatchUploadAgent
	stores           []v1alpha1.ExactMatchDataStore // those that refer to it
	finalizerRemoved bool
	began            time.Time // when the pass did
}

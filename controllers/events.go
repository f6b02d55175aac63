package controllers

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// tellStalled sends an event where an object has become Stalled, or for another
// reason than before.
func tellStalled(recorder events.EventRecorder, object client.Object, before, now []metav1.Condition) {
	if c := changedCondition(v1alpha1.ConditionStalled, before, now); c != nil {
		recorder.Eventf(object, nil, "Warning", c.Reason, c.Reason, "%s", noteOf(c.Message))
	}
}

// noteOf cuts a message to what the API server takes as the note of an event.
func noteOf(message string) string {
	const most = 1024
	if len(message) <= most {
		return message
	}
	const end = "…"
	return strings.ToValidUTF8(message[:most-len(end)], "") + end
}

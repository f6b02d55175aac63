package controllers

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// changedCondition returns a condition whose reason or message is another than it
// was; nil where there is none, or nothing has changed.
func changedCondition(kind string, before, now []metav1.Condition) *metav1.Condition {
	was, is := findCondition(before, kind), findCondition(now, kind)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason && was.Message == is.Message {
		return nil
	}
	return is
}

// tellStalled sends an event where an object has become Stalled, or for another
// reason than before.
func tellStalled(recorder events.EventRecorder, object client.Object, before, now []metav1.Condition) {
	if c := changedCondition(v1alpha1.ConditionStalled, before, now); c != nil {
		recorder.Eventf(object, nil, "Warning", c.Reason, c.Reason, "%s", noteOf(c.Message))
	}
}

// logProblem logs what a pass met, once for as long as it stays the same.
func logProblem(ctx context.Context, p *problem.Problem, before, now []metav1.Condition) {
	if c := changedCondition(v1alpha1.ConditionReady, before, now); c != nil && p != nil {
		logf.FromContext(ctx).Info("reconciliation did not succeed", "reason", c.Reason, "message", c.Message, "stalled", p.Stalls())
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

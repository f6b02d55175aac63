package controllers

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// simpleConditions writes Ready, Reconciling and Stalled of an object that is
// either there, on its way, or in need of somebody; it returns the problem.
func simpleConditions(conditions *[]metav1.Condition, generation int64, message string, err error) *problem.Problem {
	reason, ready, p := v1alpha1.ReasonReady, metav1.ConditionTrue, (*problem.Problem)(nil)
	kind := ""
	if err != nil {
		p = problem.Of(err)
		reason, message = p.Reason, p.Message
		ready, kind = metav1.ConditionUnknown, v1alpha1.ConditionReconciling
		if p.Stalls() {
			ready, kind = metav1.ConditionFalse, v1alpha1.ConditionStalled
		}
	}
	for _, other := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if other != kind {
			meta.RemoveStatusCondition(conditions, other)
			continue
		}
		meta.SetStatusCondition(conditions, metav1.Condition{Type: other, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: generation})
	}
	meta.SetStatusCondition(conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason, Message: message, ObservedGeneration: generation})
	return p
}

// changedCondition returns a condition whose reason or message is another than it
// was; nil where there is none, or nothing has changed.
func changedCondition(kind string, before, now []metav1.Condition) *metav1.Condition {
	was, is := findCondition(before, kind), findCondition(now, kind)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason && was.Message == is.Message {
		return nil
	}
	return is
}

// isReady reports whether Ready is True for a generation.
func isReady(conditions []metav1.Condition, generation int64) bool {
	ready := findCondition(conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == generation
}

// findCondition returns a condition by type, nil where there is none.
func findCondition(conditions []metav1.Condition, kind string) *metav1.Condition {
	return meta.FindStatusCondition(conditions, kind)
}

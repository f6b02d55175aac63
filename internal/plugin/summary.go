package plugin

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"exactmatch.dev/operator/api/v1alpha1"
)

// Summary is what status says of a session, in each of its forms.
type Summary struct {
	Namespace    string                `json:"namespace"`
	Name         string                `json:"name"`
	DataStore    string                `json:"dataStore"`
	DesiredState v1alpha1.DesiredState `json:"desiredState"`
	// Status is the reason of Finished: what is done, or how it ended.
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
	// Verdict is Reached, Working, Stalled or Suspended.
	Verdict             Verdict      `json:"verdict"`
	Progress            string       `json:"progress,omitempty"`
	Blocks              *Count       `json:"blocks,omitempty"`
	Jobs                *Count       `json:"jobs,omitempty"`
	EstimatedCompletion *metav1.Time `json:"estimatedCompletionTime,omitempty"`
	NextRetry           *metav1.Time `json:"nextRetryTime,omitempty"`
	WaitingFor          string       `json:"waitingFor,omitempty"`
	Rows                *int64       `json:"rows,omitempty"`
	BadRows             *int64       `json:"badRows,omitempty"`
	// Live is the condition Live: its status and reason.
	Live     string      `json:"live,omitempty"`
	LiveWhy  string      `json:"liveReason,omitempty"`
	Created  metav1.Time `json:"creationTimestamp"`
	Revision int64       `json:"revision,omitempty"`
	Attempt  int32       `json:"attempt,omitempty"`
}

// Count is how many of a number are done.
type Count struct {
	Done  int32 `json:"done"`
	Total int32 `json:"total"`
}

// Verdict says who acts next on a session.
type Verdict string

// The verdicts.
const (
	Reached   Verdict = "Reached"   // it is as spec wants it
	Working   Verdict = "Working"   // the operator works, waits or retries
	Stalled   Verdict = "Stalled"   // somebody must act
	Suspended Verdict = "Suspended" // spec.suspend is true
)

// pending is the STATUS of a session that the operator has not seen.
const pending = "Pending"

// reasonOf is the column STATUS.
func reasonOf(o *v1alpha1.ExactMatchSession) string { return cmp.Or(o.StatusReason(), pending) }

// messageOf is the message beside the column STATUS.
func messageOf(o *v1alpha1.ExactMatchSession) string {
	if c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionFinished); c != nil {
		return c.Message
	}
	return "the operator has not seen the session yet"
}

// verdictOf is what the conditions amount to. What they say of an earlier generation
// is not said of this one.
func verdictOf(o *v1alpha1.ExactMatchSession) Verdict {
	conditions := o.Status.Conditions
	switch {
	case o.Status.ObservedGeneration != o.Generation:
		return Working
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled):
		return Stalled
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionSuspended):
		return Suspended
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady):
		return Reached
	}
	return Working
}

// summaryOf is what status says of a session.
func summaryOf(o *v1alpha1.ExactMatchSession) Summary {
	status := &o.Status
	s := Summary{
		Namespace: o.Namespace, Name: o.Name, DataStore: o.Spec.DataStoreRef.Name, DesiredState: o.Spec.DesiredState,
		Status: reasonOf(o), Message: messageOf(o), Verdict: verdictOf(o), Progress: status.Progress,
		Blocks: counted(status.TotalBlockCount, status.RemainingBlockCount), Jobs: counted(status.TotalJobCount, status.RemainingJobCount),
		EstimatedCompletion: status.EstimatedCompletionTime, NextRetry: status.NextRetryTime, WaitingFor: status.WaitingFor,
		Rows: status.Rows, Created: o.CreationTimestamp, Revision: status.Revision, Attempt: status.Attempt,
	}
	if bad := status.BadRows; bad != nil {
		s.BadRows = &bad.Count
	}
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionLive); c != nil {
		s.Live, s.LiveWhy = string(c.Status), c.Reason
	}
	return s
}

// counted is nil where the service does not say how many there are.
func counted(total, remaining *int32) *Count {
	if total == nil || remaining == nil {
		return nil
	}
	return &Count{Done: *total - *remaining, Total: *total}
}

// summariesOf are those of a list, in the order of namespaces and names.
func summariesOf(list []v1alpha1.ExactMatchSession) []Summary {
	out := make([]Summary, 0, len(list))
	for i := range list {
		out = append(out, summaryOf(&list[i]))
	}
	slices.SortFunc(out, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// upload is the progress of the upload while the session uploads or has uploaded. While a
// source is read again, the status still has the progress of the last upload.
func (s Summary) upload() string {
	switch s.Status {
	case v1alpha1.ReasonUploading, v1alpha1.ReasonRenewing, v1alpha1.ReasonUploaded, v1alpha1.ReasonCommitting, v1alpha1.ReasonProcessing, v1alpha1.ReasonCompleted:
		return s.Progress
	}
	return ""
}

// percent is the progress of the upload from 0 to 100, 0 where it is unknown.
func (s Summary) percent() int64 {
	var n int64
	if _, err := fmt.Sscanf(s.upload(), "%d%%", &n); err != nil {
		return 0
	}
	return n
}

// until says when something is expected, in words that fit into a line.
func (s Summary) until(now time.Time) string {
	switch {
	case s.Verdict != Working:
		return ""
	case s.NextRetry != nil:
		return "retries " + in(s.NextRetry.Time, now)
	case s.EstimatedCompletion != nil:
		return "uploaded " + in(s.EstimatedCompletion.Time, now)
	case s.WaitingFor != "":
		return "waits for " + s.WaitingFor
	}
	return ""
}

// in is a time as people say it.
func in(t, now time.Time) string {
	if left := t.Sub(now); left > 0 {
		return "in " + duration.HumanDuration(left)
	}
	return "now"
}

// number is a count with a dash for what is not known.
func number(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

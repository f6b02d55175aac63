package plugin

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"exactmatch.dev/operator/api/v1alpha1"
)

// until is until when the session waits, and what ends meanwhile.
func (s *scene) until(now time.Time) string {
	parts := []string{s.waits(now)}
	for _, end := range s.ends() {
		if end.at != nil {
			parts = append(parts, fmt.Sprintf("%s %s", end.what, moment(end.at.Time, now)))
		}
	}
	return strings.Join(parts, "; ")
}

// waits says when the wait ends, if that is known.
func (s *scene) waits(now time.Time) string {
	status := &s.session.Status
	switch verdict := verdictOf(s.session); {
	case verdict == Stalled:
		return "somebody acts"
	case verdict == Suspended:
		return "spec.suspend is false"
	case verdict == Reached && reasonOf(s.session) == v1alpha1.ReasonUploaded:
		return "somebody approves"
	case verdict == Reached:
		return "the spec changes"
	case status.FinalizeDeadline != nil && s.session.DeletionTimestamp != nil:
		return "the service answers, at the latest until " + moment(status.FinalizeDeadline.Time, now)
	case reasonOf(s.session) == v1alpha1.ReasonQuotaExceeded && s.nextSlot() != nil:
		return "the next commit is allowed " + moment(s.nextSlot().Time, now)
	case status.NextRetryTime != nil:
		return "the next retry " + moment(status.NextRetryTime.Time, now)
	case reasonOf(s.session) == v1alpha1.ReasonUploading && status.EstimatedCompletionTime != nil:
		return "the upload is complete, estimated " + moment(status.EstimatedCompletionTime.Time, now)
	case reasonOf(s.session) == v1alpha1.ReasonQueued && s.ahead != nil:
		return "the session ahead ends: " + (&scene{session: s.ahead, store: s.store}).waits(now)
	}
	return "it is done; where the message says no more, nobody knows when"
}

// nextSlot is when the service allows another commit, where it says so.
func (s *scene) nextSlot() *metav1.Time {
	if s.store == nil || s.store.Status.Quota == nil {
		return nil
	}
	return s.store.Status.Quota.NextSlotTime
}

// deadline is something that ends by itself.
type deadline struct {
	what string
	at   *metav1.Time
}

// ends are what ends while the session waits for somebody.
func (s *scene) ends() []deadline {
	status := &s.session.Status
	if status.ID == "" || !isUnfinished(s.session) {
		return nil
	}
	switch verdictOf(s.session) {
	case Stalled, Suspended, Reached:
		return []deadline{{"the service discards the unfinished remote session", status.SessionExpiryTime}}
	}
	return nil
}

// moment is a time and its distance from now.
func moment(t, now time.Time) string {
	if left := t.Sub(now); left > 0 {
		return fmt.Sprintf("at %s (in %s)", clock(t), duration.HumanDuration(left))
	}
	return fmt.Sprintf("at %s (%s ago)", clock(t), duration.HumanDuration(now.Sub(t)))
}

// clock is a time as all messages show it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

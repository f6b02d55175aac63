package controllers

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// shownLater reports whether a store changed after a completion of ours. A second
// is the precision of a time in status.
func shownLater(updated *time.Time, completed *metav1.Time) bool {
	return updated != nil && completed != nil && updated.Sub(completed.Time) > time.Second
}

// isLater reports whether a table was published after another. Generations are
// in the order of the commits; only a service that lost some begins again.
func isLater(a, b *v1alpha1.LiveTable) bool {
	return a.Generation > b.Generation || a.CompletionTime != nil && b.CompletionTime != nil && b.CompletionTime.Before(a.CompletionTime)
}

// showsLive reports whether the service behind an upload agent shows what is
// live: then no live table means that there is none.
func showsLive(agent *v1alpha1.ExactMatchUploadAgent) bool {
	return agent.Status.BlockFormat == edm.BlockFormatV1
}

// isReplaced reports whether another table is known to have gone live in place of a
// session's.
func isReplaced(one *v1alpha1.ExactMatchSession) bool {
	c := findCondition(one.Status.Conditions, v1alpha1.ConditionLive)
	return c != nil && (c.Reason == v1alpha1.ReasonReplacedBy || c.Reason == v1alpha1.ReasonRolledBack)
}

// liveWord is the status, reason and message of a condition Live.
type liveWord struct {
	status          metav1.ConditionStatus
	reason, message string
}

// liveWordOf is what a published session can say of its table by what its store
// shows; nil where it stays as it is.
func liveWordOf(store *v1alpha1.ExactMatchDataStore, one *v1alpha1.ExactMatchSession) *liveWord {
	known := findCondition(store.Status.Conditions, v1alpha1.ConditionLive)
	now := findCondition(one.Status.Conditions, v1alpha1.ConditionLive)
	live, published := store.Status.Live, store.Status.Published
	switch {
	case !isPublished(one) || known == nil || live != nil && live.Generation < one.Status.LiveGeneration && !carries(published, one):
		return nil // or the store's status is older than the session's
	case known.Status == metav1.ConditionUnknown && now != nil && now.Status == metav1.ConditionFalse:
		return nil
	case known.Status == metav1.ConditionUnknown:
		return &liveWord{metav1.ConditionUnknown, known.Reason, known.Message}
	case carries(live, one):
		return stillLive(live, now)
	case carries(published, one):
		return &liveWord{metav1.ConditionFalse, v1alpha1.ReasonTableLost, lostMessage}
	case live != nil:
		return replacedWord(live, one)
	case published != nil:
		return replacedWord(published, one)
	}
	return nil
}

// replacedWord says that another table went live after a session's: one that was
// completed later, or by a rollback one that was completed earlier.
func replacedWord(by *v1alpha1.LiveTable, one *v1alpha1.ExactMatchSession) *liveWord {
	if own := completedTable(one); own != nil && by.CompletionTime != nil && by.CompletionTime.Before(own.CompletionTime) {
		return &liveWord{metav1.ConditionFalse, v1alpha1.ReasonRolledBack, rolledBackMessage(by)}
	}
	return &liveWord{metav1.ConditionFalse, v1alpha1.ReasonReplacedBy, replacedMessage(by)}
}

const lostMessage = "the service no longer shows the table live; it is uploaded again where spec.desiredState is Committed"

// stillLive keeps what was proved by rows of the table.
func stillLive(live *v1alpha1.LiveTable, now *metav1.Condition) *liveWord {
	if now != nil && now.Status == metav1.ConditionTrue {
		return &liveWord{now.Status, now.Reason, now.Message}
	}
	return &liveWord{metav1.ConditionTrue, v1alpha1.ReasonPublished, publishedMessage(live)}
}

func publishedMessage(live *v1alpha1.LiveTable) string {
	if live.Generation == 0 {
		return fmt.Sprintf("the table of %d rows is live", live.Rows)
	}
	return fmt.Sprintf("the table of %d rows is live as generation %d", live.Rows, live.Generation)
}

func replacedMessage(by *v1alpha1.LiveTable) string {
	if by.SessionName != "" {
		return "the table of ExactMatchSession " + by.SessionName + " went live later"
	}
	return "a later table is live, and no ExactMatchSession of this data store published it"
}

func rolledBackMessage(to *v1alpha1.LiveTable) string {
	const how = "the service was rolled back to the earlier table of "
	const advice = "; to publish this table again, roll back once more or change spec.restartToken"
	if to.SessionName != "" {
		return how + "ExactMatchSession " + to.SessionName + advice
	}
	return how + "a session that no ExactMatchSession of this data store has" + advice
}

// isPublished reports whether a session ended with a table that was live.
func isPublished(one *v1alpha1.ExactMatchSession) bool {
	switch one.Status.Outcome {
	case v1alpha1.ReasonCompleted, v1alpha1.ReasonAlreadyUploaded:
		return true
	}
	return false
}

// carries reports whether a table is the one that a published session brought
// or found.
func carries(table *v1alpha1.LiveTable, one *v1alpha1.ExactMatchSession) bool {
	if table == nil {
		return false
	}
	if one.Status.Outcome == v1alpha1.ReasonAlreadyUploaded {
		return table.ContentKey == one.Status.ContentKey
	}
	return table.RemoteID == one.Status.ID
}

// says reports whether the condition Live of a session is this already: the
// message may be older.
func (w *liveWord) says(one *v1alpha1.ExactMatchSession) bool {
	now := findCondition(one.Status.Conditions, v1alpha1.ConditionLive)
	return now != nil && now.Status == w.status && now.Reason == w.reason
}

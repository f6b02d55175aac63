package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/session"
)

// observeLive finds out what speaks against publishing the content now, and
// whether what was published still is: what the service shows live, the store's
// guards, and for what is sealed its pin, rules and key.
func (r *SessionReconciler) observeLive(ctx context.Context, s *scope) error {
	if s.facts.Preparation != session.PreparationReady || s.store.Status.ID == "" {
		return nil // no publication before the store is there
	}
	switch s.facts.Remote {
	case session.RemoteNone:
		live, err := r.isLive(ctx, s)
		if err != nil {
			return err
		}
		s.facts.Live = live
		s.facts.Guarded = len(guardsAgainst(s)) > 0
	case session.RemoteSealed:
		return r.observeSealed(ctx, s)
	case session.RemoteCompleted:
		if err := r.showStore(ctx, s); err != nil {
			return err
		}
		s.facts.Lost = s.isLost()
	}
	return nil
}

// observeSealed judges what is sealed where a commit is desired, by what the
// service shows at this moment where this session is admitted.
func (r *SessionReconciler) observeSealed(ctx context.Context, s *scope) error {
	if s.desired() != session.Committed {
		return nil
	}
	if s.facts.Admitted {
		if err := r.showStore(ctx, s); err != nil {
			return err
		}
	}
	s.facts.Guarded = len(objections(s)) > 0
	return nil
}

// showStore asks the service for the store.
func (r *SessionReconciler) showStore(ctx context.Context, s *scope) error {
	if s.shown != nil {
		return nil
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return err
	}
	s.shown, err = service.Stores().Get(ctx, s.store.Status.ID)
	if err != nil {
		r.Clients.Failed(s.agent, s.client, err)
	}
	return err
}

// showsLive reports whether the service behind an upload agent shows what is
// live: then no live table means that there is none.
func showsLive(agent *v1alpha1.ExactMatchUploadAgent) bool {
	return agent.Status.BlockFormat == edm.BlockFormatV1
}

// isLive reports whether the service proves that exactly the prepared content is
// live. It is asked only where our own record lets that be expected.
func (r *SessionReconciler) isLive(ctx context.Context, s *scope) (bool, error) {
	ours := s.store.Status.Live
	if ours == nil || ours.ContentKey != s.facts.ContentKey || !pipeline.KnownContentKey(ours.ContentKey) || s.wasContradicted() {
		return false, nil
	}
	if err := r.showStore(ctx, s); err != nil {
		return false, err
	}
	if showsLive(s.agent) {
		live := s.shown.Live
		return live != nil && live.ContentKey == s.facts.ContentKey && live.KeyID == s.status().KeyID, nil
	}
	return !shownLater(s.shown.DataLastUpdatedDateTime, ours.CompletionTime), nil
}

// wasContradicted reports whether the service showed the last attempt's table live
// and did not find it: then its word proves nothing.
func (s *scope) wasContradicted() bool {
	history := s.status().History
	return len(history) > 0 && history[0].Outcome == v1alpha1.ReasonVerificationFailed
}

// isLost reports whether the completed session's table was live, or had to be,
// and is not, although no later table replaced it.
func (s *scope) isLost() bool {
	if !showsLive(s.agent) || isReplaced(s.object) {
		return false
	}
	live, own := s.shown.Live, s.status().LiveGeneration
	switch {
	case own == 0 && s.status().ConsecutiveFailures < oldAnswers:
		return false // nobody has seen it live yet: prove asks again
	case live == nil:
		return true
	case live.SessionID == s.status().ID:
		return false
	}
	return live.Generation <= max(own, s.status().JudgedGeneration)
}

// oldAnswers is how often the service may show what was live before a commit that
// it has completed, until that is believed: a cache on the way has old answers.
const oldAnswers = 3

// showsOldAnswer reports whether the service shows of a completed session what was
// live before its commit. Whatever replaced its table is of a later generation.
func (s *scope) showsOldAnswer() bool {
	live := s.shown.Live
	return s.status().LiveGeneration == 0 && (live == nil || live.SessionID != s.status().ID && live.Generation <= s.status().JudgedGeneration)
}

// isReplaced reports whether a later table is known to have replaced a session's.
func isReplaced(one *v1alpha1.ExactMatchSession) bool {
	c := findCondition(one.Status.Conditions, v1alpha1.ConditionLive)
	return c != nil && c.Reason == v1alpha1.ReasonReplacedBy
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
		return &liveWord{metav1.ConditionFalse, v1alpha1.ReasonReplacedBy, replacedMessage(live)}
	case published != nil:
		return &liveWord{metav1.ConditionFalse, v1alpha1.ReasonReplacedBy, replacedMessage(published)}
	}
	return nil
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
		return "ExactMatchSession " + by.SessionName + " published a later table"
	}
	return "a later table is live, and no ExactMatchSession of this data store published it"
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

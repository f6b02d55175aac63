package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
)

// completed ends with a table that was published, once the service has proved it.
func (r *SessionReconciler) completed(ctx context.Context, s *scope) error {
	failed, err := r.prove(ctx, s)
	switch {
	case err != nil:
		return err
	case failed != "":
		setCondition(s, v1alpha1.ConditionLive, metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, failed)
		return r.recordOutcome(ctx, s, v1alpha1.ReasonVerificationFailed, failed+"; check the log of the service, then change spec.restartToken to upload the table again")
	}
	live := findCondition(s.status().Conditions, v1alpha1.ConditionLive)
	message := "the table is indexed and live"
	if live != nil && live.Status == metav1.ConditionFalse {
		message = "the table was indexed; " + live.Message
	}
	return r.recordOutcome(ctx, s, v1alpha1.ReasonCompleted, message)
}

// alreadyUploaded ends with a table that is live already.
func (r *SessionReconciler) alreadyUploaded(ctx context.Context, s *scope) error {
	if live := s.shown.Live; live != nil {
		s.status().LiveGeneration = live.Generation
		setCondition(s, v1alpha1.ConditionLive, metav1.ConditionTrue, v1alpha1.ReasonPublished, publishedMessage(tableOf(live)))
	}
	return r.recordOutcome(ctx, s, v1alpha1.ReasonAlreadyUploaded, "the store already shows this content live; no quota was spent")
}

// prove sets the condition Live by what the service says of the table that was
// published, and asks for rows of it where this process remembers some. It
// returns what contradicts the service's word, "" for nothing.
func (r *SessionReconciler) prove(ctx context.Context, s *scope) (failed string, err error) {
	if err := r.showStore(ctx, s); err != nil {
		return "", err
	}
	live := s.shown.Live
	switch {
	case !showsLive(s.agent):
		setCondition(s, v1alpha1.ConditionLive, metav1.ConditionUnknown, v1alpha1.ReasonLiveUnknown, "the service does not show what is live")
		return "", nil
	case s.showsOldAnswer() && s.status().ConsecutiveFailures < oldAnswers:
		return "", problem.Passes(v1alpha1.ReasonRetrying, r.Options.PollInterval, "the service says that the session is completed, and does not show its table live yet")
	case live == nil || s.showsOldAnswer():
		setCondition(s, v1alpha1.ConditionLive, metav1.ConditionFalse, v1alpha1.ReasonTableLost, lostMessage)
		return "", nil
	case live.SessionID != s.status().ID:
		word := replacedWord(r.knownTable(ctx, s, live), s.object)
		setCondition(s, v1alpha1.ConditionLive, word.status, word.reason, word.message)
		return "", nil
	}
	if failed := contradiction(s, live); failed != "" {
		return failed, nil
	}
	s.status().LiveGeneration = live.Generation
	setCondition(s, v1alpha1.ConditionLive, metav1.ConditionTrue, v1alpha1.ReasonPublished, publishedMessage(tableOf(live)))
	return r.verify(ctx, s, live)
}

// contradiction says how the live table differs from what was uploaded.
func contradiction(s *scope, live *edm.Live) string {
	status := s.status()
	switch {
	case status.Rows != nil && live.Rows != *status.Rows:
		return fmt.Sprintf("the service shows %d rows live, and %d were uploaded", live.Rows, *status.Rows)
	case live.KeyID != status.KeyID && status.KeyID != "":
		return fmt.Sprintf("the service shows the table live with key %s, and it was hashed with key %s", live.KeyID, status.KeyID)
	case live.ContentKey != s.intentContentKey() && pipeline.KnownContentKey(s.intentContentKey()):
		return "the service shows other content live under this session's id"
	}
	return ""
}

// verify asks for the rows that were sampled from the upload.
func (r *SessionReconciler) verify(ctx context.Context, s *scope, live *edm.Live) (failed string, err error) {
	samples := r.memory.samplesOf(s.object.UID)
	if len(samples) == 0 {
		return "", nil
	}
	service, err := r.service(ctx, s)
	if err != nil {
		return "", err
	}
	for _, one := range samples {
		got, err := service.Stores().Match(ctx, s.store.Status.ID, questionOf(s, one))
		if err != nil && edm.ClassOf(err) != edm.Terminal {
			return "", err
		}
		if err == nil && (got.SessionID != s.status().ID || finds(got.Answers[0], one)) {
			continue // another table answers by now: the next look at the store says so
		}
		s.shown = nil
		if err := r.showStore(ctx, s); err != nil {
			return "", err
		}
		if now := s.shown.Live; now == nil || now.SessionID != live.SessionID {
			return "", executor.ErrBehind
		}
		if err != nil {
			return fmt.Sprintf("the service shows the table live and refuses the lookup of its row %d by column %s: %s", one.Row, one.Column, problem.Truncate(err.Error())), nil
		}
		return fmt.Sprintf("the service shows the table live and does not find its row %d by column %s", one.Row, one.Column), nil
	}
	setCondition(s, v1alpha1.ConditionLive, metav1.ConditionTrue, v1alpha1.ReasonVerified,
		fmt.Sprintf("%s; %d of its rows were found", publishedMessage(tableOf(live)), len(samples)))
	return "", nil
}

// questionOf asks for a sampled row, under the rules that its tokens were made under.
func questionOf(s *scope, one pipeline.Sample) edm.MatchRequest {
	rules := map[string]string{}
	for _, c := range s.status().Intent.Rules {
		if _, asked := one.SameRow[c.Name]; asked || c.Name == one.Column {
			rules[c.Name] = c.RulesID
		}
	}
	same := map[string][]string{}
	for name, token := range one.SameRow {
		same[name] = []string{token}
	}
	question := edm.MatchQuestion{Column: one.Column, Token: one.Token, SameRow: same, Limit: edm.MaxLimit}
	return edm.MatchRequest{KeyID: s.status().KeyID, RulesIDs: rules, Questions: []edm.MatchQuestion{question}}
}

// finds reports whether an answer has the sampled row with all of its tokens. Of
// more rows than an answer holds nothing is claimed.
func finds(got edm.MatchAnswer, one pipeline.Sample) bool {
	for _, row := range got.Rows {
		if row.Row == one.Row {
			return len(row.Matched) == len(one.SameRow)
		}
	}
	return got.Total > int64(len(got.Rows))
}

// knownTable is a live table with the session of this store that published it,
// where the store's status knows one.
func (r *SessionReconciler) knownTable(ctx context.Context, s *scope, live *edm.Live) *v1alpha1.LiveTable {
	table := tableOf(live)
	if list, err := r.sessionsWithID(ctx, s, live.SessionID); err == nil && len(list) > 0 {
		table.SessionName, table.SessionUID = list[0].Name, list[0].UID
	}
	return table
}

// sessionsWithID are the sessions of the store that hold a remote id.
func (r *SessionReconciler) sessionsWithID(ctx context.Context, s *scope, id string) ([]v1alpha1.ExactMatchSession, error) {
	all, err := sessionsOf(ctx, r.Client, s.store)
	var found []v1alpha1.ExactMatchSession
	for i := range all {
		if all[i].Status.ID == id {
			found = append(found, all[i])
		}
	}
	return found, err
}

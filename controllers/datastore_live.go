package controllers

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// tableOf is a live table in the words of status.
func tableOf(live *edm.Live) *v1alpha1.LiveTable {
	table := &v1alpha1.LiveTable{
		RemoteID: problem.Truncate(live.SessionID), ContentKey: problem.Truncate(live.ContentKey), KeyID: problem.Truncate(live.KeyID),
		Rows: live.Rows, Generation: live.Generation, CompletionTime: stampOf(live.CompletionDateTime),
	}
	for _, c := range live.Columns[:min(len(live.Columns), maxFields)] {
		table.Columns = append(table.Columns, v1alpha1.LiveColumn{Name: problem.Truncate(c.Name), RulesID: problem.Truncate(c.RulesID), IsSearchable: c.IsSearchable})
	}
	return table
}

// recordLive copies what the service shows live, and keeps in Published what was
// published last: the service's word where it says what is live, else the
// youngest completed session of ours.
func recordLive(s *storeScope, shown *edm.DataStore) {
	status := &s.object.Status
	if !showsLive(s.agent) {
		recordCompleted(s)
		status.Live = status.Published
		if p := status.Published; p != nil && shownLater(shown.DataLastUpdatedDateTime, p.CompletionTime) {
			status.Live = nil
		}
		return
	}
	status.Live = nil
	if shown.Live != nil {
		status.Live = tableOf(shown.Live)
		nameSession(s, status.Live)
	}
	recordProved(s)
	switch live := status.Live; {
	case live != nil && (status.Published == nil || live.RemoteID == status.Published.RemoteID || isLater(live, status.Published)):
		status.Published = live.DeepCopy()
	case status.Published != nil:
		// Lost: whatever goes live from here on is later.
		status.Published.Generation = 0
		if live != nil {
			status.Published.Generation = live.Generation
		}
	}
}

// nameSession names the session that brought a table.
func nameSession(s *storeScope, table *v1alpha1.LiveTable) {
	for i := range s.sessions {
		if one := &s.sessions[i]; one.Status.ID == table.RemoteID {
			table.SessionName, table.SessionUID = one.Name, one.UID
			return
		}
	}
}

// recordProved takes up a table that a session saw live and this reconciler did
// not: it was lost before anybody looked.
func recordProved(s *storeScope) {
	for i := range s.sessions {
		one := &s.sessions[i]
		table := completedTable(one)
		if table == nil || one.Status.LiveGeneration == 0 || isReplaced(one) {
			continue
		}
		table.Generation = one.Status.LiveGeneration
		last := s.object.Status.Published
		if last == nil || last.RemoteID != table.RemoteID && table.Generation > last.Generation && !table.CompletionTime.Before(last.CompletionTime) {
			s.object.Status.Published = table
		}
	}
}

// recordCompleted keeps the youngest completed session of the store; of those of
// one second, the one that was committed last.
func recordCompleted(s *storeScope) {
	var committed *metav1.Time
	for i := range s.sessions {
		one := &s.sessions[i]
		table, last := completedTable(one), s.object.Status.Published
		if table == nil || last != nil && last.RemoteID == table.RemoteID {
			continue
		}
		same := last != nil && table.CompletionTime.Equal(last.CompletionTime)
		if last == nil || last.CompletionTime.Before(table.CompletionTime) || same && committed.Before(one.Status.CommitRequestedTime) {
			s.object.Status.Published, committed = table, one.Status.CommitRequestedTime
		}
	}
}

// completedTable is the table of a completed session, nil of any other.
func completedTable(one *v1alpha1.ExactMatchSession) *v1alpha1.LiveTable {
	done := one.Status.ProcessingCompletionDateTime
	if done == nil {
		done = one.Status.CompletionDateTime
	}
	if one.Status.State != string(edm.StateCompleted) || done == nil || one.Status.Intent == nil || one.Status.Rows == nil {
		return nil
	}
	table := &v1alpha1.LiveTable{
		SessionName: one.Name, SessionUID: one.UID, RemoteID: one.Status.ID, ContentKey: one.Status.Intent.ContentKey,
		Rows: *one.Status.Rows, CompletionTime: done, KeyID: one.Status.KeyID,
	}
	for _, c := range one.Status.Intent.Rules {
		table.Columns = append(table.Columns, v1alpha1.LiveColumn{Name: c.Name, RulesID: c.RulesID})
	}
	return table
}

// liveWordOfStore judges what lookups of the store are answered from.
func liveWordOfStore(s *storeScope) liveWord {
	live, published := s.object.Status.Live, s.object.Status.Published
	switch {
	case !showsLive(s.agent):
		return liveWord{metav1.ConditionUnknown, v1alpha1.ReasonLiveUnknown, "the service does not show what is live"}
	case live == nil && published == nil:
		return liveWord{metav1.ConditionFalse, v1alpha1.ReasonNoLiveTable, "no table has been published yet; commit an ExactMatchSession"}
	case live == nil || live.RemoteID != published.RemoteID:
		return liveWord{metav1.ConditionFalse, v1alpha1.ReasonTableLost, fmt.Sprintf(
			"the service does not show the table of %d rows that %s published last; it is uploaded again where spec.desiredState of its ExactMatchSession is Committed", published.Rows, publisher(published))}
	}
	if live.KeyID != s.object.Status.KeyID {
		return liveWord{metav1.ConditionFalse, v1alpha1.ReasonKeyChanged, fmt.Sprintf(
			"the live table was hashed with key %s, and spec.keySecretRef now contains key %s; lookups need the old key until a table is committed with the new one: change spec.restartToken of %s", live.KeyID, s.object.Status.KeyID, publisher(live))}
	}
	if changed := rulesChanged(s.object, live); changed != "" {
		return liveWord{metav1.ConditionFalse, v1alpha1.ReasonRulesChanged, problem.Truncate(fmt.Sprintf(
			"the live table was hashed under other rules than those of spec.columns (%s); restore the rules, or upload the table again: change spec.restartToken of %s", changed, publisher(live)))}
	}
	return liveWord{metav1.ConditionTrue, v1alpha1.ReasonPublished, publishedMessage(live)}
}

// publisher names the object whose session published a table.
func publisher(table *v1alpha1.LiveTable) string {
	if table.SessionName == "" {
		return "the ExactMatchSession of the table"
	}
	return "ExactMatchSession " + table.SessionName
}

// rulesChanged says which columns of the live table have other rules now.
func rulesChanged(store *v1alpha1.ExactMatchDataStore, live *v1alpha1.LiveTable) string {
	if len(live.Columns) == 0 {
		return "the service does not report its rules"
	}
	var changed []string
	now := rulesByName(store)
	for _, was := range live.Columns {
		switch id, there := now[was.Name]; {
		case !there:
			changed = append(changed, was.Name+" was removed")
		case id != was.RulesID:
			changed = append(changed, fmt.Sprintf("%s: %s, now %s", was.Name, was.RulesID, id))
		}
	}
	return strings.Join(changed, "; ")
}

// reportLive writes the condition Live: what the service said within the last
// resync, and Unknown with the reason where it could not be asked for longer.
func (r *DataStoreReconciler) reportLive(s *storeScope, err error) {
	conditions := &s.object.Status.Conditions
	switch now := r.Now(); {
	case s.looked:
		setStoreLive(s, liveWordOfStore(s))
	case err == nil || isRecent(r.looks.seen(s.object.UID), now, r.Options.ResyncInterval):
	case meta.FindStatusCondition(*conditions, v1alpha1.ConditionLive) != nil:
		p := problem.Of(err)
		setStoreLive(s, liveWord{metav1.ConditionUnknown, p.Reason, problem.Truncate("it is not known which table is live: " + p.Message)})
	}
}

func setStoreLive(s *storeScope, word liveWord) {
	meta.SetStatusCondition(&s.object.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionLive, Status: word.status, Reason: word.reason, Message: word.message, ObservedGeneration: s.object.Generation,
	})
}

// recall looks after the store's sessions once a resync. Those that work are woken,
// lest a lost wake leaves one asleep, or a status that was put back.
func (r *DataStoreReconciler) recall(ctx context.Context, s *storeScope) error {
	if !r.looks.mayList(s.object.UID, r.Now(), r.Options.ResyncInterval) {
		return nil
	}
	for i := range s.sessions {
		if one := &s.sessions[i]; one.Status.Outcome == "" && !one.Spec.Suspend {
			r.Recalls.wakeUp(one)
		}
	}
	if err := r.recallIdle(ctx, s); err != nil {
		return err
	}
	r.looks.listed(s.object.UID, r.Now())
	return nil
}

// recallIdle lists the store's remote sessions, once for all of its sessions that
// are idle, and recalls those whose status says something else than the service: a
// sealed session that somebody cancelled, or that expired.
func (r *DataStoreReconciler) recallIdle(ctx context.Context, s *storeScope) error {
	idle := map[string]*v1alpha1.ExactMatchSession{}
	for i := range s.sessions {
		if one := &s.sessions[i]; isIdle(one) {
			idle[one.Status.ID] = one
		}
	}
	if len(idle) == 0 {
		return nil
	}
	all, err := s.client.Service.Sessions().List(ctx, s.object.Status.ID, edm.Query{Filter: fmt.Sprintf("uploadAgentId eq '%s'", s.agent.Status.ID)})
	if err != nil {
		return err
	}
	for i := range all {
		if one := idle[all[i].ID]; one != nil && one.Status.State == problem.Truncate(string(all[i].State)) {
			delete(idle, all[i].ID)
		}
	}
	for _, one := range idle {
		r.Recalls.add(one)
	}
	return nil
}

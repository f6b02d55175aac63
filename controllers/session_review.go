package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// A sealed session is what was reviewed. While the spec asks for no other
// reading, its commit publishes exactly that, and neither the source nor the key
// is opened for it.

// stands reports whether the remote session stays as it is, whatever the source
// holds: the spec asks for no other reading than the one that it was made from,
// or its content key is of another version of the operator, so that nothing tells
// whether its content is the source's. A restart reads the source.
func (s *scope) stands() bool {
	remote, key := s.facts.Remote, s.intentContentKey()
	sealed, completed := remote == session.RemoteSealed, remote == session.RemoteCompleted
	switch {
	case remote == session.RemoteProcessing:
		return true // nothing takes the commit back
	case key == "" || s.facts.RestartRequested || !sealed && !completed:
		return false
	case !pipeline.KnownContentKey(key):
		return sealed || s.first.State != string(edm.StateCompleted)
	}
	// What was read last may be of another spec than the session: then a pass has
	// recorded it and could not supersede the session yet.
	return s.specAsPrepared() && s.status().ContentKey == key && (pinned(s) || sealed && s.desired() == session.Committed)
}

// specAsPrepared reports whether spec asks for the reading that was made last.
func (s *scope) specAsPrepared() bool {
	return s.status().PreparedSpecHash == requestOf(s).SpecHash()
}

// objections are why what is sealed must not be committed as things are, in
// words that say what to do; none where it may. Only a guard is released by
// spec.guardOverride.
func objections(s *scope) []string {
	var against []string
	for _, one := range []func(*scope) string{pinObjection, rulesObjection, keyObjection} {
		if words := one(s); words != "" {
			against = append(against, words)
		}
	}
	if guards := guardsAgainst(s); len(guards) > 0 {
		against = append(against, guardMessage(s))
	}
	return against
}

func pinObjection(s *scope) string {
	if pinned(s) {
		return ""
	}
	return fmt.Sprintf("%s: spec.checksum is %s, and the uploaded table has %s; correct spec.checksum to commit the table, or change spec.restartToken to read the source again",
		v1alpha1.ReasonChecksumMismatch, s.object.Spec.Checksum, s.status().PreparedChecksum)
}

func rulesObjection(s *scope) string {
	now := rulesByName(s.store)
	var changed []string
	for _, was := range s.status().Intent.Rules {
		switch id, there := now[was.Name]; {
		case !there:
			changed = append(changed, was.Name+" was removed")
		case id != was.RulesID:
			changed = append(changed, fmt.Sprintf("%s was hashed under %s and now has %s", was.Name, was.RulesID, id))
		}
	}
	if len(changed) == 0 {
		return ""
	}
	return problem.Truncate(fmt.Sprintf("%s: columns of ExactMatchDataStore %q changed since the upload: %s; restore them, or change spec.restartToken to upload under the new ones",
		v1alpha1.ReasonRulesChanged, s.store.Name, strings.Join(changed, "; ")))
}

func keyObjection(s *scope) string {
	if s.store.Status.KeyID == s.status().KeyID {
		return ""
	}
	return fmt.Sprintf("%s: the uploaded table was hashed with key %s, and ExactMatchDataStore %q now has key %s; restore the key in its Secret, or change spec.restartToken to upload with the new one",
		v1alpha1.ReasonKeyChanged, s.status().KeyID, s.store.Name, s.store.Status.KeyID)
}

// rulesByName are the ids of the rules that the store's columns have now.
func rulesByName(store *v1alpha1.ExactMatchDataStore) map[string]string {
	rules := make(map[string]string, len(store.Spec.Columns))
	for _, c := range convert.RemoteColumns(store) {
		rules[c.Name] = edm.RulesOf(c)
	}
	return rules
}

// rulesOf are the rules of a plan's columns as the intent records them.
func rulesOf(columns []edm.Column) []v1alpha1.ColumnRules {
	rules := make([]v1alpha1.ColumnRules, 0, len(columns))
	for _, c := range columns {
		rules = append(rules, v1alpha1.ColumnRules{Name: c.Name, RulesID: c.RulesID})
	}
	return rules
}

// adviseOfSource says where the source holds something else than what is being
// committed. Only what lies in the cluster is looked at, and a look that fails
// keeps nobody from the commit.
func (r *SessionReconciler) adviseOfSource(ctx context.Context, s *scope) {
	now, err := r.sourceVersion(ctx, s)
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
		setCondition(s, v1alpha1.ConditionSourceChanged, "True", v1alpha1.ReasonSourceGone, "the uploaded table is committed; its source is gone: "+p.Message)
	case err == nil && now != s.status().PreparedSourceVersion:
		setCondition(s, v1alpha1.ConditionSourceChanged, "True", v1alpha1.ReasonSourceContentChanged,
			"the uploaded table is committed, and its source has other content now; change spec.restartToken to upload that")
	default:
		setCondition(s, v1alpha1.ConditionSourceChanged, "", "", "")
	}
}

// sourceVersion names the content of a source that lies in the cluster, "" of
// any other.
func (r *SessionReconciler) sourceVersion(ctx context.Context, s *scope) (string, error) {
	read, from := r.Clients.Fresh(s.object.Namespace), s.object.Spec.Source
	switch {
	case from.ConfigMapKeyRef != nil:
		text, err := read.ConfigMap(ctx, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key)
		return plan.ContentVersion(string(s.object.UID), text), err
	case from.URISecretRef != nil:
		text, err := read.Secret(ctx, from.URISecretRef.Name, from.URISecretRef.Key)
		return plan.ContentVersion(string(s.object.UID), text), err
	}
	return "", nil
}

package controllers

import (
	"fmt"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
)

// guardsAgainst names the store's guards that forbid the prepared content, in
// words; none where spec.guardOverride names exactly that content.
func guardsAgainst(s *scope) []string {
	override := s.object.Spec.GuardOverride
	if override != "" && (override == s.status().PreparedContent || override == s.status().PreparedChecksum) {
		return nil
	}
	var against []string
	guards := s.store.Spec.Guards
	if missing := columnsLeftOut(s); guards.RequireAllColumns && len(missing) > 0 {
		against = append(against, fmt.Sprintf("%s: spec.fields leaves out %s (guards.requireAllColumns)",
			v1alpha1.ReasonColumnsMissing, strings.Join(missing, ", ")))
	}
	if live := s.store.Status.Live; live != nil && live.Rows > 0 && s.status().Rows != nil {
		fewest := live.Rows - live.Rows*int64(guards.MaxRowDecreasePercent)/100
		if *s.status().Rows < fewest {
			against = append(against, fmt.Sprintf("%s: %d rows where %d are live; at least %d are expected (guards.maxRowDecreasePercent %d)",
				v1alpha1.ReasonRowDecrease, *s.status().Rows, live.Rows, fewest, guards.MaxRowDecreasePercent))
		}
	}
	return against
}

// columnsLeftOut are the store's columns that spec.fields does not name.
func columnsLeftOut(s *scope) []string {
	uploaded := map[string]bool{}
	for _, c := range s.plan.Columns {
		uploaded[c.Name] = true
	}
	var missing []string
	for _, name := range columnNames(s.store) {
		if !uploaded[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// guardMessage says what forbids the content and how to release it.
func guardMessage(s *scope) string {
	return bounded(fmt.Sprintf("%s; to upload it all the same set spec.guardOverride to %s",
		strings.Join(guardsAgainst(s), "; "), s.status().PreparedContent))
}

package controllers

import (
	"fmt"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
)

// guardsAgainst names the store's guards that forbid the prepared content, in
// words; none where spec.guardOverride names exactly that content.
func guardsAgainst(s *scope) []string {
	override := s.object.Spec.GuardOverride
	if override != "" && (override == s.status().PreparedContent || override == s.status().PreparedChecksum) {
		return nil
	}
	var against []string
	for _, guard := range []func(*scope) string{columnsGuard, rowsGuard, unfindableGuard} {
		if words := guard(s); words != "" {
			against = append(against, words)
		}
	}
	return against
}

func columnsGuard(s *scope) string {
	missing := columnsLeftOut(s)
	if !s.store.Spec.Guards.RequireAllColumns || len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: spec.fields omits %s (guards.requireAllColumns)", v1alpha1.ReasonColumnsMissing, strings.Join(missing, ", "))
}

func rowsGuard(s *scope) string {
	live, rows := liveRows(s), s.status().Rows
	if live == 0 || rows == nil {
		return ""
	}
	percent := s.store.Spec.Guards.MaxRowDecreasePercent
	fewest := pipeline.FewestRows(live, percent)
	if *rows >= fewest {
		return ""
	}
	return fmt.Sprintf("%s: the table has %d rows and the live one %d; at least %d are expected (guards.maxRowDecreasePercent %d)",
		v1alpha1.ReasonRowDecrease, *rows, live, fewest, percent)
}

// liveRows are the rows that a table is compared with: the larger of what was
// published last, as far as we know, and what the service shows live.
func liveRows(s *scope) (rows int64) {
	rows = s.store.Status.KnownRows()
	if s.shown != nil && s.shown.Live != nil {
		rows = max(rows, s.shown.Live.Rows)
	}
	return rows
}

func unfindableGuard(s *scope) string {
	if s.status().Rows == nil {
		return ""
	}
	percent := s.store.Spec.Guards.MaxUnfindablePercent
	var columns []string
	for _, c := range s.status().Columns {
		if q := qualityOf(s.status(), c); q.IsUnfindableBeyond(percent) {
			columns = append(columns, c.Name+": "+strings.Join(q.UnfindableReasons(), ", "))
		}
	}
	if len(columns) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (guards.maxUnfindablePercent %d): %s", v1alpha1.ReasonUnfindableCells, percent, weakMessage(columns))
}

// columnsLeftOut are the store's columns that spec.fields does not name.
func columnsLeftOut(s *scope) []string {
	uploaded := map[string]bool{}
	for _, name := range uploadedColumns(s) {
		uploaded[name] = true
	}
	var missing []string
	for _, name := range columnNames(s.store) {
		if !uploaded[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// uploadedColumns are those of the plan, or of what is sealed where none was made.
func uploadedColumns(s *scope) (names []string) {
	for _, c := range s.plan.Columns {
		names = append(names, c.Name)
	}
	if intent := s.status().Intent; len(names) == 0 && intent != nil {
		for _, c := range intent.Rules {
			names = append(names, c.Name)
		}
	}
	return names
}

// guardMessage says what forbids the content and how to release it, which no
// number of columns may cut off.
func guardMessage(s *scope) string {
	return fmt.Sprintf("%s; to upload it anyway, set spec.guardOverride to %s",
		problem.Truncate(strings.Join(guardsAgainst(s), "; ")), s.status().PreparedContent)
}

package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/pipeline"
)

// maxWeakColumns bounds how many columns the condition names.
const maxWeakColumns = 10

// columnsOf is the report of a finished reading.
func columnsOf(p *pipeline.Prepared) []v1alpha1.ColumnQuality {
	columns := make([]v1alpha1.ColumnQuality, 0, len(p.Columns))
	for _, c := range p.Columns {
		columns = append(columns, v1alpha1.ColumnQuality{
			Name: c.Name, Empty: c.Empty, Distinct: c.Distinct, LargestRepetition: c.LargestRepetition, Short: c.Short,
			Unfindable: c.Unfindable.Total(), UnfindableKinds: kindsOf(c.Unfindable), LineBreaks: c.LineBreaks, MostLines: c.MostLines,
		})
	}
	return columns
}

// kindsOf are counts by kind, nil where there are none.
func kindsOf(u pipeline.Unfindable) *v1alpha1.UnfindableKinds {
	if u.Total() == 0 {
		return nil
	}
	return &v1alpha1.UnfindableKinds{
		Mojibake: u[pipeline.Mojibake], LostCharacters: u[pipeline.LostCharacters], InvisibleCharacters: u[pipeline.InvisibleCharacters],
		SpreadsheetGuards: u[pipeline.SpreadsheetGuards], ScientificNotation: u[pipeline.ScientificNotation],
	}
}

// qualityOf is a column of status.columns in the words of transfer.
func qualityOf(status *v1alpha1.ExactMatchSessionStatus, c v1alpha1.ColumnQuality) pipeline.ColumnQuality {
	q := pipeline.ColumnQuality{
		Name: c.Name, Rows: *status.Rows, Empty: c.Empty, Distinct: c.Distinct, LargestRepetition: c.LargestRepetition, Short: c.Short,
		LineBreaks: c.LineBreaks, MostLines: c.MostLines,
	}
	if k := c.UnfindableKinds; k != nil {
		q.Unfindable = pipeline.Unfindable{
			pipeline.Mojibake: k.Mojibake, pipeline.LostCharacters: k.LostCharacters, pipeline.InvisibleCharacters: k.InvisibleCharacters,
			pipeline.SpreadsheetGuards: k.SpreadsheetGuards, pipeline.ScientificNotation: k.ScientificNotation,
		}
	}
	return q
}

// keepColumns drops the report of a table that spec no longer asks for, and
// brings it back where that table is read again after all.
func keepColumns(s *scope) {
	status, prepared := s.status(), s.work.Prepared
	switch {
	case status.ObservedSpecHash != s.inputs:
		status.Columns = nil
	case status.Columns == nil && prepared != nil && prepared.ContentKey == status.ContentKey:
		status.Columns = columnsOf(prepared)
	}
}

// setDataQuality judges status.columns and status.trailingBytes. It advises; no
// other condition reads it.
func setDataQuality(s *scope) {
	status := s.status()
	if s.inputs == "" || status.Rows == nil {
		return // the pass did not come as far as the source: the verdict stands
	}
	if len(status.Columns) == 0 && status.TrailingBytes == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionDataQuality)
		return
	}
	condition := metav1.Condition{
		Type: v1alpha1.ConditionDataQuality, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonGood,
		Message: "no searchable column is weak", ObservedGeneration: s.object.Generation,
	}
	if weak, reason := weaknesses(status); len(weak) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, reason
		condition.Message = weakMessage(weak)
	} else if *status.Rows < pipeline.FewestRowsJudged {
		condition.Status, condition.Reason = metav1.ConditionUnknown, v1alpha1.ReasonTooFewRows
		condition.Message = fmt.Sprintf("fewer than %d rows are too few to judge the columns", pipeline.FewestRowsJudged)
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}

// weaknesses are what speaks against the table and its columns.
func weaknesses(status *v1alpha1.ExactMatchSessionStatus) (weak []string, reason string) {
	weak, reason = weakColumns(status)
	if status.TrailingBytes == 0 {
		return weak, reason
	}
	if len(weak) == 0 {
		reason = v1alpha1.ReasonTrailingBytes
	}
	return append([]string{fmt.Sprintf("%d bytes after the last gzip member were left out; rewrite the file if they belong to the table", status.TrailingBytes)}, weak...), reason
}

// weakColumns names the columns whose values cannot be found, or that would often
// match by accident, and why. The reason is that of the worst of them.
func weakColumns(status *v1alpha1.ExactMatchSessionStatus) (weak []string, reason string) {
	reason = v1alpha1.ReasonWeakColumns
	for _, c := range status.Columns {
		q := qualityOf(status, c)
		if q.IsUnfindable() {
			reason = v1alpha1.ReasonUnfindableCells
		}
		if why := q.Weaknesses(); len(why) > 0 {
			weak = append(weak, c.Name+": "+strings.Join(why, ", "))
		}
	}
	return weak, reason
}

// weakMessage lists weak columns, the first of them at length.
func weakMessage(weak []string) string {
	more := ""
	if len(weak) > maxWeakColumns {
		more = fmt.Sprintf("; and %d more columns", len(weak)-maxWeakColumns)
		weak = weak[:maxWeakColumns]
	}
	return strings.Join(weak, "; ") + more
}

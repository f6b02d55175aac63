package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/transfer"
)

// maxWeakColumns bounds how many columns the condition names.
const maxWeakColumns = 10

// columnsOf is the report of a finished reading.
func columnsOf(p *transfer.Prepared) []v1alpha1.ColumnQuality {
	columns := make([]v1alpha1.ColumnQuality, 0, len(p.Columns))
	for _, c := range p.Columns {
		columns = append(columns, v1alpha1.ColumnQuality{
			Name: c.Name, Empty: c.Empty, Distinct: c.Distinct, LargestRepetition: c.LargestRepetition, Short: c.Short,
		})
	}
	return columns
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

// setDataQuality judges status.columns. It advises; no other condition reads it.
func setDataQuality(s *scope) {
	status := s.status()
	if s.inputs == "" || status.Rows == nil {
		return // the pass did not come as far as the source: the verdict stands
	}
	if len(status.Columns) == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionDataQuality)
		return
	}
	condition := metav1.Condition{
		Type: v1alpha1.ConditionDataQuality, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonGood,
		Message: "no searchable column is weak", ObservedGeneration: s.object.Generation,
	}
	if weak := weakColumns(status); len(weak) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonWeakColumns
		condition.Message = weakMessage(weak)
	} else if *status.Rows < transfer.FewestRowsJudged {
		condition.Status, condition.Reason = metav1.ConditionUnknown, v1alpha1.ReasonTooFewRows
		condition.Message = fmt.Sprintf("fewer than %d rows say nothing about the columns", transfer.FewestRowsJudged)
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}

// weakColumns names the columns that would often match by accident, and why.
func weakColumns(status *v1alpha1.ExactMatchSessionStatus) []string {
	var weak []string
	for _, c := range status.Columns {
		why := transfer.ColumnQuality{
			Rows: *status.Rows, Empty: c.Empty, Distinct: c.Distinct, LargestRepetition: c.LargestRepetition, Short: c.Short,
		}.Weaknesses()
		if len(why) > 0 {
			weak = append(weak, c.Name+": "+strings.Join(why, ", "))
		}
	}
	return weak
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

package controllers

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/pipeline"
)

func TestDataQualityNamesTenColumns(t *testing.T) {
	s := newScope(&v1alpha1.ExactMatchSession{})
	rows := int64(1000)
	s.inputs, s.status().Rows = "read", &rows
	for i := range 12 {
		s.status().Columns = append(s.status().Columns, v1alpha1.ColumnQuality{Name: fmt.Sprintf("C%d", i), Empty: 900, Distinct: 100, LargestRepetition: 1})
	}
	setDataQuality(s)
	c := meta.FindStatusCondition(s.status().Conditions, v1alpha1.ConditionDataQuality)
	if c == nil || c.Reason != v1alpha1.ReasonWeakColumns {
		t.Fatalf("got %+v", c)
	}
	if !strings.HasSuffix(c.Message, "C9: 90.0% of the rows are empty; and 2 more columns") {
		t.Errorf("the message is %q", c.Message)
	}
}

func TestColumnsFollowTheReading(t *testing.T) {
	report := []v1alpha1.ColumnQuality{{Name: "ID"}}
	prepared := &pipeline.Prepared{ContentKey: "this", Columns: []pipeline.ColumnQuality{{Name: "ID"}}}
	for name, tc := range map[string]struct {
		hash   string // of the inputs that were read; "now" is asked for
		before []v1alpha1.ColumnQuality
		work   *pipeline.Prepared
		stays  bool
	}{
		"the same":                {"now", report, nil, true},
		"another table":           {"then", report, nil, false},
		"read again":              {"now", nil, prepared, true},
		"other content under way": {"now", nil, &pipeline.Prepared{ContentKey: "other", Columns: prepared.Columns}, false},
		"not read again yet":      {"now", nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScope(&v1alpha1.ExactMatchSession{})
			s.inputs, s.work.Prepared = "now", tc.work
			s.status().ObservedSpecHash, s.status().ContentKey, s.status().Columns = tc.hash, "this", tc.before
			keepColumns(s)
			if stays := len(s.status().Columns) == 1; stays != tc.stays {
				t.Errorf("the report stands: %t", stays)
			}
		})
	}
}

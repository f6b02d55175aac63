package controllers

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"exactmatch.dev/operator/api/v1alpha1"
)

// guarded is a pass over a table of 1,000 rows, of which empty ones have no
// value, with unfindable ones in each of so many columns.
func guarded(percent int32, columns int, empty, unfindable int64) *scope {
	s := newScope(&v1alpha1.ExactMatchSession{})
	s.store = &v1alpha1.ExactMatchDataStore{}
	s.store.Spec.Guards.MaxUnfindablePercent = percent
	rows := int64(1000)
	s.inputs, s.status().Rows, s.status().PreparedContent = "read", &rows, "sha256:"+strings.Repeat("f", 64)
	for i := range columns {
		s.status().Columns = append(s.status().Columns, v1alpha1.ColumnQuality{
			Name: fmt.Sprintf("%064d", i), Empty: empty, Distinct: rows - empty, LargestRepetition: 1,
			Unfindable: unfindable, UnfindableKinds: &v1alpha1.UnfindableKinds{ScientificNotation: unfindable},
		})
	}
	return s
}

func TestUnfindableGuard(t *testing.T) {
	for _, tc := range []struct {
		percent           int32
		empty, unfindable int64
		held              bool
	}{
		{20, 0, 0, false}, {20, 0, 200, false}, {20, 0, 201, true}, {20, 500, 100, false}, {20, 500, 101, true},
		{0, 0, 0, false}, {0, 0, 1, true}, {100, 0, 1000, false}, {99, 0, 991, true}, {20, 1000, 0, false},
	} {
		against := guardsAgainst(guarded(tc.percent, 1, tc.empty, tc.unfindable))
		if held := len(against) > 0; held != tc.held {
			t.Errorf("%d of %d values with a guard of %d%%: held is %t, %q", tc.unfindable, 1000-tc.empty, tc.percent, held, against)
		}
	}
	s := guarded(20, 1, 0, 900)
	s.object.Spec.GuardOverride = s.status().PreparedContent
	if against := guardsAgainst(s); len(against) > 0 {
		t.Errorf("released content is held: %q", against)
	}
}

func TestGuardMessageKeepsTheRemedy(t *testing.T) {
	s := guarded(20, 32, 0, 900)
	message := guardMessage(s)
	if !strings.HasPrefix(message, "UnfindableCells (guards.maxUnfindablePercent 20): 0") || !strings.HasSuffix(message, "set spec.guardOverride to "+s.status().PreparedContent) {
		t.Errorf("the message is %q", message)
	}
	if len(message) > 1200 {
		t.Errorf("the message has %d bytes", len(message))
	}
	setDataQuality(s)
	if c := meta.FindStatusCondition(s.status().Conditions, v1alpha1.ConditionDataQuality); c == nil || len(c.Message) > 32<<10 || !strings.HasSuffix(c.Message, "; and 22 more columns") {
		t.Errorf("got %+v", c)
	}
}

// The reason is that of what is worst: a value that is never found.
func TestReasonOfDataQuality(t *testing.T) {
	repeated := v1alpha1.ColumnQuality{Name: "Ward", Distinct: 1000, LargestRepetition: 500}
	for want, columns := range map[string][]v1alpha1.ColumnQuality{
		v1alpha1.ReasonGood:            {{Name: "ID", Distinct: 1000, LargestRepetition: 1}},
		v1alpha1.ReasonWeakColumns:     {repeated},
		v1alpha1.ReasonUnfindableCells: {guarded(20, 1, 0, 1).status().Columns[0], repeated},
	} {
		s := guarded(20, 0, 0, 0)
		s.status().Columns = columns
		setDataQuality(s)
		if c := meta.FindStatusCondition(s.status().Conditions, v1alpha1.ConditionDataQuality); c == nil || c.Reason != want {
			t.Errorf("want %s, got %+v", want, c)
		}
	}
}

// What holds a table begins with its reason, behind "; " where it is not the first: so
// kubectl exactmatch tells a guard, which an approval releases, from what has changed.
func TestWhatHoldsBeginsWithItsReason(t *testing.T) {
	s := guarded(20, 1, 0, 900)
	s.store.Spec.Guards.RequireAllColumns = true
	s.store.Spec.Columns = []v1alpha1.Column{{Name: "Ward"}}
	s.store.Status.Live = &v1alpha1.LiveTable{Rows: 5000}
	want := []string{v1alpha1.ReasonColumnsMissing, v1alpha1.ReasonRowDecrease, v1alpha1.ReasonUnfindableCells}
	against := guardsAgainst(s)
	if len(against) != len(want) {
		t.Fatalf("the guards say %q", against)
	}
	for i, reason := range want {
		if !strings.HasPrefix(against[i], reason) || i > 0 && !strings.Contains(guardMessage(s), "; "+reason) {
			t.Errorf("%s is said as %q in %q", reason, against[i], guardMessage(s))
		}
	}
}

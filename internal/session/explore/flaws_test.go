package explore

import (
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/session"
)

// TestEveryHabitIsNeeded plants each error that the controllers could make beside
// the table: the invariant that it breaks is found.
func TestEveryHabitIsNeeded(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name  string
		flaw  Flaw
		found string
	}{
		{"CommitsBlindly", CommitsBlindly, "I2: published over a table that it was not judged against"},
		{"SendsOldIntents", SendsOldIntents, "S1: a create for an intent that was sent before"},
		{"CreatesUnrecorded", CreatesUnrecorded, "S1: two sessions that nobody claims"},
		{"CreatesUnderOutcome", CreatesUnderOutcome, "S1: a session that nobody claims is never cancelled"},
		{"CancelsUnrecorded", CancelsUnrecorded, "I4: the outcome says what is not so"},
		{"ArchivesFirst", ArchivesFirst, "S1: an unfinished session is forgotten"},
		{"ArchivesCommitted", ArchivesCommitted, "S1: a committed session is forgotten before its end"},
		{"TakesEndForRefusal", TakesEndForRefusal, "I4: the outcome says what is not so"},
		{"KeepsUpload", KeepsUpload, "P1"},
		{"StandsByReading", StandsByReading, "I2: published other content than was prepared"},
		{"WakesNever", WakesNever, "I4: green"},
		{"WakesForEndsOnly", WakesForEndsOnly, "I4: green"},
		{"IgnoresEarlierLoss", IgnoresEarlierLoss, "I4: green"},
		{"SweepsPreparedOnly", SweepsPreparedOnly, "S1: two sessions that nobody claims"},
		{"ForgetsAtPlan", ForgetsAtPlan, "S1: two sessions that nobody claims"},
		{"ForgetsAtRefusal", ForgetsAtRefusal, "D: a create is still on its way"},
		{"ForgetsAtRestart", ForgetsAtRestart, "D: a create is still on its way"},
		{"EndsUnswept", EndsUnswept, "S1: a session that nobody claims is never cancelled"},
		{"RemovesUnswept", RemovesUnswept, "D: a create is still on its way"},
	} {
		v := find(Model{Next: session.Next, Flaws: one.flaw})
		if v == nil || !strings.HasPrefix(v.Invariant, one.found) {
			t.Errorf("%s: found %v, want %q", one.name, v, one.found)
			continue
		}
		t.Logf("%s: %v", one.name, v)
	}
}

// find explores without the rare things first, since few errors need them.
func find(m Model) *Violation {
	small := m
	small.Small = true
	if _, v := small.Explore(); v != nil {
		return v
	}
	_, v := m.Explore()
	return v
}

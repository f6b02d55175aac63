package problem_test

import (
	"testing"
	"time"

	"exactmatch.dev/operator/internal/problem"
)

func TestClockNamesAnotherDay(t *testing.T) {
	now := time.Date(2026, 11, 26, 23, 30, 0, 0, time.FixedZone("west", -3*3600)) // 02:30 of the 27th UTC
	for want, at := range map[string]time.Time{
		"02:31:00 UTC":            now.Add(time.Minute),
		"2026-11-26 23:30:00 UTC": now.Add(-3 * time.Hour),
		"2026-11-28 02:30:00 UTC": now.Add(24 * time.Hour),
	} {
		if got := problem.Clock(at, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A gist is the same as long as nothing but time, or a retry, passes.
func TestAGistIsWhatStays(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, tc := range map[string]struct {
		a, b *problem.Problem
		same bool
	}{
		"another time":               {problem.NeedsRepair("R", "until %s", problem.Clock(now, now)), problem.NeedsRepair("R", "until %s", problem.Clock(now.Add(time.Hour), now)), true},
		"a time of another day":      {problem.NeedsRepair("R", "until %s", problem.Clock(now, now)), problem.NeedsRepair("R", "until %s", problem.Clock(now.AddDate(0, 0, 1), now)), true},
		"another object to repair":   {problem.NeedsRepair("R", "Secret %q", "key-1"), problem.NeedsRepair("R", "Secret %q", "key-2"), false},
		"another port of a fault":    {problem.Passes("R", 0, "read 127.0.0.1:34567"), problem.Passes("R", 0, "read 127.0.0.1:45678"), true},
		"another fault":              {problem.Passes("R", 0, "connection refused"), problem.Passes("R", 0, "connection reset"), false},
		"another spec to be changed": {problem.NeedsChange("R", "spec.fields[%d]", 1), problem.NeedsChange("R", "spec.fields[%d]", 2), false},
	} {
		if got := tc.a.Gist() == tc.b.Gist(); got != tc.same {
			t.Errorf("%s: %q and %q are the same: %t", name, tc.a.Gist(), tc.b.Gist(), got)
		}
	}
}

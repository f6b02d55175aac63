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

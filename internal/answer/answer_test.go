package answer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/answer"
)

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-3": 0, "soon": 0, "17": 17 * time.Second, "99999999": 24 * time.Hour, "99999999999999999999": 24 * time.Hour, "1.5": 0, "+3": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := answer.RetryAfter(value, now, 24*time.Hour); got != want {
			t.Errorf("%q is read as %s, want %s", value, got, want)
		}
	}
}

// FuzzRetryAfter reads a wait: never negative, never over a day, and as long as
// it says.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, seed := range []string{"1", "0", "-5", "86401", "9223372036", "9223372037", "18446744073709551616", "Fri, 02 Jan 2026 03:05:05 GMT", "Thu, 01 Jan 2026 00:00:00 GMT", "1.5", " 3", "+3", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := answer.RetryAfter(value, now, 24*time.Hour)
		if got < 0 || got > 24*time.Hour {
			t.Fatalf("%q waits %v", value, got)
		}
		whole, err := time.ParseDuration(value + "s")
		if digits := strings.TrimLeft(value, "0123456789") == "" && value != ""; digits && err == nil && whole <= 24*time.Hour && got != whole {
			t.Fatalf("%q waits %v, want %v", value, got, whole)
		} else if digits && (err != nil || whole > 24*time.Hour) && got != 24*time.Hour {
			t.Fatalf("%q waits %v, want a day", value, got)
		}
	})
}

func TestStatusesThatPass(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 302: false, 400: false, 401: false, 403: false, 404: false, 412: false, 413: false,
		407: true, 408: true, 409: true, 423: true, 425: true, 429: true, 500: true, 503: true, 599: true,
	} {
		if answer.IsTransient(status) != want {
			t.Errorf("%d passes: want %t", status, want)
		}
	}
}

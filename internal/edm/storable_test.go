package edm_test

import (
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

func TestStorableYears(t *testing.T) {
	for year, want := range map[int]bool{-1: false, 0: false, 1: true, 2026: true, 9999: true, 10_000: false} {
		if got := edm.Storable(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("a time of the year %d: %t, want %t", year, got, want)
		}
	}
	west, east := time.FixedZone("", -3600), time.FixedZone("", 3600)
	if edm.Storable(time.Date(9999, 12, 31, 23, 30, 0, 0, west)) || edm.Storable(time.Date(1, 1, 1, 0, 30, 0, 0, east)) {
		t.Error("an offset leads out of the years of four digits")
	}
}

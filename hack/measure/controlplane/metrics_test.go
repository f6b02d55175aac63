package main

import (
	"math"
	"testing"
)

// TestQuantile: what lies between two readings of a histogram counts, evenly
// within its bucket.
func TestQuantile(t *testing.T) {
	before := map[float64]float64{0.1: 5, 1: 5, math.Inf(1): 5}
	after := map[float64]float64{0.1: 5, 1: 15, math.Inf(1): 15}
	if got := quantile(before, after, 0.5); math.Abs(got-0.55) > 1e-9 {
		t.Errorf("the median is %v, not in the middle of its bucket", got)
	}
	if got := quantile(before, before, 0.5); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
	after[math.Inf(1)] = 35
	if got := quantile(before, after, 0.99); got != 1 {
		t.Errorf("above the last bound the quantile is %v", got)
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct{ method, path, kind, id string }{
		{"GET", "/beta/dataClassification/exactMatchDataStores/s/sessions/x", getSession, "x"},
		{"POST", "/beta/dataClassification/exactMatchDataStores/s/sessions", "POST exactMatchDataStores/{id}/sessions", ""},
		{"POST", "/beta/dataClassification/exactMatchDataStores/s/sessions/x/commit", "POST exactMatchDataStores/{id}/sessions/{id}/commit", "x"},
		{"GET", "/beta/dataClassification/exactMatchDataStores/s", "GET exactMatchDataStores/{id}", ""},
		{"PUT", "/blocks/x", "PUT block", ""},
	} {
		if kind, id := kindOf(c.method, c.path); kind != c.kind || id != c.id {
			t.Errorf("%s %s is %q about %q", c.method, c.path, kind, id)
		}
	}
}

package measure

import (
	"math"
	"testing"
	"time"
)

func TestMedians(t *testing.T) {
	for _, tc := range []struct {
		values            []float64
		low, median, high float64
	}{
		{[]float64{5}, 5, 5, 5},
		{[]float64{3, 1}, 1.5, 2, 2.5},
		{[]float64{9, 1, 5}, 3, 5, 7},
		{[]float64{4, 1, 3, 2}, 1.75, 2.5, 3.25},
		{[]float64{1, 1, 1, 1, 100}, 1, 1, 1},
	} {
		got := Summarize(tc.values)
		if got != (Summary{Median: tc.median, Low: tc.low, High: tc.high, Count: len(tc.values)}) {
			t.Errorf("%v: %+v", tc.values, got)
		}
	}
	if none := Summarize(nil); none.Count != 0 || !math.IsNaN(none.Median) {
		t.Errorf("no figures give %+v", none)
	}
}

func cpuSample(id string, round int, cpu int) Sample {
	return Sample{Case: id, Round: round, CPU: time.Duration(cpu)}
}

// A ratio is taken within each round: a round that is slow for both counts like
// any other, and rounds that one case has alone do not count.
func TestRatiosAreThoseOfTheSameRound(t *testing.T) {
	r := ResultsOf([]Sample{
		cpuSample("slow", 0, 100), cpuSample("fast", 0, 10),
		cpuSample("fast", 1, 100), cpuSample("slow", 1, 900),
		cpuSample("slow", 2, 110), cpuSample("fast", 2, 10),
		cpuSample("slow", 3, 7),
	})
	if got := r.Ratio("slow", "fast", CPUSeconds); got.Median != 10 || got.Count != 3 || got.Low != 9.5 || got.High != 10.5 {
		t.Errorf("%+v", got)
	}
	if got := r.Ratio("slow", "absent", CPUSeconds); got.Count != 0 {
		t.Errorf("a case that did not run has %+v", got)
	}
}

package measure

import (
	"maps"
	"math"
	"slices"
)

// Summary of figures: the median and the quartiles. Count 0 means no figures.
type Summary struct {
	Median, Low, High float64
	Count             int
}

// Summarize figures in any order.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{Median: math.NaN(), Low: math.NaN(), High: math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{Median: Quantile(sorted, 0.5), Low: Quantile(sorted, 0.25), High: Quantile(sorted, 0.75), Count: len(sorted)}
}

// Quantile of sorted figures, between two of them where it falls there.
func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// Figure takes one number out of a sample.
type Figure func(Sample) float64

// Part takes a further figure of a case.
func Part(name string) Figure { return func(s Sample) float64 { return s.Parts[name] } }

// PeakMiB is the largest resident size.
func PeakMiB(s Sample) float64 { return float64(s.PeakMemory) / (1 << 20) }

// WallSeconds is the time that passed.
func WallSeconds(s Sample) float64 { return s.Wall.Seconds() }

// CPUSeconds is the processor time.
func CPUSeconds(s Sample) float64 { return s.CPU.Seconds() }

// Results are the samples of a run by case.
type Results map[string][]Sample

// ResultsOf sorts samples by their case.
func ResultsOf(samples []Sample) Results {
	out := Results{}
	for _, s := range samples {
		out[s.Case] = append(out[s.Case], s)
	}
	return out
}

// Of sums up one figure of a case.
func (r Results) Of(id string, f Figure) Summary {
	values := make([]float64, 0, len(r[id]))
	for _, s := range r[id] {
		values = append(values, f(s))
	}
	return Summarize(values)
}

// Ratio sums up how many times one case's figure is another's, round by round:
// what disturbs a round disturbs both.
func (r Results) Ratio(over, under string, f Figure) Summary {
	byRound := map[int]float64{}
	for _, s := range r[under] {
		byRound[s.Round] = f(s)
	}
	var values []float64
	for _, s := range r[over] {
		if below, both := byRound[s.Round]; both && below > 0 {
			values = append(values, f(s)/below)
		}
	}
	return Summarize(values)
}

// Cost is what the cases of a kind take that have one size.
type Cost struct {
	Size    int
	Samples []Sample
}

// Of is the median of a figure.
func (c Cost) Of(f Figure) float64 { return Results{"": c.Samples}.Of("", f).Median }

// CostsOf are those of a kind, by size.
func CostsOf(samples []Sample, kind string) []Cost {
	bySize := map[int][]Sample{}
	for _, s := range samples {
		if s.Kind == kind {
			bySize[s.Size] = append(bySize[s.Size], s)
		}
	}
	var out []Cost
	for _, size := range slices.Sorted(maps.Keys(bySize)) {
		out = append(out, Cost{size, bySize[size]})
	}
	return out
}

package main

import (
	"math"
	"slices"
)

// summary of figures: the median and the quartiles. Count 0 means no figures.
type summary struct {
	Median, Low, High float64
	Count             int
}

func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{Median: math.NaN(), Low: math.NaN(), High: math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	return summary{Median: quantile(sorted, 0.5), Low: quantile(sorted, 0.25), High: quantile(sorted, 0.75), Count: len(sorted)}
}

// quantile of sorted figures, between two of them where it falls there.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// figure takes one number out of a sample.
type figure func(sample) float64

func cpuPerRow(s sample) float64  { return float64(s.CPU) / float64(s.Rows) }
func wallPerRow(s sample) float64 { return float64(s.Wall) / float64(s.Rows) }
func memoryMiB(s sample) float64  { return float64(s.PeakMemory) / (1 << 20) }
func cpuMBps(s sample) float64    { return float64(s.Bytes) / 1e6 / s.CPU.Seconds() }
func wallMBps(s sample) float64   { return float64(s.Bytes) / 1e6 / s.Wall.Seconds() }

// part takes a further figure of a case.
func part(name string) figure { return func(s sample) float64 { return s.Parts[name] } }

// allCPU counts the service's time with the uploader's.
func allCPU(s sample) float64 { return s.CPU.Seconds() + s.Parts[partServiceCPU] }

// results are the samples of a run by case.
type results map[string][]sample

func resultsOf(samples []sample) results {
	out := results{}
	for _, s := range samples {
		out[s.Case] = append(out[s.Case], s)
	}
	return out
}

// of sums up one figure of a case.
func (r results) of(id string, f figure) summary {
	values := make([]float64, 0, len(r[id]))
	for _, s := range r[id] {
		values = append(values, f(s))
	}
	return summarize(values)
}

// ratio sums up how many times one case's figure is another's, round by round:
// what disturbs a round disturbs both.
func (r results) ratio(over, under string, f figure) summary {
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
	return summarize(values)
}

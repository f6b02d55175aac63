package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sort"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
)

// families are a process' metrics by name.
type families map[string]*dto.MetricFamily

// scrape reads the metrics of a manager.
func scrape(ctx context.Context, address string) (families, error) {
	return scrapeWith(ctx, http.DefaultClient, "http://"+address)
}

func scrapeWith(ctx context.Context, web *http.Client, base string) (families, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := web.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metrics of %s answer %s", base, answer.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(answer.Body)
}

// scrapeServer reads the metrics of the API server.
func scrapeServer(ctx context.Context, config *rest.Config) (families, error) {
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return scrapeWith(ctx, web, config.Host)
}

func matches(m *dto.Metric, want map[string]string) bool {
	met := 0
	for _, l := range m.GetLabel() {
		if value, asked := want[l.GetName()]; asked {
			if value != l.GetValue() {
				return false
			}
			met++
		}
	}
	return met == len(want)
}

// sum adds up the counters or gauges of a family whose labels are as wanted.
func (f families) sum(name string, want map[string]string) float64 {
	total := 0.0
	for _, m := range f[name].GetMetric() {
		if matches(m, want) {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

// buckets are the cumulative counts of a histogram by upper bound, added up over
// the metrics whose labels are as wanted.
func (f families) buckets(name string, want map[string]string) map[float64]float64 {
	out := map[float64]float64{}
	for _, m := range f[name].GetMetric() {
		if !matches(m, want) {
			continue
		}
		for _, b := range m.GetHistogram().GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				out[b.GetUpperBound()] += float64(b.GetCumulativeCount())
			}
		}
		out[math.Inf(1)] += float64(m.GetHistogram().GetSampleCount())
	}
	return out
}

// quantile of what a histogram took in between two readings: within its bucket
// as if everything there were spread evenly.
func quantile(before, after map[float64]float64, q float64) float64 {
	bounds := make([]float64, 0, len(after))
	for b := range after {
		bounds = append(bounds, b)
	}
	sort.Float64s(bounds)
	if len(bounds) == 0 {
		return math.NaN()
	}
	count := func(b float64) float64 { return after[b] - before[b] }
	want := q * count(bounds[len(bounds)-1])
	if want == 0 {
		return math.NaN()
	}
	low, under := 0.0, 0.0
	for _, b := range bounds {
		here := count(b)
		switch {
		case here < want:
			low, under = b, here
		case math.IsInf(b, 1):
			return low
		default:
			return low + (b-low)*(want-under)/(here-under)
		}
	}
	return low
}

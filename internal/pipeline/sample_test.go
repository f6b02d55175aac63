package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
)

// The samples of an upload are what the service finds once the table is live.
func TestSamplesAreFoundInTheLiveTable(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(500), 30)
	plan.Columns[1].IsSearchable = true // ID is not: a sample asks for what is
	prepared, err := pipeline.Prepare(t.Context(), plan)
	must(t, err)
	one := s.open(prepared, plan)
	var samples []pipeline.Sample
	o := options()
	o.Sampled = func(found []pipeline.Sample) { samples = found }
	must(t, pipeline.Upload(t.Context(), plan, prepared, target(one), o))
	if len(samples) < 10 || len(samples) > 16 {
		t.Fatalf("%d samples of 500 rows", len(samples))
	}
	must(t, s.client.Sessions().Commit(t.Context(), s.store.ID, one.ID, nil))
	for deadline := time.Now().Add(30 * time.Second); s.state(one.ID) != edm.StateCompleted; {
		if time.Now().After(deadline) {
			t.Fatal("the table does not go live")
		}
	}
	for _, sample := range samples {
		got, err := s.client.Stores().Match(t.Context(), s.store.ID, edm.MatchRequest{
			KeyID: prepared.KeyID, Column: sample.Column, Token: sample.Token, SameRow: sample.SameRow, Limit: 1,
			RulesIDs: map[string]string{"ID": "v1:exact:", "Mail": "v1:caseInsensitive:"},
		})
		must(t, err)
		if len(got.Rows) != 1 || got.Rows[0].Row != sample.Row || !slices.Equal(got.Rows[0].Matched, []string{"ID"}) {
			t.Errorf("the sample of row %d in column %s is answered with %+v", sample.Row, sample.Column, got)
		}
	}
}

// A row that nobody can find is no sample.
func TestRowsWithoutASearchableValueAreNoSamples(t *testing.T) {
	s := newSink(t)
	plan := planOf("ID,Mail\nP-1,\nP-2,\nP-3,p3@example.com\n", 10)
	plan.Columns[1].IsSearchable = true
	prepared, err := pipeline.Prepare(t.Context(), plan)
	must(t, err)
	o := options()
	var samples []pipeline.Sample
	o.Sampled = func(found []pipeline.Sample) { samples = append(samples, found...) }
	must(t, pipeline.Upload(t.Context(), plan, prepared, target(s.open(prepared, plan)), o))
	for _, sample := range samples {
		if sample.Row != 2 || sample.Column != "Mail" {
			t.Errorf("row %d is sampled in column %s", sample.Row, sample.Column)
		}
	}
}

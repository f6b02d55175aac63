package upload_test

import (
	"slices"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

// The samples of an upload are what the service finds once the table is live.
func TestSamplesAreFoundInTheLiveTable(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(500), 30)
	plan.Columns[1].IsSearchable = true // ID is not: a sample asks for what is
	prepared, err := pipeline.Prepare(t.Context(), plan)
	testkit.Must(t, err)
	one := s.Open(prepared, plan)
	var samples []pipeline.Sample
	o := sink.Options()
	o.Sampled = func(found []pipeline.Sample) { samples = found }
	testkit.Must(t, upload.Run(t.Context(), plan, prepared, sink.Target(one), o))
	if len(samples) < 10 || len(samples) > 16 {
		t.Fatalf("%d samples of 500 rows", len(samples))
	}
	testkit.Must(t, s.Client.Sessions().Commit(t.Context(), s.Store.ID, one.ID, nil))
	for deadline := time.Now().Add(30 * time.Second); s.State(one.ID) != edm.StateCompleted; {
		if time.Now().After(deadline) {
			t.Fatal("the table does not go live")
		}
	}
	for _, sample := range samples {
		got, err := s.Client.Stores().Match(t.Context(), s.Store.ID, edm.MatchRequest{
			KeyID: prepared.KeyID, RulesIDs: map[string]string{"ID": "v1:exact:", "Mail": "v1:caseInsensitive:"},
			Questions: []edm.MatchQuestion{{Column: sample.Column, Token: sample.Token, SameRow: map[string][]string{"ID": {sample.SameRow["ID"]}}, Limit: 1}},
		})
		testkit.Must(t, err)
		rows := got.Answers[0].Rows
		if len(rows) != 1 || rows[0].Row != sample.Row || !slices.Equal(rows[0].MatchedColumns(), []string{"ID"}) {
			t.Errorf("the sample of row %d in column %s is answered with %+v", sample.Row, sample.Column, got)
		}
	}
}

// A row that nobody can find is no sample.
func TestRowsWithoutASearchableValueAreNoSamples(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan("ID,Mail\nP-1,\nP-2,\nP-3,p3@example.com\n", 10)
	plan.Columns[1].IsSearchable = true
	prepared, err := pipeline.Prepare(t.Context(), plan)
	testkit.Must(t, err)
	o := sink.Options()
	var samples []pipeline.Sample
	o.Sampled = func(found []pipeline.Sample) { samples = append(samples, found...) }
	testkit.Must(t, upload.Run(t.Context(), plan, prepared, sink.Target(s.Open(prepared, plan)), o))
	for _, sample := range samples {
		if sample.Row != 2 || sample.Column != "Mail" {
			t.Errorf("row %d is sampled in column %s", sample.Row, sample.Column)
		}
	}
}

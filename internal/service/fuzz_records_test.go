package service

import (
	"reflect"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// checkRecords looks at every record.
func (h *harness) checkRecords() {
	h.t.Helper()
	stores, err := records.List(h.t.Context(), h.records.Of(""), records.Tx.DataStores)
	h.must(err)
	names := map[string]*records.DataStore{}
	ids := map[string]*records.DataStore{}
	for _, one := range stores {
		if names[one.DisplayName] != nil || one.DisplayName == "" || len(one.Description) > maxDescription || checkColumns(one.Columns) != nil {
			h.t.Fatalf("the data store %+v cannot be", one)
		}
		names[one.DisplayName], ids[one.ID] = one, one
		if (one.Live != nil) != h.tables.Whole(one.ID) || one.Live != nil && one.Live.Generation != one.Generation {
			h.t.Fatalf("the data store %+v has another live table", one)
		}
		if checkOwner(one.Owner) != nil || wantedColumns(one) != nil && len(h.jobs) == 0 {
			h.t.Fatalf("the data store %+v has an owner or columns that cannot be", one)
		}
	}
	var now snapshot
	h.must(h.records.Of("").View(h.t.Context(), func(tx records.Tx) (err error) {
		now, err = snapshotOf(tx)
		return err
	}))
	for _, one := range now.sessions {
		if ids[one.DataStoreID] == nil {
			h.t.Fatalf("the session %+v has no data store", one)
		}
		if _, held := ids[one.DataStoreID].Processing[one.ID]; held != one.Processing() {
			h.t.Fatalf("the session %+v has a place in the quota: %t", one, held)
		}
		if what := oddSession(one); what != "" {
			h.t.Fatalf("%s: %+v", what, one)
		}
		var was records.Session
		if before := h.was.sessions[one.ID]; before != nil {
			was = *before
		}
		if was.State.Ended() && one.State != was.State || was.State.Committed() && one.State != edm.StateProcessingInProgress && one.State != edm.StateCompleted {
			h.t.Fatalf("a session in state %s is %s now", was.State, one.State)
		}
	}
	agents, err := records.List(h.t.Context(), h.records.Of(""), records.Tx.Agents)
	h.must(err)
	for _, one := range agents {
		if len(one.Description) > maxDescription {
			h.t.Fatalf("the upload agent %q has a description of %d bytes", one.ID, len(one.Description))
		}
	}
}

// oddSession says what contradicts itself in a session.
func oddSession(one *records.Session) string {
	known := []edm.State{edm.StateCreated, edm.StateUploadCompleted, edm.StateProcessingInProgress, edm.StateCompleted, edm.StateCancelled, edm.StateFailed, edm.StateExpired}
	var fields []string
	for _, c := range one.Columns {
		fields = append(fields, c.Name)
	}
	sealed := one.State == edm.StateUploadCompleted || one.Processing()
	switch {
	case !slices.Contains(known, one.State):
		return "an unknown state"
	case checkSession(&one.Session) != nil:
		return "values that no create takes"
	case one.KeyID == "" && (one.Learns == nil || sealed || len(one.Learns.Columns) > 0 && one.Columns != nil):
		return "no key, and nothing to learn it by"
	case one.KeyID == "" && one.Columns == nil:
		return "" // columns come with the seal
	case !slices.Equal(fields, one.Fields) || checkColumns(one.Columns) != nil || !reflect.DeepEqual(one.Columns, edm.WithRules(one.Columns)):
		return "columns that are not the fields"
	case sealed && len(one.Sealed) != int(*one.TotalBlockCount), !sealed && len(one.Sealed) > 0:
		return "a list that is not as long as the session"
	case (one.CompletionDateTime != nil) != one.State.Ended():
		return "an end that is none"
	case one.RemainingBlockCount == nil || *one.RemainingBlockCount < 0 || *one.RemainingBlockCount > *one.TotalBlockCount:
		return "blocks that do not add up"
	case one.State.Committed() && (one.RemainingJobCount == nil || *one.RemainingJobCount < 0 || *one.RemainingJobCount > *one.TotalJobCount):
		return "jobs that do not add up"
	case one.State == edm.StateCompleted && *one.RemainingJobCount != 0:
		return "completed with jobs left"
	}
	return ""
}

package lookup_test

import (
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// TestTheStoresRulesDoNotDecide changes a store's rules after its table was
// uploaded: values are found as the table has them, and not as the next will.
func TestTheStoresRulesDoNotDecide(t *testing.T) {
	l := serveStaff(t)
	all, err := l.Stores.List(t.Context(), edm.Query{})
	testkit.Must(t, err)
	store := all[0]
	_, err = l.Stores.Update(t.Context(), edm.DataStore{ID: store.ID, Columns: []edm.Column{{Name: "Number", IsSearchable: true}, {Name: "Phone"}}})
	testkit.Must(t, err)
	out, err := l.ask(t, "", "--store", "staff", "--column", "Number", "--value", "a1", "--same-row", "Mail=ANNA@example.com")
	ends(t, err, 0, "")
	prints(t, out, "VALUE FOUND ROW SAME ROW", "1 yes 0 Mail")
	_, err = l.ask(t, "", "--store", "staff", "--column", "Phone", "--value", "a1")
	ends(t, err, 2, `has no column "Phone"; it has Number, Mail, Town`)
}

// TestAStoreWithoutATableSaysSo asks before anything was uploaded.
func TestAStoreWithoutATableSaysSo(t *testing.T) {
	l := serveStaff(t)
	_, err := l.Stores.Create(t.Context(), edm.DataStore{DisplayName: "empty", Columns: []edm.Column{{Name: "ID", IsSearchable: true}}}, "empty")
	testkit.Must(t, err)
	_, err = l.ask(t, "", "--store", "empty", "--column", "ID", "--value", "a1")
	ends(t, err, 2, edm.CodeNoLiveTable)
}

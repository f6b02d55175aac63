package service

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// A PATCH leaves what its body does not name, and clears what is null where nothing
// needs it.
func TestAPatchKeepsWhatIsAbsent(t *testing.T) {
	h := newHarness(t)
	const agent, store, session = "/exactMatchUploadAgents/agent", "/exactMatchDataStores/bare", "/exactMatchDataStores/live/sessions/created"
	type shown struct {
		Description, DisplayName, FileName string
		Columns                            []edm.Column
		Owner                              *edm.Owner
	}
	owner := &edm.Owner{Cluster: "c", Namespace: "n", Name: "o"}
	id := edm.WithRules([]edm.Column{{Name: "ID", IsSearchable: true}})
	fields := edm.WithRules([]edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, {Name: "City"}})
	for _, step := range []struct {
		path, body string
		status     int
		want       shown
	}{
		{agent, `{}`, http.StatusOK, shown{Description: "it's ours"}},
		{agent, `{"@odata.type":"#microsoft.graph.exactMatchUploadAgent","id":"agent"}`, http.StatusOK, shown{Description: "it's ours"}},
		{agent, `{"description":"new"}`, http.StatusOK, shown{Description: "new"}},
		{agent, `{"description":7}`, http.StatusBadRequest, shown{Description: "new"}},
		{agent, `{"description":null}`, http.StatusOK, shown{}},

		{store, `{"description":"d","owner":{"cluster":"c","namespace":"n","name":"o"}}`, http.StatusOK, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{}`, http.StatusOK, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"columns":null}`, http.StatusBadRequest, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"columns":[]}`, http.StatusBadRequest, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"displayName":"bare"}`, http.StatusOK, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"displayName":"other","description":"e"}`, http.StatusUnprocessableEntity, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"displayName":null}`, http.StatusUnprocessableEntity, shown{Description: "d", DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"description":null}`, http.StatusOK, shown{DisplayName: "bare", Columns: id, Owner: owner}},
		{store, `{"owner":null}`, http.StatusOK, shown{DisplayName: "bare", Columns: id}},

		{session, `{}`, http.StatusOK, shown{FileName: "people.csv", Columns: fields}},
		{session, `{"fileName":"new.csv"}`, http.StatusOK, shown{FileName: "new.csv", Columns: fields}},
		{session, `{"fileName":null}`, http.StatusUnprocessableEntity, shown{FileName: "new.csv", Columns: fields}},
		{session, `{"fileName":""}`, http.StatusUnprocessableEntity, shown{FileName: "new.csv", Columns: fields}},
	} {
		_, w := h.call(http.MethodPatch, base+step.path, "", []byte(step.body))
		if w.Code != step.status {
			t.Errorf("PATCH %s %s: %d %s", step.path, step.body, w.Code, w.Body)
		}
		_, w = h.call(http.MethodGet, base+step.path, "", nil)
		var got shown
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if !reflect.DeepEqual(got, step.want) {
			t.Errorf("after PATCH %s %s it is %+v", step.path, step.body, got)
		}
	}
}

package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/service/records"
)

const (
	agentsAt   = base + "/exactMatchUploadAgents"
	storesAt   = base + "/exactMatchDataStores"
	sessionsAt = storesAt + "/live/sessions"
)

// The number of a collection is a text of its own, of what $filter leaves.
func TestCollectionsAreCounted(t *testing.T) {
	h := newHarness(t)
	for target, want := range map[string]string{
		agentsAt + "/$count": "1", storesAt + "/$count": "2", sessionsAt + "/$count": "5", storesAt + "/bare/sessions/%24count": "1",
		sessionsAt + "/$count?$filter=state%20eq%20'Completed'": "1", storesAt + "/$count?$filter=displayName%20eq%20'none'": "0",
	} {
		_, w := h.call(http.MethodGet, target, "", nil)
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != "text/plain" || w.Header().Get("Content-Length") != "1" {
			t.Errorf("GET %s: %d %q %v", target, w.Code, w.Body, w.Header())
		}
	}
	for _, target := range []string{sessionsAt + "/$count?$top=1", agentsAt + "/$count?$filter=state%20eq%20'x'", agentsAt + "/$count?$count=true"} {
		if _, w := h.call(http.MethodGet, target, "", nil); w.Code != http.StatusBadRequest {
			t.Errorf("GET %s: %d %s", target, w.Code, w.Body)
		}
	}
	if _, w := h.call(http.MethodGet, storesAt+"/absent/sessions/$count", "", nil); w.Code != http.StatusNotFound {
		t.Errorf("of an absent store: %d %s", w.Code, w.Body)
	}
}

// An option is honoured or refused by its name.
func TestOptionsThatAreNotTaken(t *testing.T) {
	h := newHarness(t)
	for target, names := range map[string]string{
		"GET " + agentsAt + "?$search=x":                                                "$search",
		"GET " + agentsAt + "?top=1":                                                    "top",
		"GET " + agentsAt + "?$format=json":                                             "$format",
		"GET " + agentsAt + "?$expand=uploadAgent":                                      "$expand",
		"GET " + storesAt + "?$expand=sessions":                                         "$expand",
		"GET " + storesAt + "/live?$expand=uploadAgent":                                 "$expand",
		"GET " + sessionsAt + "?$expand=uploadAgent($select=id)":                        "$expand",
		"GET " + agentsAt + "?$filter=state%20eq%20'x'":                                 "state",
		"GET " + storesAt + "?$filter=creationDateTime%20ge%20'x'":                      "creationDateTime",
		"GET " + storesAt + "?$orderby=fileName":                                        "fileName",
		"GET " + sessionsAt + "?$orderby=displayName":                                   "displayName",
		"GET " + sessionsAt + "?$filter=creationDateTime%20eq%20'2026-01-02T03:04:05Z'": "creationDateTime",
		"GET " + sessionsAt + "?$filter=fileName%20eq%202026-01-02T03:04:05Z":           "fileName",
		"GET " + sessionsAt + "?$filter=state%20ne%20'x'":                               "ne",
		"GET " + sessionsAt + "?$select=id,stat":                                        "stat",
		"GET " + sessionsAt + "?$select=":                                               "$select",
		"GET " + sessionsAt + "/created?$select=salt":                                   "salt",
		"GET " + sessionsAt + "/created?$top=1":                                         "$top",
		"GET " + sessionsAt + "/created?$filter=id%20eq%20'x'":                          "$filter",
		"GET " + agentsAt + "/agent?$count=true":                                        "$count",
		"GET " + sessionsAt + "/created/uploadAgent?$skip=1":                            "$skip",
		"POST " + agentsAt + "?$select=id":                                              "$select",
		"PATCH " + agentsAt + "/agent?$select=id":                                       "$select",
		"DELETE " + agentsAt + "/agent?force=true":                                      "force",
		"POST " + sessionsAt + "/created/cancel?$expand=uploadAgent":                    "$expand",
		"POST " + storesAt + "/live/match?$top=1":                                       "$top",
	} {
		method, path, _ := strings.Cut(target, " ")
		r, w := h.call(method, path, "", []byte("{}"))
		if said := errorIn(t, w); w.Code != http.StatusBadRequest || !strings.Contains(said.Message, names) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		checkAnswer(t, r, w)
	}
	if h.changed() {
		t.Error("a record was changed")
	}
}

// A session shows its upload agent where it is asked to, in a collection too; null where it
// has none.
func TestUploadAgentsAreExpanded(t *testing.T) {
	h := newHarness(t)
	h.must(h.records.Of("").Update(t.Context(), func(tx records.Tx) error {
		one, err := tx.Sessions().Get("staged")
		if err != nil {
			return err
		}
		one.UploadAgentID = ""
		return tx.Sessions().Put(one)
	}))
	var all struct{ Value []map[string]any }
	_, w := h.call(http.MethodGet, sessionsAt+"?$expand=uploadAgent&$select=state", "", nil)
	h.must(json.Unmarshal(w.Body.Bytes(), &all))
	if len(all.Value) != 5 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, one := range append(all.Value, h.itemAt(sessionsAt+"/created?$expand=uploadAgent"), h.itemAt(sessionsAt+"/staged?$expand=uploadAgent")) {
		agent, there := one["uploadAgent"]
		want := "it's ours"
		if one["id"] == "staged" {
			want = "<nil>"
		}
		shown, _ := agent.(map[string]any)
		if got := fmt.Sprint(shown["description"]); !there || got != want {
			t.Errorf("%v shows the agent %v", one["id"], agent)
		}
	}
	if one := h.itemAt(sessionsAt + "/created?$select=*,id"); one["fileName"] != "people.csv" {
		t.Errorf("$select=* leaves %v", one)
	}
	if one := h.itemAt(sessionsAt + "/created/uploadAgent?$select=description"); one["description"] != "it's ours" || one["creationDateTime"] != nil {
		t.Errorf("$select of an upload agent leaves %v", one)
	}
}

func (h *harness) itemAt(path string) (one map[string]any) {
	h.t.Helper()
	_, w := h.call(http.MethodGet, path, "", nil)
	if err := json.Unmarshal(w.Body.Bytes(), &one); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return one
}

// The count of a page is of all pages.
func TestPagesCountTheirCollection(t *testing.T) {
	h := newHarness(t)
	path := sessionsAt + "?$count=true&$top=2&$filter=uploadAgentId%20eq%20'agent'"
	for pages := 0; path != ""; pages++ {
		if one := h.itemAt(path); one["@odata.count"] != 5.0 {
			t.Errorf("page %d counts %v", pages, one["@odata.count"])
		}
		_, path = h.pageAt(path)
	}
}

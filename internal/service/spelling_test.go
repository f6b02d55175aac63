package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// A session shows its data store under both names that Graph has had for it.
func TestASessionShowsBothSpellings(t *testing.T) {
	h := newHarness(t)
	at := base + "/exactMatchDataStores/live/sessions"
	for call, path := range map[string]string{
		"POST " + at: "", "GET " + at + "/created": "", "PATCH " + at + "/created": "", "POST " + at + "/created/renew": "", "GET " + at + "?$top=1": "value",
		"GET " + at + "/created?$select=datastoreId,dataStoreId": "",
	} {
		method, target, _ := strings.Cut(call, " ")
		_, w := h.call(method, strings.ReplaceAll(target, " ", "%20"), "", []byte(`{"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":2}`))
		var got map[string]any
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if path != "" {
			got = got[path].([]any)[0].(map[string]any)
		}
		if got["dataStoreId"] != "live" || got["datastoreId"] != "live" {
			t.Errorf("%s shows dataStoreId %v and datastoreId %v", call, got["dataStoreId"], got["datastoreId"])
		}
	}
}

// One that is sent is the path's: any other is refused under the name that was sent,
// and whether it exists or not makes no difference.
func TestAnotherDataStoreIsRefused(t *testing.T) {
	h := newHarness(t)
	at := base + "/exactMatchDataStores/live/sessions"
	for _, call := range []string{"POST " + at, "PATCH " + at + "/created"} {
		method, target, _ := strings.Cut(call, " ")
		body := func(sent string) []byte {
			return fmt.Appendf(nil, `{"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":2,%s}`, sent)
		}
		for _, sent := range []string{`"dataStoreId":"live"`, `"datastoreId":"live"`, `"datastoreId":null`, `"dataStoreId":"live","datastoreId":"live"`} {
			if _, w := h.call(method, target, "", body(sent)); w.Code >= 300 {
				t.Errorf("%s with %s: %d %s", call, sent, w.Code, w.Body)
			}
		}
		h.keep()
		answers := map[string]bool{}
		for name, sent := range map[string]string{
			`"dataStoreId":"bare"`: "dataStoreId", `"datastoreId":"bare"`: "datastoreId", `"datastoreId":"nowhere"`: "datastoreId",
			`"dataStoreId":"live","datastoreId":"bare"`: "datastoreId", `"dataStoreId":"bare","datastoreId":"live"`: "dataStoreId", `"DatastoreID":"bare"`: "DatastoreID",
			`"datastoreId":7`: "datastoreId",
		} {
			_, w := h.call(method, target, "", body(name))
			var said struct{ Error edm.ErrorBase }
			h.must(json.Unmarshal(w.Body.Bytes(), &said))
			if w.Code != http.StatusBadRequest || !strings.Contains(said.Error.Message, sent) {
				t.Errorf("%s with %s: %d %s", call, name, w.Code, w.Body)
			}
			if sent == "datastoreId" && !strings.Contains(name, "7") {
				answers[said.Error.Message] = true
			}
		}
		if len(answers) != 1 || h.changed() {
			t.Errorf("%s: %d different messages; a record changed: %t", call, len(answers), h.changed())
		}
	}
}

package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// refusedError is the error of an answer, as Graph writes it.
type refusedError struct {
	Code, Message, Target string
	InnerError            struct {
		Date            time.Time
		RequestID       string `json:"request-id"`
		ClientRequestID string `json:"client-request-id"`
	}
}

func errorIn(t *testing.T, w *httptest.ResponseRecorder) refusedError {
	t.Helper()
	var said struct{ Error refusedError }
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return said.Error
}

// An error says when it was and which call it was of, under both of its names.
func TestErrorsNameTheirCall(t *testing.T) {
	h := newHarness(t)
	for target, status := range map[string]int{"/exactMatchDataStores/absent": 404, "/exactMatchDataStores?$bogus=1": 400, "/nothing": 404, "/exactMatchDataStores/live/purge": 405} {
		_, w := h.call(http.MethodGet, base+target, "client-request-id: mine", nil)
		inner := errorIn(t, w).InnerError
		if w.Code != status || !inner.Date.Equal(fuzzNow) || inner.ClientRequestID != "mine" || inner.RequestID == "" || inner.RequestID != w.Header().Get("request-id") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		if w.Header().Get("client-request-id") != "mine" {
			t.Errorf("%s: the header has client-request-id %q", target, w.Header().Get("client-request-id"))
		}
	}
}

const (
	aStore   = `"displayName":"new"`
	aSession = `"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":2,"keyId":"` + fuzzKeyID + `"`
)

// What cannot be read of a body is named as it was sent.
func TestRefusalsNameTheProperty(t *testing.T) {
	stores, agents := "/exactMatchDataStores", "/exactMatchUploadAgents"
	for _, tc := range []struct{ call, body, target, says string }{
		{"POST " + agents, `{"description":7}`, "description", "a string"},
		{"POST " + agents, `{"Description":["x"]}`, "Description", "a string"},
		{"PATCH " + agents + "/agent", `{"desciption":"x"}`, "desciption", "description"},
		{"POST " + agents, `{"description":"a","description":"b"}`, "description", "twice"},
		{"POST " + agents, `{"description":"a","Description":"b"}`, "Description", "twice"},
		{"POST " + agents, `["x"]`, "", "an object"},
		{"POST " + agents, `"x"`, "", "an object"},
		{"POST " + stores, `{` + aStore + `,"columns":{"name":"A"}}`, "columns", "an array"},
		{"POST " + stores, `{` + aStore + `,"columns":[{"name":"A"},{"name":"B","isSearchable":"true"}]}`, "columns[1].isSearchable", "true or false"},
		{"POST " + stores, `{` + aStore + `,"columns":[{"name":"A","isSerchable":true}]}`, "columns[0].isSerchable", "isSearchable"},
		{"POST " + stores, `{` + aStore + `,"columns":[{"name":"A","ignoredDelimiters":["-",7]}]}`, "columns[0].ignoredDelimiters[1]", "a string"},
		{"POST " + stores, `{` + aStore + `,"columns":[{"name":"A"}],"owner":"me"}`, "owner", "an object"},
		{"POST " + stores, `{` + aStore + `,"columns":[{"name":"A"}],"dataLastUpdatedDateTime":"yesterday"}`, "dataLastUpdatedDateTime", "2026-01-02T03:04:05Z"},
		{"PATCH " + stores + "/bare", `{"decription":"x"}`, "decription", "description"},
		{"PATCH " + stores + "/bare", `{"sessions":[]}`, "sessions", "columns"},
		{"POST " + stores + "/live/sessions", `{` + aSession + `,"rowsPerBlock":"3"}`, "rowsPerBlock", "twice"},
		{"POST " + stores + "/live/sessions", `{"fileName":"a.csv","rowsPerBlock":4294967296}`, "rowsPerBlock", "-2147483648 to 2147483647"},
		{"POST " + stores + "/live/sessions", `{"fileName":"a.csv","totalBlockCount":1.5}`, "totalBlockCount", "a whole number"},
		{"POST " + stores + "/live/sessions", `{` + aSession + `,"salt":7}`, "salt", "a string"},
		{"POST " + stores + "/live/sessions", `{` + aSession + `,"uploadAgent":{"id":"agent"}}`, "uploadAgent", "uploadAgentId"},
		{"POST " + stores + "/live/sessions", `{` + aSession + `,"uploadAgent@odata.bind":"https://x/agent"}`, "uploadAgent@odata.bind", "uploadAgentId"},
		{"PATCH " + stores + "/live/sessions/created", `{"filename":"b.csv","fileNames":[]}`, "fileNames", "fileName"},
		{"POST " + stores + "/live/lookup", `{"key":"` + fuzzKeyID + `","value":["x"]}`, "value", "values"},
		{"POST " + stores + "/live/match", `{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":` + `"x","same":{}}]}`, "questions[0].same", "sameRow"},
		{"POST " + stores + "/live/match", `{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":"x","sameRow":{"City":"x"}}]}`, "questions[0].sameRow.City", "an array"},
		{"POST " + stores + "/live/match", `{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":"x","limit":"9"}]}`, "questions[0].limit", "a whole number"},
	} {
		t.Run(tc.call+tc.body, func(t *testing.T) {
			h := newHarness(t)
			method, path, _ := strings.Cut(tc.call, " ")
			r, w := h.call(method, base+path, "", []byte(tc.body))
			said := errorIn(t, w)
			if w.Code != http.StatusBadRequest || said.Code != edm.CodeBadRequest || said.Target != tc.target || !strings.HasPrefix(said.Message, tc.target) || !strings.Contains(said.Message, tc.says) {
				t.Errorf("%d %s %s %q", w.Code, said.Code, said.Message, said.Target)
			}
			checkAnswer(t, r, w)
			if h.changed() {
				t.Error("a record was changed")
			}
		})
	}
}

// What a caller got it may send back: control information and what it cannot change are
// ignored, as OData says.
func TestWhatWasReadMayBeSentBack(t *testing.T) {
	for _, path := range []string{"/exactMatchUploadAgents/agent", "/exactMatchDataStores/live", "/exactMatchDataStores/live/sessions/created"} {
		t.Run(path, func(t *testing.T) {
			h := newHarness(t)
			_, w := h.call(http.MethodGet, base+path, "", nil)
			sent := strings.TrimSuffix(strings.TrimSpace(w.Body.String()), "}") + `,"@odata.context":"https://x","fields@odata.type":"#Collection(String)"}`
			if _, w := h.call(http.MethodPatch, base+path, "", []byte(sent)); w.Code != http.StatusOK {
				t.Errorf("%s is answered %d %s", sent, w.Code, w.Body)
			}
			if strings.HasSuffix(path, "created") {
				return
			}
			collection, id := base+path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
			_, w = h.call(http.MethodPost, collection, "", []byte(strings.Replace(sent, `"displayName":"live"`, `"displayName":"copy"`, 1)))
			if w.Code != http.StatusCreated || strings.Contains(w.Body.String(), fmt.Sprintf(`"id":%q`, id)) {
				t.Errorf("a copy of %s is answered %d %s", sent, w.Code, w.Body)
			}
		})
	}
}

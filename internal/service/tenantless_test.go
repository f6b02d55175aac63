package service_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
)

// What is in folder-without-tenants.tar.gz: a folder of the version before there were
// tenants.
const (
	beforeAgent   = "70d88b7f-75f3-476b-adc2-87d4996422d7" // made by the request agent-1
	beforeStore   = "a6ee1631-2998-4814-a7db-f7b1397374bc" // by store-1
	beforeSession = "541ad1e7-e71d-429e-a104-8e4581e7db1f" // by session-1; its first block is staged
	beforeURI     = "/upload/" + beforeSession + "?se=2026-11-27T06%3A59%3A57.615Z&sig=M4XTqopmIMHf4Wm5ay3eNe3a8j23rQkNPUr%2FFHyzIZ0%3D&sp=rcw&sr=b&sv=2024-11-04"
)

// beforeTenants opens that folder at a time when its upload URI has not expired.
func beforeTenants(t *testing.T, dir string) *service.Service {
	t.Helper()
	s, err := service.New(service.Config{
		Dir: dir, MinFreeDisk: 1, Token: func() (string, error) { return bearer, nil },
		Now: func() time.Time { return time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC) },
	})
	testkit.Must(t, err)
	s.TakeTenants()
	s.Watch(t)
	return s
}

// asTenant sends a call of a tenant's caller, "" for the bearer of the one token.
func asTenant(s *service.Service, tenant, method, target, requestID string, body any) reply {
	text, err := json.Marshal(body)
	if err != nil {
		return reply{err: err}
	}
	r := httptest.NewRequest(method, target, bytes.NewReader(text))
	r.Header.Set("client-request-id", requestID)
	r.Header.Set("Authorization", "Bearer "+bearer)
	if tenant != "" {
		r.Header.Set("Authorization", "Bearer tenant/"+tenant)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return replyOf(w.Code, w.Header(), w.Body.Bytes())
}

const (
	graph  = "/beta/dataClassification"
	stores = graph + "/exactMatchDataStores"
	agents = graph + "/exactMatchUploadAgents"
)

// A folder from before there were tenants opens as it is, and is without one.
func TestAFolderWithoutTenantsOpens(t *testing.T) {
	dir := unpack(t, "folder-without-tenants.tar.gz")
	database := func() []byte {
		text, err := os.ReadFile(filepath.Join(dir, "service.db"))
		testkit.Must(t, err)
		return text
	}
	before := database()
	s := beforeTenants(t, dir)
	want := func(tenant, method, target, requestID string, body any, status int, id string) {
		t.Helper()
		r := asTenant(s, tenant, method, target, requestID, body)
		var got struct{ ID string }
		_ = json.Unmarshal(r.body, &got) // what is not JSON has no id
		if r.status != status || id != "" && got.ID != id {
			t.Errorf("%q %s %s: %d %s, want %d %s", tenant, method, target, r.status, r.body, status, id)
		}
	}
	sessions := stores + "/" + beforeStore + "/sessions"
	for _, read := range []string{agents + "/" + beforeAgent, stores + "/" + beforeStore, sessions + "/" + beforeSession} {
		want("", http.MethodGet, read, "", nil, http.StatusOK, filepath.Base(read))
		want("prod/hr", http.MethodGet, read, "", nil, http.StatusNotFound, "")
	}
	want("", http.MethodGet, beforeURI+"&comp=blocklist", "", nil, http.StatusOK, "")
	if !bytes.Equal(database(), before) {
		t.Error("opening and reading the folder changes its database")
	}
	var one edm.Session
	testkit.Must(t, json.Unmarshal(asTenant(s, "", http.MethodGet, sessions+"/"+beforeSession, "", nil).body, &one))
	if one.RemainingBlockCount == nil || *one.RemainingBlockCount != 1 {
		t.Errorf("the session is %+v", one)
	}
	store := edm.DataStore{DisplayName: "live", Columns: []edm.Column{{Name: "ID"}, {Name: "Mail"}, {Name: "City"}}}
	again := edm.Session{Fields: []string{"ID"}, FileName: "a.csv", RowsPerBlock: one.RowsPerBlock, TotalBlockCount: one.TotalBlockCount, KeyID: one.KeyID}
	want("", http.MethodPost, agents, "agent-1", edm.UploadAgent{}, http.StatusCreated, beforeAgent)
	want("", http.MethodPost, stores, "store-1", store, http.StatusCreated, beforeStore)
	want("", http.MethodPost, sessions, "session-1", again, http.StatusCreated, beforeSession)
	want("", http.MethodPost, stores, "store-2", store, http.StatusConflict, "")
	want("prod/hr", http.MethodPost, stores, "store-1", store, http.StatusCreated, "")
	want("prod/hr", http.MethodPost, sessions, "session-1", again, http.StatusNotFound, "")
	testkit.Must(t, s.Close())
}

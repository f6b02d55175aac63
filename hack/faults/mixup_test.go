package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"exactmatch.dev/operator/internal/edm"
)

// mixups are answers of another in the service's place: what a proxy gives that
// keeps answers, or hands them to the wrong caller.
func mixups() []disruption {
	return []disruption{
		mixup("another-sessions-answer", "the next looks at the session are answered with another cluster's session", from("create", "watch", "look"), getsSession, anothersSession),
		mixup("old-sessions-answer", "the next look at the session but one gets the first answer that there was to it", from("upload", "watch", "look"), again(getsSession), firstAnswer),
		mixup("another-stores-answer", "the next looks at the data store are answered with another store", from("prepare"), showsStore, anothersStore),
		mixup("old-stores-answer", "the next look at the data store gets the first answer since the case began", from("prepare"), again(showsStore), firstAnswer),
	}
}

func mixup(name, says string, in map[string]bool, meets func(*faultProxy, *call) bool, spoil fault) disruption {
	spoil.name = name
	return disruption{
		name: name, says: says, at: atStep, trouble: trouble{in: in, ready: keepAnswers},
		befall: func(w *testEnv) {
			armed := w.proxy.arm(spoil, meets)
			w.mu.Lock()
			w.owed = append(w.owed, armed)
			w.mu.Unlock()
		},
	}
}

// again is a look at what was answered before, so that there is an old answer to
// give. It is called with the proxy's lock held, as every matcher.
func again(looks func(*faultProxy, *call) bool) func(*faultProxy, *call) bool {
	return func(f *faultProxy, c *call) bool { return looks(f, c) && f.kept[c.URL.Path] != nil }
}

func getsSession(_ *faultProxy, c *call) bool {
	return c.Method == http.MethodGet && c.sessionID() != ""
}

// Answers of another.
var (
	anothersSession = fault{name: "anothers-session", times: 2, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.effect(c)
		f.answerWith(w, c, sessionsPath(f.env.store.Status.ID)+"/"+f.env.foreign.ID)
	}}
	anothersStore = fault{name: "anothers-store", times: 2, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.answerWith(w, c, storesPath+"/"+f.env.otherStore())
	}}
	anothersList = fault{name: "anothers-list", times: 2, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.answerWith(w, c, sessionsPath(f.env.otherStore()))
	}}
	firstAnswer = fault{name: "first-answer", times: 1, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.mu.Lock()
		kept := f.kept[c.URL.Path]
		f.mu.Unlock()
		if kept == nil {
			f.t.Errorf("there was no answer to %s before", c.URL.Path)
			kept = []byte("{}")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(kept)
	}}
)

const storesPath = "/beta/dataClassification/exactMatchDataStores"

func sessionsPath(store string) string { return storesPath + "/" + store + "/sessions" }

// answerWith answers a call with what the service says at another path.
func (f *faultProxy) answerWith(w http.ResponseWriter, c *call, path string) {
	r := httptest.NewRequestWithContext(context.WithoutCancel(c.Context()), http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", c.Header.Get("Authorization"))
	r.Host = c.Host
	reply := httptest.NewRecorder()
	f.service.ServeHTTP(reply, r)
	if reply.Code != http.StatusOK {
		f.t.Errorf("GET %s: %d %s", path, reply.Code, reply.Body)
	}
	f.deliver(w, c, reply)
}

// keepAnswers keeps the first answer to each look from now on.
func keepAnswers(w *testEnv) {
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	w.proxy.kept = map[string][]byte{}
}

// keep remembers an answer where there is none to that look yet.
func (f *faultProxy) keep(c *call, reply *httptest.ResponseRecorder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Method == http.MethodGet && reply.Code == http.StatusOK && f.kept[c.URL.Path] == nil {
		f.kept[c.URL.Path] = bytes.Clone(reply.Body.Bytes())
	}
}

// otherStore is another remote data store, with a session of another cluster in it.
func (w *testEnv) otherStore() string {
	ctx, name := context.WithoutCancel(w.ctx), w.namespace+"-other"
	stores, err := w.direct.Stores().List(ctx, edm.Query{Filter: fmt.Sprintf("displayName eq '%s'", name)})
	if err != nil || len(stores) == 1 {
		return idOr(stores, err, w)
	}
	made, err := w.direct.Stores().Create(ctx, edm.DataStore{
		DisplayName: name, Columns: edm.WithRules(remoteColumns()), Owner: &edm.Owner{Cluster: "another", Namespace: "their", Name: "store"},
	}, url.QueryEscape(name))
	if err != nil {
		w.t.Errorf("make another store: %v", err)
		return ""
	}
	w.t.Cleanup(func() { _ = w.direct.Stores().Delete(ctx, made.ID) })
	session := edm.Session{
		UploadAgentID: w.foreign.UploadAgentID, Fields: w.foreign.Fields, FileName: w.foreign.FileName, RowsPerBlock: w.foreign.RowsPerBlock,
		TotalBlockCount: w.foreign.TotalBlockCount, KeyID: w.foreign.KeyID, ContentKey: w.foreign.ContentKey, Checksum: w.foreign.Checksum,
	}
	if _, err := w.direct.Sessions().Create(ctx, made.ID, session, name); err != nil {
		w.t.Errorf("open a session of another store: %v", err)
	}
	return made.ID
}

func idOr(stores []edm.DataStore, err error, w *testEnv) string {
	if err != nil {
		w.t.Errorf("list the stores: %v", err)
		return ""
	}
	return stores[0].ID
}

func remoteColumns() []edm.Column {
	out := make([]edm.Column, 0, len(columns))
	for _, c := range columns {
		out = append(out, edm.Column{Name: c.Name, IsSearchable: c.IsSearchable, IsCaseInsensitive: c.IsCaseInsensitive})
	}
	return out
}

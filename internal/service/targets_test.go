package service

import (
	"encoding/json"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// A refusal for a property names it in its target as it was sent, and begins with it.
func TestRefusalsNameTheirProperty(t *testing.T) {
	h := newHarness(t)
	const stores, store, sessions, agents = "POST /exactMatchDataStores", "PATCH /exactMatchDataStores/bare", "POST /exactMatchDataStores/live/sessions", "POST /exactMatchUploadAgents"
	session := func(change string) string {
		return `{"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":2,"fields":["ID"],"keyId":"` + fuzzKeyID + `"}` + change
	}
	for _, one := range []struct{ call, body, target string }{
		{agents, `{"description":"` + strings.Repeat("x", maxDescription+1) + `"}`, "description"},
		{stores, `{"displayName":"","columns":[{"name":"ID"}]}`, "displayName"},
		{stores, `{"displayName":"x","columns":[]}`, "columns"},
		{stores, `{"displayName":"x","columns":[{"name":"ID"},{"name":"ID"}]}`, "columns[1].name"},
		{stores, `{"displayName":"x","columns":[{"name":"ID","ignoredDelimiters":["-","ab"]}]}`, "columns[0].ignoredDelimiters[1]"},
		{stores, `{"displayName":"x","columns":[{"name":"ID","rulesId":"v2"}]}`, "columns[0].rulesId"},
		{stores, `{"displayName":"x","columns":[{"name":"ID"}],"owner":{"cluster":"c"}}`, "owner"},
		{stores, `{"displayName":"live","columns":[{"name":"ID"}]}`, "displayName"},
		{store, `{"displayName":"other"}`, "displayName"},
		{store, `{"columns":null}`, "columns"},
		{sessions, session(`"rowsPerBlock":0`), "rowsPerBlock"},
		{sessions, session(`"totalBlockCount":50001`), "totalBlockCount"},
		{sessions, session(`"fileName":"a/b"`), "fileName"},
		{sessions, session(`"checksum":"md5:1"`), "checksum"},
		{sessions, session(`"contentKey":"1"`), "contentKey"},
		{sessions, session(`"rowsPerBlock":1000000,"totalBlockCount":50000`), "totalBlockCount"},
		{sessions, session(`"fields":[]`), "fields"},
		{sessions, session(`"fields":["ID","Phone"]`), "fields[1]"},
		{sessions, session(`"fields":null,"columns":[{"name":"Phone"}]`), "columns[0]"},
		{sessions, session(`"columns":[{"name":"Mail"}]`), "columns"},
		{sessions, session(`"keyId":"x"`), "keyId"},
		{sessions, session(`"uploadAgentId":"nobody"`), "uploadAgentId"},
		{sessions, session(`"datastoreId":"bare"`), "datastoreId"},
	} {
		method, path, _ := strings.Cut(one.call, " ")
		_, w := h.call(method, base+path, "", mergedBody(t, one.body))
		var said struct{ Error edm.ODataError }
		h.must(json.Unmarshal(w.Body.Bytes(), &said))
		begins := strings.HasPrefix(said.Error.Message, one.target+" ") || strings.HasPrefix(said.Error.Message, one.target+":")
		if w.Code < 400 || w.Code >= 500 || said.Error.Target != one.target || !begins {
			t.Errorf("%s %s: %d, target %q: %s", one.call, one.body, w.Code, said.Error.Target, said.Error.Message)
		}
	}
}

// mergedBody is an object with the properties that stand behind it in place of its own.
func mergedBody(t *testing.T, text string) []byte {
	t.Helper()
	object, change, has := strings.Cut(text, "}\"")
	if !has {
		return []byte(text)
	}
	all := map[string]json.RawMessage{}
	for _, one := range []string{object + "}", `{"` + change + `}`} {
		if err := json.Unmarshal([]byte(one), &all); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

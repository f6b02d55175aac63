package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// graphBody is a create as Graph's documentation has it, with every property that its
// exactMatchSession has but the nulls.
const graphBody = `{"@odata.type":"#microsoft.graph.exactMatchSession","fileName":"a.csv","checksum":"","salt":%q,
"rowsPerBlock":5,"totalBlockCount":3,"remainingBlockCount":3,"totalJobCount":1,"remainingJobCount":1,"state":"","dataUploadURI":"","fields":["ID","Mail","City"]}`

// createOf makes the session of an upload with a body of its own.
func (l *lifecycle) createOf(u *upload, body string) edm.Session {
	l.Helper()
	r := l.send(http.MethodPost, "/beta/dataClassification/exactMatchDataStores/"+l.store+"/sessions", []byte(body))
	l.wants("create", r, http.StatusCreated, "")
	var made edm.Session
	testkit.Must(l.T, json.Unmarshal(r.body, &made))
	l.uploads = append(l.uploads, u)
	u.id, u.uri, u.staged = made.ID, made.DataUploadURI, make([]bool, len(u.blocks))
	return made
}

// What a session learned at its seal survives a crash, and the salt of Graph's create,
// which could tell the key, is kept nowhere.
func TestGraphsCreateGoesLive(t *testing.T) {
	l := begun(t)
	const salt = "the-salt-that-nobody-keeps"
	u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	made := l.createOf(u, fmt.Sprintf(graphBody, salt))
	if made.State != edm.StateCreated || made.KeyID != "" || len(made.Columns) > 0 || *made.RemainingBlockCount != 3 {
		t.Fatalf("made %s", toJSON(made))
	}
	for n := range u.blocks {
		l.stage(u, n)
	}
	l.again(func() {})
	l.seal(u)
	l.again(func() {})
	got, err := l.get(u)
	testkit.Must(t, err)
	if got.KeyID != modelKey.String() || len(got.Columns) != 3 || got.State != edm.StateUploadCompleted {
		t.Fatalf("sealed %s", toJSON(got))
	}
	l.commit(u)
	l.index(u)
	if strings.Contains(l.log.String(), salt) {
		t.Error("the log has the salt")
	}
	text, err := os.ReadFile(filepath.Join(l.dir, "service.db"))
	testkit.Must(t, err)
	if strings.Contains(string(text), salt) {
		t.Error("the database has the salt")
	}
}

// A damaged block is not believed at a seal: it leaves the list, and is staged again.
func TestASealBelievesNoDamagedBlock(t *testing.T) {
	l := begun(t)
	u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.createOf(u, fmt.Sprintf(graphBody, ""))
	for n := range u.blocks {
		l.stage(u, n)
	}
	for n := range 2 { // the first, which the others are compared with, and another
		l.damageHeader(u, n)
		l.wants("seal", l.sealAs(u, u.ids...), http.StatusBadRequest, "InvalidBlockList")
		if l.blocks(u)[u.ids[n]] {
			t.Fatalf("the damaged block %d is still listed", n)
		}
		l.stage(u, n)
	}
	testkit.Must(t, os.Remove(l.blockFile(u, 2)))
	l.wants("seal", l.sealAs(u, u.ids...), http.StatusBadRequest, "InvalidBlockList")
	l.stage(u, 2)
	l.seal(u)
	l.commit(u)
	l.index(u)
}

// damageHeader changes a byte of the key id in a block's file.
func (l *lifecycle) damageHeader(u *upload, n int) {
	l.Helper()
	text, err := os.ReadFile(l.blockFile(u, n))
	testkit.Must(l.T, err)
	text[9] ^= 1 // behind the magic and the rules
	testkit.Must(l.T, os.WriteFile(l.blockFile(u, n), text, 0o600))
}

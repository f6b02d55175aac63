package service_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

var faultStride = flag.Int("fault.stride", 31, "the stride between the operations that are tried with each fault; 1 tries all")

// searchCity has the column City searchable in place of Mail, in the live table too.
func (l *lifecycle) searchCity(u *upload) {
	l.Helper()
	columns := []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail"}, {Name: "City", IsSearchable: true}}
	l.step("change what is searchable", func() error {
		return l.call(l.api(http.MethodPatch, "/"+l.store, map[string]any{"columns": columns}), http.StatusOK)
	})
	question := questionOf("City", modelToken(u.name, "City", 7))
	l.step("index again", func() error {
		_ = l.service.Work(l.Context()) // what failed is done again
		r := l.api(http.MethodPost, "/"+l.store+"/match", question)
		if r.status == http.StatusUnprocessableEntity {
			return errors.Join(errors.New("not yet"), l.lookups())
		}
		if err := l.call(r, http.StatusOK); err != nil {
			return err
		}
		var got edm.MatchResponse
		testkit.Must(l.T, json.Unmarshal(r.body, &got))
		if one := got.Answers[0]; got.SessionID != u.id || one.Total != 1 || one.Rows[0].Row != 7 {
			l.Fatalf("%s: row 7 is answered by %s", l.faulty.what, r.body)
		}
		return l.lookups()
	})
}

// rollsBack makes the table of an upload live again, in place of another's.
func (l *lifecycle) rollsBack(to, from *upload) {
	l.Helper()
	before := l.liveNow().Generation
	to.completed, from.completed = to.completed && from.completed, false // either may be live from here on
	l.step("roll back", func() error {
		r := l.as(edm.LiveTag(before), "/"+l.store+"/rollback")
		if r.status == http.StatusPreconditionFailed && l.liveNow().SessionID == to.id {
			return nil // it was done, and the answer was lost
		}
		return l.call(r, http.StatusOK)
	})
	to.completed = true
	_ = l.service.Work(l.Context()) // what is searchable may be another
	l.step("look up", l.lookups)
}

// as sends a POST with a tag.
func (l *lifecycle) as(tag, path string) reply {
	r := httptest.NewRequest(http.MethodPost, "/beta/dataClassification/exactMatchDataStores"+path, nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("If-Match", tag)
	w := httptest.NewRecorder()
	l.service.ServeHTTP(w, r)
	return replyOf(w.Code, w.Header(), w.Body.Bytes())
}

// purge removes the table before the live one.
func (l *lifecycle) purge() {
	l.Helper()
	l.step("purge", func() error {
		return l.call(l.api(http.MethodPost, "/"+l.store+"/purge", nil), http.StatusNoContent)
	})
}

// live goes through the whole lifecycle and returns how many operations it took.
func (l *lifecycle) live() int {
	l.Helper()
	defer l.stop()
	l.step("start", l.start)
	l.step("create the store", func() error {
		r := l.api(http.MethodPost, "", edm.DataStore{DisplayName: people, Columns: []edm.Column{
			{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"},
		}})
		var made edm.DataStore
		testkit.Must(l.T, json.Unmarshal(r.body, &made))
		l.store, l.names = made.ID, map[string]string{made.ID: people}
		return l.call(r, http.StatusCreated)
	})
	old := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.open(old)
	l.commit(old)
	l.index(old)
	young := &upload{edition: newEdition(l.names[l.store], 9, 5, modelKey)}
	l.open(young)
	l.commit(young)
	l.index(young)

	l.searchCity(young)

	cut := &upload{edition: newEdition(l.names[l.store], 5, 5, modelKey)}
	l.open(cut)
	l.step("cancel", func() error {
		return l.call(l.api(http.MethodPost, "/"+l.store+"/sessions/"+cut.id+"/cancel", nil), http.StatusNoContent)
	})
	cut.ended = edm.StateCancelled
	gone := &upload{edition: newEdition(l.names[l.store], 5, 5, modelKey)}
	l.open(gone)
	l.delete(gone)
	late := &upload{edition: newEdition(l.names[l.store], 10, 5, modelKey)}
	l.open(late)
	l.restart("start with an open session")
	l.commit(late)
	l.restart("start with a committed session")
	l.index(late)
	l.rollsBack(young, late)
	l.rollsBack(late, young)
	l.purge()
	l.delete(old)
	l.delete(late)
	l.step("look up", l.lookups)
	l.deleted = true // or about to be
	l.step("delete the store", func() error {
		return l.call(l.api(http.MethodDelete, "/"+l.store, nil), http.StatusNoContent, http.StatusNotFound)
	})
	l.stop()
	l.step("start with nothing", l.start)
	for _, kind := range []string{"blocks", "tables"} {
		left, err := os.ReadDir(filepath.Join(l.dir, kind))
		if err != nil || len(left) > 0 {
			l.Fatalf("%s: %s of nobody are left: %v (%v)", l.faulty.what, kind, left, err)
		}
	}
	return l.faulty.count
}

// inMemory is a folder that syncs at once, where the machine has one.
func inMemory(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	if probe, err := os.MkdirTemp(memory, "probe-"); err == nil {
		testkit.Must(t, os.Remove(probe))
		return memory
	}
	return t.TempDir()
}

func liveWith(t *testing.T, kind fault, at int) *lifecycle {
	t.Helper()
	dir, err := os.MkdirTemp(inMemory(t), "service-faults-")
	testkit.Must(t, err)
	defer func() { testkit.Must(t, os.RemoveAll(dir)) }()
	faulty := newFaultyFiles(filepath.Join(dir, "now"), filepath.Join(dir, "kept"), kind, at)
	l := &lifecycle{T: t, commits: 10, keeps: time.Hour, dir: faulty.root, files: faulty, faulty: faulty}
	l.live()
	if l.faulty.crashed && !l.reborn { // by its last operation
		l.rebirth()
		l.stop()
	}
	return l
}

// Whatever fails, before or after it is done, at whichever operation of the file
// system: what was acknowledged stays, lookups are right, and all goes on once
// the fault has passed. -fault.stride=1 tries every operation.
func TestEveryFaultAtEveryFileOperation(t *testing.T) {
	whole := liveWith(t, none, 0).faulty.count
	if whole < 200 {
		t.Fatalf("a lifecycle takes only %d operations", whole)
	}
	tried := 0
	for i, kind := range []fault{failsBefore, failsAfter, fullFrom, tornWrite, powerLoss} {
		t.Run(faultNames[kind], func(t *testing.T) {
			for at := 1 + i*3; at <= whole; at += *faultStride {
				l := liveWith(t, kind, at)
				if l.faulty.what == "" && l.faulty.count < at {
					break // ids are drawn, so a lifecycle may take an operation less than another
				}
				if l.faulty.what == "" {
					t.Fatalf("operation %d was not spoilt", at)
				}
				if (kind == tornWrite || kind == powerLoss) != l.reborn {
					t.Fatalf("%s: crashed: %v", l.faulty.what, l.reborn)
				}
				tried++
			}
		})
	}
	if tried < whole / *faultStride {
		t.Errorf("%d faults were tried in lives of %d operations", tried, whole)
	}
	t.Logf("%d operations of a lifecycle, %d faults tried", whole, tried)
}

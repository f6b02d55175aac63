package service

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
)

// Every promise of API.md names tests that hold it, and each of them is there.
func TestEveryPromiseIsHeld(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(apiPage(t), "## What each call promises\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| ([A-Z][^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(section, -1)
	if len(rows) < 15 {
		t.Fatalf("the section has %d promises", len(rows))
	}
	for _, row := range rows {
		held := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[2], -1)
		if len(held) == 0 {
			t.Errorf("no test holds %q", row[1])
		}
		for _, one := range held {
			if !tests[one[1]] {
				t.Errorf("%q is held by %s, which is no test", row[1], one[1])
			}
		}
	}
}

// wants sends a call and returns its answer.
func (s *shared) wants(status int, r *http.Request) []byte {
	s.t.Helper()
	w := s.answer(r)
	if w.Code != status {
		s.t.Fatalf("%s %s: %d %s, want %d", r.Method, r.URL.Path, w.Code, w.Body, status)
	}
	return w.Body.Bytes()
}

// What may be repeated has the same effect, which is seen in the records; what must not be is
// refused under its tag.
func TestCallsThatAreRepeated(t *testing.T) {
	s := newShared(t, Config{RollbackRetention: 1 << 40})
	const tenant = "prod/hr"
	h := s.have[tenant]
	store := "/exactMatchDataStores/" + h.store
	session := store + "/sessions/" + h.open
	of := func(method, path, body string) *http.Request { return s.request(tenant, method, path, body) }
	var made edm.Session
	if err := json.Unmarshal(s.wants(http.StatusCreated, of(http.MethodPost, store+"/sessions", sessionBody(h.agent))), &made); err != nil || made.ID != h.open {
		t.Errorf("a create that is repeated makes %q (%v), want %q", made.ID, err, h.open)
	}
	id := block.ID(0, block.Sum(s.data[0]))
	for _, twice := range []struct {
		name        string
		first, then int
		send        func() (int, string)
	}{
		{"PATCH", http.StatusOK, http.StatusOK, func() (int, string) {
			w := s.as(tenant, http.MethodPatch, session, `{"fileName":"other.csv"}`)
			return w.Code, w.Body.String()
		}},
		{"renew", http.StatusOK, http.StatusOK, func() (int, string) {
			w := s.as(tenant, http.MethodPost, session+"/renew", "")
			return w.Code, w.Body.String()
		}},
		{"stage", http.StatusCreated, http.StatusCreated, func() (int, string) {
			w := s.upload(http.MethodPut, blockOf(h.uri, id), s.data[0])
			return w.Code, w.Body.String()
		}},
		{"cancel", http.StatusNoContent, http.StatusNoContent, func() (int, string) {
			w := s.as(tenant, http.MethodPost, session+"/cancel", "")
			return w.Code, w.Body.String()
		}},
		{"commit", http.StatusNoContent, http.StatusNoContent, func() (int, string) {
			w := s.as(tenant, http.MethodPost, store+"/sessions/"+h.sealed+"/commit", "")
			return w.Code, w.Body.String()
		}},
	} {
		if status, text := twice.send(); status != twice.first {
			t.Fatalf("%s: %d %s", twice.name, status, text)
		}
		was := s.effect(tenant)
		status, text := twice.send()
		if now := s.effect(tenant); status != twice.then || now != was {
			t.Errorf("%s again: %d %s, and what was\n%s\nis\n%s", twice.name, status, text, was, now)
		}
	}
	if status, text := s.stageOne(tenant); status != http.StatusConflict {
		t.Errorf("an upload URI of a cancelled session: %d %s", status, text)
	}
	for len(s.jobs) > 0 {
		s.must(s.do(t.Context(), <-s.jobs))
	}
	tagged := func() *http.Request {
		r := of(http.MethodPost, store+"/rollback", "")
		r.Header.Set("If-Match", edm.LiveTag(2))
		return r
	}
	s.wants(http.StatusOK, tagged())
	s.wants(http.StatusPreconditionFailed, tagged())
	s.wants(http.StatusOK, of(http.MethodPost, store+"/rollback", ""))
	var now edm.DataStore
	if err := json.Unmarshal(s.wants(http.StatusOK, of(http.MethodGet, store, "")), &now); err != nil || now.Live.SessionID != h.sealed || now.Live.Generation != 4 {
		t.Errorf("after two rollbacks %+v is live (%v)", now.Live, err)
	}
	s.wants(http.StatusNoContent, of(http.MethodPost, store+"/purge", ""))
	s.wants(http.StatusNoContent, of(http.MethodPost, store+"/purge", ""))
	for _, path := range []string{session, store, "/exactMatchUploadAgents/" + h.agent} {
		s.wants(http.StatusNoContent, of(http.MethodDelete, path, ""))
		s.wants(http.StatusNotFound, of(http.MethodDelete, path, ""))
	}
}

// effect is what a tenant has, but for times.
func (s *shared) effect(tenant string) string {
	return regexp.MustCompile(`"(lease|lastUpdatedDateTime)":"[^"]*"`).ReplaceAllString(s.state(tenant), "")
}

// While one table and another are made live again in turn, each match is answered, whole,
// by the table of the generation that it names, and generations only grow.
func TestMatchesDuringRollbacks(t *testing.T) {
	s := newShared(t, Config{RollbackRetention: 1 << 40})
	const tenant, rollbacks = "prod/hr", 60
	h := s.have[tenant]
	store := "/exactMatchDataStores/" + h.store
	s.wants(http.StatusNoContent, s.request(tenant, http.MethodPost, store+"/sessions/"+h.sealed+"/commit", ""))
	for len(s.jobs) > 0 {
		s.must(s.do(t.Context(), <-s.jobs))
	}
	sessions := []string{h.sealed, h.live} // of the generations 2, 3 and so on
	over := make(chan struct{})
	var asking sync.WaitGroup
	asked := make([]int, 3)
	for n := range asked {
		asking.Go(func() {
			last := int64(0)
			for {
				select {
				case <-over:
					return
				default:
				}
				w := s.as(tenant, http.MethodPost, store+"/match", match)
				var got edm.MatchResponse
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Answers) != 1 || got.Answers[0].Total != 2 {
					t.Errorf("a match is answered %d %s", w.Code, w.Body)
					return
				}
				if got.Generation < last || got.SessionID != sessions[got.Generation%2] {
					t.Errorf("generation %d after %d is of session %s", got.Generation, last, got.SessionID)
					return
				}
				last = got.Generation
				asked[n]++
			}
		})
	}
	for range rollbacks {
		s.wants(http.StatusOK, s.request(tenant, http.MethodPost, store+"/rollback", ""))
	}
	close(over)
	asking.Wait()
	if total := asked[0] + asked[1] + asked[2]; total < rollbacks/4 {
		t.Errorf("only %d matches were answered meanwhile", total)
	} else {
		t.Log(fmt.Sprint(total, " matches during ", rollbacks, " rollbacks"))
	}
}

package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// conditional are the calls that change a resource under a condition: what they send, and
// what is changed by them.
var conditional = []struct{ call, body, at string }{
	{"PATCH " + agentsAt + "/agent", `{"description":"mine"}`, agentsAt + "/agent"},
	{"DELETE " + agentsAt + "/other", "", agentsAt + "/other"},
	{"PATCH " + storesAt + "/bare", `{"description":"mine"}`, storesAt + "/bare"},
	{"DELETE " + storesAt + "/live", "", storesAt + "/live"},
	{"PATCH " + sessionsAt + "/created", `{"fileName":"mine.csv"}`, sessionsAt + "/created"},
	{"DELETE " + sessionsAt + "/created", "", sessionsAt + "/created"},
	{"POST " + sessionsAt + "/created/cancel", "", sessionsAt + "/created"},
	{"POST " + sessionsAt + "/sealed/commit", "", sessionsAt + "/sealed"},
	{"POST " + sessionsAt + "/staged/renew", "", sessionsAt + "/staged"},
}

// withEtags is a harness with an upload agent that nothing uses.
func withEtags(t *testing.T) *harness {
	h := newHarness(t)
	h.must(h.records.Of("").Update(t.Context(), func(tx records.Tx) error { return tx.Agents().Put(&edm.UploadAgent{ID: "other"}) }))
	h.keep()
	return h
}

// etagAt is the ETag of a resource, which its header and its body have.
func (h *harness) etagAt(path string) string {
	h.t.Helper()
	_, w := h.call(http.MethodGet, path, "", nil)
	return h.etagOf(w.Header(), w.Body.Bytes())
}

func (h *harness) etagOf(header http.Header, body []byte) string {
	h.t.Helper()
	var one map[string]any
	h.must(json.Unmarshal(body, &one))
	tag := header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || one["@odata.etag"] != tag {
		h.t.Fatalf("the header has the ETag %q, and the body is %s", tag, body)
	}
	return tag
}

// otherWriter changes what a call is about once more.
func otherWriter(tx records.Tx, at string) error {
	id := at[strings.LastIndex(at, "/")+1:]
	switch {
	case strings.HasPrefix(at, agentsAt):
		return tx.Agents().Put(&edm.UploadAgent{ID: id, Description: "theirs"})
	case strings.Contains(at, "sessions"):
		one, err := tx.Sessions().Get(id)
		if err != nil {
			return err
		}
		one.FileName = "theirs.csv"
		return tx.Sessions().Put(one)
	}
	one, err := tx.DataStores().Get(id)
	if err != nil {
		return err
	}
	one.Description = "theirs"
	return tx.DataStores().Put(one)
}

// interposed lets another writer have its way just before a change.
type interposed struct {
	records.Store
	before func()
}

type interposedRecords struct {
	records.Records
	of *interposed
}

func (i *interposed) Of(tenant string) records.Records {
	return interposedRecords{i.Store.Of(tenant), i}
}

func (i interposedRecords) Update(ctx context.Context, f func(records.Tx) error) error {
	if before := i.of.before; before != nil {
		i.of.before = nil
		before()
	}
	return i.Records.Update(ctx, f)
}

// A change under an ETag that is no longer the resource's is 412, also where another
// writer comes between the call and its transaction.
func TestStaleChangesAreRefused(t *testing.T) {
	for _, c := range conditional {
		t.Run(c.call, func(t *testing.T) {
			h := withEtags(t)
			tag := h.etagAt(c.at)
			inner := h.records
			h.records = &interposed{inner, func() {
				h.must(inner.Of("").Update(t.Context(), func(tx records.Tx) error { return otherWriter(tx, c.at) }))
			}}
			method, path, _ := strings.Cut(c.call, " ")
			_, w := h.call(method, path, "If-Match: "+tag, []byte(c.body))
			h.records = inner
			if said := errorIn(t, w); w.Code != http.StatusPreconditionFailed || said.Code != edm.CodePreconditionFailed {
				t.Fatalf("it is answered %d %s", w.Code, w.Body)
			}
			now := h.etagAt(c.at)
			var want string
			h.restoreRecords()
			h.must(h.records.Of("").Update(t.Context(), func(tx records.Tx) error { return otherWriter(tx, c.at) }))
			if want = h.etagAt(c.at); now != want || now == tag {
				t.Errorf("it has the ETag %s then, want %s; before it had %s", now, want, tag)
			}
		})
	}
}

// Conditions that hold let the call pass, those that do not change nothing.
func TestConditions(t *testing.T) {
	for _, c := range conditional {
		t.Run(c.call, func(t *testing.T) {
			h := withEtags(t)
			method, path, _ := strings.Cut(c.call, " ")
			tag := h.etagAt(c.at)
			strong := strings.TrimPrefix(tag, "W/")
			for _, header := range []string{`If-Match: W/"x"`, `If-Match: "x", "y"`, "If-None-Match: *", "If-None-Match: " + tag, `If-None-Match: "x", ` + strong} {
				_, w := h.call(method, path, header, []byte(c.body))
				if w.Code != http.StatusPreconditionFailed || h.changed() {
					t.Errorf("%s: %d %s; a record changed: %t", header, w.Code, w.Body, h.changed())
				}
				h.restore()
			}
			for _, header := range []string{"If-Match: x", `If-Match: "x`, `If-Match: `, `If-Match: "x" "y"`, `If-Match: *, "x"`, "If-None-Match: W/", `If-Match: w/"x"`} {
				_, w := h.call(method, path, header, []byte(c.body))
				if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Match") || h.changed() {
					t.Errorf("%s: %d %s; a record changed: %t", header, w.Code, w.Body, h.changed())
				}
				h.restore()
			}
			for _, header := range []string{"", "If-Match: *", "If-Match: " + tag, "If-Match: " + strong, `If-Match: "x",` + tag, `If-None-Match: "x"`} {
				h := withEtags(t)
				_, w := h.call(method, path, header, []byte(c.body))
				if w.Code/100 != 2 || !h.changed() {
					t.Errorf("%s: %d %s; a record changed: %t", header, w.Code, w.Body, h.changed())
				}
				if w.Code == http.StatusOK && h.etagOf(w.Header(), w.Body.Bytes()) != h.etagAt(c.at) {
					t.Errorf("it answers %s, which has not the ETag of a GET", w.Body)
				}
			}
		})
	}
}

// Of many who change one thing that they have read, one succeeds.
func TestOfWritersOneSucceeds(t *testing.T) {
	h := newHarness(t)
	h.config.Log = nil
	h.config = h.config.withDefaults()
	for range 5 {
		tag := h.etagAt(agentsAt + "/agent")
		var all sync.WaitGroup
		codes := make([]int, 8)
		for n := range codes {
			all.Go(func() {
				_, w := h.call(http.MethodPatch, agentsAt+"/agent", "If-Match: "+tag, fmt.Appendf(nil, `{"description":"of %d after %s"}`, n, tag[3:9]))
				codes[n] = w.Code
			})
		}
		all.Wait()
		won := -1
		for n, code := range codes {
			switch code {
			case http.StatusOK:
				if won >= 0 {
					t.Errorf("%d and %d succeeded", won, n)
				}
				won = n
			case http.StatusPreconditionFailed:
			default:
				t.Errorf("%d is answered %d", n, code)
			}
		}
		if got := h.descriptionOf("agent"); won < 0 || !strings.HasPrefix(got, fmt.Sprintf("of %d ", won)) {
			t.Errorf("%d succeeded, and %q is kept", won, got)
		}
	}
}

// A GET of what its caller has is 304, without a body; under If-Match it is 412 where it
// has changed.
func TestConditionalReads(t *testing.T) {
	for _, path := range []string{agentsAt + "/agent", storesAt + "/live", sessionsAt + "/created", sessionsAt + "/created/uploadAgent"} {
		h := newHarness(t)
		tag := h.etagAt(path)
		for header, want := range map[string]int{
			"If-None-Match: " + tag: 304, "If-None-Match: *": 304, `If-None-Match: "x", ` + tag: 304, `If-None-Match: "x"`: 200, "If-Match: " + tag: 200, "If-Match: *": 200, `If-Match: "x"`: 412, "If-Match: x": 400,
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				_, w := h.call(method, path, header, nil)
				if w.Code != want || want == 304 && (w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("request-id") == "" || w.Header().Get("Content-Type") != "") {
					t.Errorf("%s %s under %s: %d %v %s", method, path, header, w.Code, w.Header(), w.Body)
				}
			}
		}
	}
	h := newHarness(t)
	_, w := h.call(http.MethodGet, sessionsAt+"/created?$expand=uploadAgent", "If-None-Match: *", nil)
	if w.Code != http.StatusOK || w.Header().Get("ETag") != "" { // the upload agent may have changed
		t.Errorf("with its upload agent it is answered %d, ETag %q", w.Code, w.Header().Get("ETag"))
	}
}

// What callers see of a session or a data store has another ETag once it is different.
func TestAnETagIsOfWhatIsShown(t *testing.T) {
	h := newHarness(t)
	before := map[string]string{}
	see := func(what string, differ ...string) {
		t.Helper()
		for _, path := range []string{sessionsAt + "/created", storesAt + "/live"} {
			tag := h.etagAt(path)
			if changed := tag != before[path]; changed != (fmt.Sprint(differ) != "[]" && strings.HasSuffix(path, differ[0])) && before[path] != "" {
				t.Errorf("after %s the ETag of %s is another: %t", what, path, changed)
			}
			before[path] = tag
		}
	}
	see("nothing")
	see("nothing")
	h.stage("created", 1)
	see("a block", "created")
	h.stage("created", 2)
	see("the seal", "created")
	for _, list := range []string{sessionsAt, storesAt} {
		for _, one := range h.itemAt(list)["value"].([]any) {
			one := one.(map[string]any)
			if at := list + "/" + fmt.Sprint(one["id"]); one["@odata.etag"] != h.etagAt(at) {
				t.Errorf("in its collection %s has the ETag %v", at, one["@odata.etag"])
			}
		}
	}
	if one := h.itemAt(sessionsAt + "/created?$select=state"); one["@odata.etag"] != before[sessionsAt+"/created"] {
		t.Errorf("$select changes the ETag to %v", one["@odata.etag"])
	}
}

// Calls that judge no ETag refuse to be sent one.
func TestConditionsThatNobodyJudges(t *testing.T) {
	h := newHarness(t)
	for _, call := range []string{
		"GET " + agentsAt, "GET " + storesAt + "/$count", "POST " + agentsAt, "POST " + storesAt, "POST " + sessionsAt, "POST " + storesAt + "/live/lookup", "POST " + storesAt + "/live/match", "POST " + storesAt + "/live/purge",
	} {
		method, path, _ := strings.Cut(call, " ")
		for _, header := range []string{`If-Match: "x"`, "If-Match: *", `If-None-Match: *`} {
			_, w := h.call(method, path, header, []byte("{}"))
			if read := method == http.MethodGet && strings.HasPrefix(header, "If-None"); w.Code != map[bool]int{true: 200, false: 400}[read] || h.changed() {
				t.Errorf("%s with %s: %d %s", call, header, w.Code, w.Body)
			}
		}
	}
	for header, want := range map[string]int{`If-Match: "x"`: 400, "If-Match: *": 400, `If-None-Match: *`: 400, `If-Match: "live-0"`: 412} {
		if _, w := h.call(http.MethodPost, storesAt+"/live/rollback", header, nil); w.Code != want && w.Code != http.StatusUnprocessableEntity || header != `If-Match: "live-0"` && w.Code != 400 {
			t.Errorf("a rollback with %s: %d %s", header, w.Code, w.Body)
		}
	}
	for header, want := range map[string]int{`If-Match: "live-0"`: 412, `If-Match: "live-1", "x"`: 400, `If-Match: "x", "live-1"`: 400, `If-Match: "live-x"`: 400} {
		if _, w := h.call(http.MethodPost, sessionsAt+"/sealed/commit", header, nil); w.Code != want || h.changed() {
			t.Errorf("a commit with %s: %d %s", header, w.Code, w.Body)
		}
	}
}

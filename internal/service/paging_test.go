package service

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// pageAt is a page of a collection, and where the next one is, "" for none.
func (h *harness) pageAt(path string) (ids []string, next string) {
	h.t.Helper()
	_, w := h.call(http.MethodGet, path, "", nil)
	var got struct {
		Value []struct{ ID string }
		Next  string `json:"@odata.nextLink"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	for _, one := range got.Value {
		ids = append(ids, one.ID)
	}
	return ids, strings.TrimPrefix(got.Next, "http://service")
}

// What is there from the first page to the last comes once, whatever is made and deleted
// between the pages; and nothing comes twice.
func TestPagesAreStableUnderChanges(t *testing.T) {
	h := newHarness(t)
	rapid.Check(t, func(t *rapid.T) {
		defer h.restoreRecords()
		model := map[string]bool{"agent": true} // whether it is there since the first page
		made := 0
		change := func(f func(records.Tx) error) { h.must(h.records.Of("").Update(h.t.Context(), f)) }
		insert := func() {
			made++
			id := fmt.Sprintf("%s-%d", rapid.SampledFrom([]string{"a", "b", "z"}).Draw(t, "id"), made)
			at := fuzzNow.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "time")) * time.Second)
			one := &edm.UploadAgent{ID: id, Description: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "description"), CreationDateTime: &at}
			model[id] = false
			change(func(tx records.Tx) error { return tx.Agents().Put(one) })
		}
		for range rapid.IntRange(0, 12).Draw(t, "before") {
			insert()
		}
		for id := range model {
			model[id] = true
		}
		path := base + "/exactMatchUploadAgents?" + url.Values{
			"$top":     {fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "top"))},
			"$orderby": {rapid.SampledFrom([]string{"id", "id desc", "creationDateTime", "creationDateTime desc", "description", "description desc"}).Draw(t, "order")},
		}.Encode()
		seen := map[string]int{}
		for pages := 0; path != ""; pages++ {
			ids, next := h.pageAt(path)
			for _, id := range ids {
				seen[id]++
			}
			path = next
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				if rapid.Bool().Draw(t, "insert") && pages < 20 {
					insert()
					continue
				}
				if len(model) > 0 {
					id := rapid.SampledFrom(slices.Sorted(maps.Keys(model))).Draw(t, "deleted")
					delete(model, id)
					change(func(tx records.Tx) error { return tx.Agents().Delete(id) })
				}
			}
		}
		for id, times := range seen {
			if times > 1 {
				t.Errorf("%q comes %d times", id, times)
			}
		}
		for id, throughout := range model {
			if throughout && seen[id] != 1 {
				t.Errorf("%q was there all the time and comes %d times", id, seen[id])
			}
		}
	})
}

// The place of a nextLink is of its tenant, its collection and its order: anywhere else it
// is as nonsense.
func TestANextLinkHoldsForItsCollection(t *testing.T) {
	s := newShared(t, Config{})
	for _, tenant := range sharers {
		for n := range 3 {
			s.must(s.records.Of(tenant).Update(t.Context(), func(tx records.Tx) error {
				return tx.Agents().Put(&edm.UploadAgent{ID: fmt.Sprintf("%d", n), CreationDateTime: &fuzzNow})
			}))
		}
	}
	token := func(tenant, path string) string {
		_, next := s.idsIn(tenant, path)
		link, err := url.Parse(next)
		s.must(err)
		if link.Query().Get("$skiptoken") == "" || link.Query().Has("$skip") {
			t.Fatalf("the link of %s is %q", path, next)
		}
		return link.Query().Get("$skiptoken")
	}
	const agents = "/exactMatchUploadAgents?$top=1"
	own := token("prod/hr", agents+"&$orderby=id")
	if got, _ := s.idsIn("prod/hr", agents+"&$orderby=id&$skiptoken="+own); len(got) != 1 || got[0] != "1" {
		t.Errorf("the next page has %q", got)
	}
	answers := map[string][]string{}
	ask := func(tenant, name, path, token string) {
		w := s.as(tenant, http.MethodGet, path+"&$skiptoken="+url.QueryEscape(token), "")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "$skiptoken") {
			t.Errorf("%s is answered %d %s", name, w.Code, w.Body)
		}
		text := answerOf(w, target{"-", "-"})
		answers[text] = append(answers[text], name)
	}
	for name, nonsense := range map[string]string{"nonsense": "nonsense", "nothing": "", "too long": strings.Repeat("A", 10_000), "cut off": own[:len(own)-1], "longer": own + "A", "changed": "A" + own[1:]} {
		ask("prod/hr", name, agents+"&$orderby=id", nonsense)
	}
	ask("prod/hr2", "of another tenant", agents+"&$orderby=id", own)
	ask("", "of a tenant, without one", agents+"&$orderby=id", own)
	ask("prod/hr", "of another order", agents+"&$orderby=id%20desc", own)
	ask("prod/hr", "of another filter", agents+"&$orderby=id&$filter=id%20eq%20'1'", own)
	ask("prod/hr", "of another collection", "/exactMatchDataStores?$top=1&$orderby=id", own)
	if len(answers) != 1 {
		t.Errorf("they are told apart: %q", answers)
	}
	if w := s.as("prod/hr", http.MethodGet, agents+"&$orderby=id&$skip=1&$skiptoken="+own, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "$skip ") {
		t.Errorf("with $skip: %d %s", w.Code, w.Body)
	}
}

// A place holds after a restart: what signs it is kept.
func TestANextLinkSurvivesARestart(t *testing.T) {
	h := newHarness(t)
	h.must(h.records.Of("").Update(t.Context(), func(tx records.Tx) error { return tx.Agents().Put(&edm.UploadAgent{ID: "b"}) }))
	_, next := h.pageAt(base + "/exactMatchUploadAgents?$top=1&$orderby=id")
	other := &Service{config: h.config, secret: fuzzSecret}
	r := httptest.NewRequest(http.MethodGet, next, nil)
	out, err := page(other, r, []*edm.UploadAgent{{ID: "agent"}, {ID: "b"}})
	h.must(err)
	if text := fmt.Sprint(out.body); !strings.Contains(text, "id:b") || strings.Contains(text, "id:agent") {
		t.Errorf("the page is %s", text)
	}
}

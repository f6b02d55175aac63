package service

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

// FuzzSchema creates a data store and a session of it. What is taken is what a
// simple look allows, comes back as it was sent, and can be hashed.
func FuzzSchema(f *testing.F) {
	for _, seed := range [][3]string{
		{"patients", "ID:-\nMail", "ID"}, {"", "A", "A"}, {"x", "A\nA", "A"}, {"x", "A:--", ""}, {"x", "ß:é\nß ", "ß"}, {"x", strings.Repeat("c\n", 33), "c"},
		{"x", "A:\xff", "B"}, {strings.Repeat("x", 257), strings.Repeat("y", 257), ""}, {"live", "ID", "ID"}, {strings.Repeat("x", 256), strings.Repeat("y", 256), strings.Repeat("y", 256)}, {"x", "A\nB\nC", "C\nA"}, {"x", "A", "A\nA"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	h := newHarness(f)
	key, err := fingerprint.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, columns, fields string) {
		h.t = t
		defer h.restore()
		sent := edm.DataStore{DisplayName: strings.ToValidUTF8(name, "?")}
		for line := range strings.SplitSeq(strings.ToValidUTF8(columns, "?"), "\n") {
			column, ignored, has := strings.Cut(line, ":")
			c := edm.Column{Name: column, IsSearchable: len(line)%2 == 0, IsCaseInsensitive: len(line)%3 == 0}
			if has {
				c.IgnoredDelimiters = strings.Split(ignored, " ")
			}
			sent.Columns = append(sent.Columns, c)
		}
		body, err := json.Marshal(sent)
		h.must(err)
		_, w := h.call(http.MethodPost, base+"/exactMatchDataStores", "", body)
		if want := allowedStore(sent) && sent.DisplayName != "live" && sent.DisplayName != "bare" && len(body) <= maxRequestBody; (w.Code == http.StatusCreated) != want {
			t.Fatalf("%s is answered %d: %s", body, w.Code, w.Body)
		}
		if w.Code != http.StatusCreated {
			return
		}
		var made, got edm.DataStore
		h.must(json.Unmarshal(w.Body.Bytes(), &made))
		_, w = h.call(http.MethodGet, base+"/exactMatchDataStores/"+made.ID, "", nil)
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if got.DisplayName != sent.DisplayName || !slices.EqualFunc(got.Columns, sent.Columns, sameColumn) {
			t.Fatalf("%+v comes back as %+v", sent, got)
		}
		for _, c := range got.Columns {
			if _, err := key.Hasher(got.DisplayName, schema.Column{Name: c.Name, IgnoredDelimiters: c.IgnoredDelimiters}); err != nil {
				t.Fatalf("the column %+v cannot be hashed: %v", c, err)
			}
		}
		h.checkFields(got, strings.Split(strings.ToValidUTF8(fields, "?"), "\n"))
		h.checkRecords()
	})
}

// checkFields opens a session with fields, which is right where each is a
// column, once.
func (h *harness) checkFields(store edm.DataStore, fields []string) {
	rows, blocks := int32(1), int32(1)
	body, err := json.Marshal(edm.Session{Fields: fields, FileName: "a", RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: fuzzKeyID})
	h.must(err)
	_, w := h.call(http.MethodPost, base+"/exactMatchDataStores/"+store.ID+"/sessions", "", body)
	want := len(body) <= maxRequestBody
	for i, field := range fields {
		want = want && slices.ContainsFunc(store.Columns, func(c edm.Column) bool { return c.Name == field }) && !slices.Contains(fields[:i], field)
	}
	if (w.Code == http.StatusCreated) != want {
		h.t.Fatalf("the fields %q of %+v are answered %d: %s", fields, store.Columns, w.Code, w.Body)
	}
	var got edm.Session
	if want {
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if !slices.Equal(got.Fields, fields) {
			h.t.Fatalf("the fields %q come back as %q", fields, got.Fields)
		}
		h.checkOwnColumns(store, got)
	}
}

// checkOwnColumns opens another session of the same fields, under rules that are
// not the store's.
func (h *harness) checkOwnColumns(store edm.DataStore, one edm.Session) {
	sent := slices.Clone(one.Columns)
	for i := range sent {
		sent[i].IsCaseInsensitive, sent[i].RulesID = !sent[i].IsCaseInsensitive, ""
		slices.Reverse(sent[i].IgnoredDelimiters)
	}
	body, err := json.Marshal(edm.Session{Columns: sent, FileName: "a", RowsPerBlock: one.RowsPerBlock, TotalBlockCount: one.TotalBlockCount, KeyID: fuzzKeyID})
	h.must(err)
	_, w := h.call(http.MethodPost, base+"/exactMatchDataStores/"+store.ID+"/sessions", "", body)
	if want := len(body) <= maxRequestBody; (w.Code == http.StatusCreated) != want {
		h.t.Fatalf("the columns %+v are answered %d: %s", sent, w.Code, w.Body)
	}
	var got edm.Session
	if w.Code == http.StatusCreated {
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if !slices.Equal(got.Fields, one.Fields) || !slices.EqualFunc(got.Columns, sent, sameColumn) {
			h.t.Fatalf("the columns %+v come back as %+v", sent, got.Columns)
		}
	}
}

func sameColumn(a, b edm.Column) bool {
	return a.Name == b.Name && a.IsSearchable == b.IsSearchable && a.IsCaseInsensitive == b.IsCaseInsensitive && slices.Equal(a.IgnoredDelimiters, b.IgnoredDelimiters)
}

// allowedStore is what API.md says of a data store.
func allowedStore(s edm.DataStore) bool {
	names := map[string]bool{}
	for _, c := range s.Columns {
		if len(c.Name) < 1 || len(c.Name) > 256 || len(c.IgnoredDelimiters) > maxDelimiters {
			return false
		}
		names[c.Name] = true
		for _, d := range c.IgnoredDelimiters {
			if len([]rune(d)) != 1 {
				return false
			}
		}
	}
	return len(s.DisplayName) >= 1 && len(s.DisplayName) <= 256 && len(s.Columns) <= 32 && len(names) == len(s.Columns)
}

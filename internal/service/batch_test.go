package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// decodedAs is the batch that encoding/json reads, nil where the body is refused.
func decodedAs(t *testing.T, text []byte) *batch {
	t.Helper()
	var q edm.MatchRequest
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text))
	if err := decodeQuestions(r, &q); err != nil {
		return nil
	}
	return batchOf(q)
}

// sameBatch tells nothing from what is empty.
func sameBatch(a, b *batch) bool {
	shown := func(b *batch) string {
		q := edm.MatchRequest{KeyID: b.keyID, RulesIDs: b.rules}
		for _, one := range b.questions {
			m := edm.MatchQuestion{Column: string(one.column), Token: string(one.token), Limit: one.limit, SameRow: map[string][]string{}}
			for _, c := range one.same {
				m.SameRow[string(c.column)] = []string{}
				for _, token := range c.tokens {
					m.SameRow[string(c.column)] = append(m.SameRow[string(c.column)], string(token))
				}
			}
			q.Questions = append(q.Questions, m)
		}
		text, _ := json.Marshal(q)
		return string(text)
	}
	return shown(a) == shown(b)
}

var bodies = []string{
	`{"keyId":"k","rulesId":{"A":"r"},"questions":[{"column":"A","token":"t","sameRow":{"B":["u","v"],"C":["w"]},"limit":7},{"column":"A","token":"x"}]}`,
	" {\n\t\"questions\" : [ { \"token\" : \"t\" , \"column\" : \"Ä\" } ] , \"keyId\" : \"k\" }\r\n",
	`{"keyId":"k","questions":[]}`, `{}`, `{"keyId":"k","questions":[{"column":"A","token":"t","sameRow":{},"limit":0}]}`,
	`{"keyId":"k","questions":[{"column":"A","token":"t","limit":1e1}]}`, `{"keyId":"k","questions":[{"column":"A","token":"t","limit":01}]}`,
	`{"keyId":"k","questions":[{"column":"A","token":"t","limit":1.5}]}`, `{"keyId":"k","questions":[{"column":"A","token":"t","limit":1234567890123}]}`,
	`{"keyId":"k","keyId":"l"}`, `{"KEYID":"k"}`, `{"keyId":null}`, `{"keyId":"\u006b"}`, `{"keyId":"k"}x`, `{"keyId":"k",}`, `{"questions":[{},]}`, `{"keyId":"` + "\xff" + `"}`,
	`{"questions":[{"column":"A","sameRow":{"B":["u"],"B":["v"]}}]}`, `{"questions":[{"sameRow":{"B":[],"A":null}}]}`, `{"other":1}`, `[]`, ``, `{"keyId":"k`, `{"rulesId":{"A":"1","A":"2"}}`,
}

// TestPlainBodiesAreReadAtOnce wants the first bodies taken by parseBatch, as others
// are not.
func TestPlainBodiesAreReadAtOnce(t *testing.T) {
	for i, text := range bodies {
		got := parseBatch([]byte(text))
		if (got != nil) != (i < 4) && i != 4 {
			t.Errorf("%s: %+v", text, got)
		}
		if want := decodedAs(t, []byte(text)); got != nil && (want == nil || !sameBatch(got, want)) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// FuzzBatch reads bodies in both ways: what the plain one takes, the other takes as the
// same.
func FuzzBatch(f *testing.F) {
	for _, text := range bodies {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := parseBatch(text)
		if got == nil {
			return
		}
		if want := decodedAs(t, text); want == nil || !sameBatch(got, want) {
			t.Fatalf("%q: %+v, want %+v", text, got, want)
		}
	})
}

// TestAnswersAreWrittenAsTheContractIs asks for rows that are there in every number, and
// compares the bytes with those of encoding/json.
func TestAnswersAreWrittenAsTheContractIs(t *testing.T) {
	h := newHarness(t)
	token := func(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 16)) }
	some := map[string][]string{"Mail": {token(9), token(2)}, "City": {token(3)}}
	body, err := json.Marshal(edm.MatchRequest{KeyID: fuzzKeyID, Questions: []edm.MatchQuestion{
		{Column: "ID", Token: token(1), SameRow: some, Limit: 1}, {Column: "ID", Token: token(1), SameRow: some}, {Column: "Mail", Token: token(3)},
		{Column: "ID", Token: token(2), SameRow: some}, {Column: "ID", Token: token(8), SameRow: some},
	}})
	h.must(err)
	r := httptest.NewRequest(http.MethodPost, "http://service/beta/dataClassification/exactMatchDataStores/live/match", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+fuzzToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got edm.MatchResponse
	known := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	known.DisallowUnknownFields()
	if err := known.Decode(&got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d: %s (%v)", w.Code, w.Body, err)
	}
	both := map[string]int{"Mail": 1, "City": 0}
	want := edm.MatchResponse{Generation: got.Generation, SessionID: "done", Answers: []edm.MatchAnswer{
		{Total: 2, Rows: []edm.MatchRow{{Row: 0, Matched: both}}}, {Total: 2, Rows: []edm.MatchRow{{Row: 0, Matched: both}, {Row: 1, Matched: both}}},
		{Total: 2, Rows: []edm.MatchRow{{Row: 2}, {Row: 3}}}, {Total: 2, Rows: []edm.MatchRow{{Row: 2}, {Row: 3}}}, {},
	}}
	if text, err := json.Marshal(want); err != nil || w.Body.String() != string(text) || got.Generation < 1 {
		t.Errorf("%s\nis not\n%s (%v)", w.Body, text, err)
	}
}

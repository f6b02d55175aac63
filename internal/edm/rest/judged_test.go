package rest

import (
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// TestACommitSaysWhatItWasJudgedAgainst wants the tag of a judged commit, and none
// of another, and one call of each.
func TestACommitSaysWhatItWasJudgedAgainst(t *testing.T) {
	none, seventh := int64(0), int64(7)
	for name, tc := range map[string]struct {
		judged *int64
		tags   []string
	}{
		"judged by nobody":       {nil, nil},
		"against nothing":        {&none, []string{`"live-0"`}},
		"against the live table": {&seventh, []string{`"live-7"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				reply(w, http.StatusPreconditionFailed, `{"error":{"code":"LiveChanged","message":"another is live"}}`)
			})
			e := fails(t, s.client.Sessions().Commit(t.Context(), "d", "s", tc.judged), edm.Transient)
			if e.Code != edm.CodeLiveChanged || len(s.asked) != 1 {
				t.Errorf("%d calls end with %v", len(s.asked), e)
			}
			if got := s.asked[0].Header.Values("If-Match"); len(got) != len(tc.tags) || len(got) > 0 && got[0] != tc.tags[0] {
				t.Errorf("the tags are %q, want %q", got, tc.tags)
			}
		})
	}
}

// TestAnUpdateLeavesTheOwner wants an update to name an owner only where it has one.
func TestAnUpdateLeavesTheOwner(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, `{"id":"d"}`) })
	for _, owner := range []*edm.Owner{nil, {Cluster: "c", Namespace: "n", Name: "o"}} {
		if _, err := s.client.Stores().Update(t.Context(), edm.DataStore{ID: "d", Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{
		`{"columns":null,"description":""}`, `{"columns":null,"description":"","owner":{"cluster":"c","namespace":"n","name":"o"}}`,
	} {
		if s.bodies[i] != want {
			t.Errorf("update %d sends %s, want %s", i, s.bodies[i], want)
		}
	}
}

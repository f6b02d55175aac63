package rest

import (
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// TestOnlyAnswersToTheQuestionsAreTaken asks two questions, the second one with
// tokens to compare.
func TestOnlyAnswersToTheQuestionsAreTaken(t *testing.T) {
	request := edm.MatchRequest{KeyID: "k", Questions: []edm.MatchQuestion{
		{Column: "ID", Token: "one"}, {Column: "ID", Token: "two", SameRow: map[string][]string{"City": {"a", "b"}}, Limit: 2},
	}}
	of := func(answers string) string { return `{"generation":1,"sessionId":"s","answers":[` + answers + `]}` }
	for body, taken := range map[string]bool{
		of(`{"total":0},{"total":0}`): true,
		of(`{"total":1,"rows":[{"row":3}]},{"total":3,"rows":[{"row":1},{"row":2}]}`):            true,
		of(`{},{"total":1,"rows":[{"row":1,"matched":{"City":1}}]}`):                             true,
		`{"generation":1,"sessionId":"s"}`:                                                       false,
		of(`{"total":0}`):                                                                        false,
		of(`{"total":0},{"total":0},{"total":0}`):                                                false,
		strings.Replace(of(`{},{}`), `"generation":1`, `"generation":0`, 1):                      false,
		strings.Replace(of(`{},{}`), `"sessionId":"s"`, `"sessionId":""`, 1):                     false,
		of(`{"total":1},{"total":0}`):                                                            false,
		of(`{"total":0,"rows":[{"row":3}]},{"total":0}`):                                         false,
		of(`{"total":-1},{"total":0}`):                                                           false,
		of(`{},{"total":3,"rows":[{"row":1},{"row":2},{"row":3}]}`):                              false,
		of(`{},{"total":3,"rows":[{"row":1}]}`):                                                  false,
		of(`{},{"total":1,"rows":[{"row":1,"matched":{"City":2}}]}`):                             false,
		of(`{},{"total":1,"rows":[{"row":1,"matched":{"City":-1}}]}`):                            false,
		of(`{},{"total":1,"rows":[{"row":1,"matched":{"Town":0}}]}`):                             false,
		of(`{"total":1,"rows":[{"row":1,"matched":{"City":0}}]},{"total":1,"rows":[{"row":1}]}`): false,
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, body) })
		got, err := s.client.Stores().Match(t.Context(), "d", request)
		if taken != (err == nil) || taken != (got != nil) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
		if !taken {
			_ = fails(t, err, edm.Transient)
		}
	}
}

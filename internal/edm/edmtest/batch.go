package edmtest

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// tokens are those of cells of one column.
func (f *fixture) tokens(t *testing.T, column string, cells ...string) []string {
	t.Helper()
	var out []string
	for _, cell := range cells {
		out = append(out, f.token(t, column, cell))
	}
	return out
}

// batches wants the largest batch to be answered in order, each question by
// itself.
func batches(t *testing.T, f *fixture) {
	f.open(t)
	s := f.publish(t, people(edm.MaxQuestions/2))
	var questions []edm.MatchQuestion
	want := edm.MatchResponse{Generation: 1, SessionID: s.ID}
	for i := range edm.MaxQuestions {
		row := edm.MaxQuestions - 1 - i // the first half is nowhere
		q := f.question(t, "ID", fmt.Sprintf("P-%d", row), nil)
		q.SameRow["Email"] = f.tokens(t, "Email", "nobody@example.com", fmt.Sprintf("p%d@example.com", row))
		q.SameRow["City"] = f.tokens(t, "City", "Lima", "Oslo", "Oslo", "")
		questions = append(questions, q)
		one := edm.MatchAnswer{}
		if row < edm.MaxQuestions/2 {
			matched := []map[string]int{{"City": 1, "Email": 1}, {"City": 0, "Email": 1}, {"Email": 1}}[row%3]
			one = edm.MatchAnswer{Total: 1, Rows: []edm.MatchRow{{Row: int64(row), Matched: matched}}}
		}
		want.Answers = append(want.Answers, one)
	}
	if got := f.matches(t, questions...); !reflect.DeepEqual(*got, want) {
		t.Fatalf("match says %+v; want %+v", got, want)
	}
	same := f.question(t, "Email", "P1@example.com", nil)
	limited := f.question(t, "ID", "P-2", nil)
	limited.Limit = 1
	got := f.matches(t, same, limited, same)
	for i, row := range []int64{1, 2, 1} {
		if one := got.Answers[i]; one.Total != 1 || one.Rows[0].Row != row {
			t.Errorf("answer %d is %+v", i, one)
		}
	}
}

// badBatches wants one bad question to refuse all of them, and its place named.
func badBatches(t *testing.T, f *fixture) {
	f.open(t)
	f.publish(t, people(9))
	good := f.question(t, "ID", "P-1", map[string]string{"City": "Lima"})
	many := slices.Repeat([]string{good.Token}, edm.MaxSameRowTokens+1)
	for words, change := range map[string]func(*edm.MatchRequest){
		"questions[17].column":         func(r *edm.MatchRequest) { r.Questions[17].Column = "Phone" },
		"questions[3].column":          func(r *edm.MatchRequest) { r.Questions[3].Column = "City" },
		"questions[0].token":           func(r *edm.MatchRequest) { r.Questions[0].Token = "AAAA" },
		"questions[19].limit":          func(r *edm.MatchRequest) { r.Questions[19].Limit = edm.MaxLimit + 1 },
		"questions[18].limit":          func(r *edm.MatchRequest) { r.Questions[18].Limit = -1 },
		"questions[5].sameRow":         func(r *edm.MatchRequest) { r.Questions[5].SameRow = map[string][]string{"Phone": {good.Token}} },
		"entry 1 of the column":        func(r *edm.MatchRequest) { r.Questions[6].SameRow = map[string][]string{"City": {good.Token, "x"}} },
		"has 1001 entries":             func(r *edm.MatchRequest) { r.Questions[7].SameRow = map[string][]string{"City": many} },
		"has 0 entries":                func(r *edm.MatchRequest) { r.Questions[8].SameRow = map[string][]string{"City": {}} },
		"questions has 0 entries":      func(r *edm.MatchRequest) { r.Questions = nil },
		"questions has 1001":           func(r *edm.MatchRequest) { r.Questions = slices.Repeat(r.Questions[:1], edm.MaxQuestions+1) },
		"up to 10010 rows":             func(r *edm.MatchRequest) { r.Questions = withLimit(r.Questions, 11, 910) },
		"up to 50100 and may to 50000": func(r *edm.MatchRequest) { r.Questions = withLimit([]edm.MatchQuestion{wide(good.Token)}, 835, 10) },
	} {
		r := f.batch(slices.Repeat([]edm.MatchQuestion{good}, 20)...)
		change(&r)
		got, err := f.Service.Stores().Match(f.ctx, f.store.ID, r)
		if got != nil {
			t.Errorf("%s: it is answered by %+v", words, got)
		}
		if e := wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable); !strings.Contains(e.Message, words) {
			t.Errorf("the message for %s is %q", words, e.Message)
		}
	}
	r := f.batch(slices.Repeat([]edm.MatchQuestion{good}, 20)...)
	f.changeRules(t, []edm.Column{f.store.Columns[0], f.store.Columns[1], {Name: "City", IsCaseInsensitive: true}})
	r.Questions[0].SameRow = nil
	_, err := f.Service.Stores().Match(f.ctx, f.store.ID, r)
	if e := wantError(t, err, http.StatusUnprocessableEntity, edm.CodeRulesMismatch); !strings.Contains(e.Message, "questions[1].sameRow") {
		t.Errorf("the message for other rules is %q", e.Message)
	}
	if got := f.matches(t, withLimit([]edm.MatchQuestion{{Column: "ID", Token: good.Token}}, 10, edm.MaxLimit)...); len(got.Answers) != 10 {
		t.Errorf("the most rows are refused: %+v", got)
	}
}

// withLimit is a question many times, with this limit.
func withLimit(q []edm.MatchQuestion, times, limit int) []edm.MatchQuestion {
	out := slices.Repeat(q[:1], times)
	for i := range out {
		out[i].Limit = limit
	}
	return out
}

// wide compares six columns.
func wide(token string) edm.MatchQuestion {
	q := edm.MatchQuestion{Column: "ID", Token: token, SameRow: map[string][]string{}}
	for _, name := range strings.Fields("A B C D E F") {
		q.SameRow[name] = []string{token}
	}
	return q
}

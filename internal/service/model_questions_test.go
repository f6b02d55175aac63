package service_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
)

// match asks for a row, by a column that all editions share or by one that is
// theirs alone, and compares it with the edition that was committed last: the
// answer is of one table.
func (w *stateMachine) match(s *modelStore, row int) *op {
	var last *modelSession
	compared := ""
	for _, m := range s.sessions {
		if m.order > 0 && (last == nil || m.order > last.order) {
			last, compared = m, m.edition.name
		}
	}
	column := rapid.SampledFrom([]string{"ID", "ID", "City"}).Draw(w.T, "column")
	question := questionOf(column, modelToken(compared, column, row))
	nowhere := text64(modelToken("nowhere", "City", row))
	question.Questions[0].SameRow = map[string][]string{
		"ID": {text64(modelToken("", "ID", row))}, "Mail": {text64(modelToken(compared, "Mail", row)), nowhere}, "City": {nowhere, text64(modelToken(compared, "City", row))},
	}
	question.Questions = append(question.Questions, edm.MatchQuestion{Column: column, Token: nowhere})
	named, answers := w.underRules(s, last)
	question.RulesIDs = named
	floor := s.floor
	o := w.ask(s, "match", question, answers, func(r reply) {
		var got edm.MatchResponse
		if err := json.Unmarshal(r.body, &got); err != nil || len(got.Answers) != 2 || got.Answers[1].Total != 0 {
			w.Fatalf("%v: %s", err, r.body)
		}
		m := w.checkLive(s, floor, got.SessionID, got.Generation)
		if may, _ := s.maySearch(m, slices.Index(fields, column)); !may || !answers(m) {
			w.Fatalf("a match by %s under %v is answered by a table of %s", column, named, toJSON(m.columns))
		}
		rows, matched := 0, map[string]int{"ID": 0}
		if row < m.rows && (column == "ID" || m.edition.name == compared) {
			rows = 1
		}
		if m.edition.name == compared {
			matched = map[string]int{"ID": 0, "Mail": 0, "City": 1}
		}
		one := got.Answers[0]
		if int(one.Total) != rows || len(one.Rows) != rows || rows > 0 && (one.Rows[0].Row != int64(row) || !maps.Equal(one.Rows[0].Matched, matched)) {
			w.Fatalf("row %d of a table of %d rows: %s; want %v of it", row, m.rows, r.body, matched)
		}
	})
	answered := o.take
	o.take = func(r reply) {
		if r.code != edm.CodeUnprocessable {
			answered(r)
			return
		}
		w.want("match", r, http.StatusUnprocessableEntity, edm.CodeUnprocessable)
		if !slices.ContainsFunc(s.candidates(floor), func(m *modelSession) bool {
			_, mayNot := s.maySearch(m, slices.Index(fields, column))
			return mayNot
		}) {
			w.Fatalf("a match by %s is refused: %s", column, r.body)
		}
	}
	return o
}

// lookup asks for a row and wants the cells of one edition that may be live.
func (w *stateMachine) lookup(s *modelStore, row int) *op {
	question := edm.LookupRequest{Key: modelKey.String(), Values: []string{text64(modelToken("", "ID", row))}, ResultColumnNames: []string{"Mail", "City"}}
	floor, present := s.floor, rulesOf(s.columns)
	answers := func(m *modelSession) bool { return reflect.DeepEqual(rulesOf(m.columns), present) }
	return w.ask(s, "lookup", question, answers, func(r reply) {
		var got struct{ Value []string }
		if err := json.Unmarshal(r.body, &got); err != nil {
			w.Fatal(err)
		}
		var may []string
		for _, m := range s.candidates(floor) {
			switch {
			case !answers(m):
			case row >= m.rows:
				may = append(may, "")
			default:
				may = append(may, toJSON(map[string]any{
					"row": row, "Mail": text64(modelToken(m.edition.name, "Mail", row)), "City": text64(modelToken(m.edition.name, "City", row)),
				}))
			}
		}
		if line := strings.Join(got.Value, "+"); !slices.Contains(may, line) {
			w.Fatalf("row %d is answered by %q; want one of %q", row, line, may)
		}
	})
}

// ask asks a question of the live table. Without one that was seen to be live it
// may be that there is none.
func (w *stateMachine) ask(s *modelStore, what string, question any, answers func(*modelSession) bool, judge func(reply)) *op {
	floor := s.floor
	return &op{name: what, store: s, send: func() reply { return w.api(http.MethodPost, "/"+s.id+"/"+what, "", question) },
		take: func(r reply) {
			if floor == 0 && r.status == http.StatusUnprocessableEntity && r.code == edm.CodeNoLiveTable {
				return
			}
			if r.code == edm.CodeRulesMismatch {
				w.want(what, r, http.StatusUnprocessableEntity, edm.CodeRulesMismatch)
				w.refusedForRules(s, what, floor, answers)
				return
			}
			w.want(what, r, http.StatusOK, "")
			judge(r)
		}, settle: func() {}}
}

package service

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// question is one of a match, read and checked.
type question struct {
	column int
	token  fingerprint.Token
	same   map[int][]fingerprint.Token
	limit  int
}

// match is this project's batch of questions: the rows of a token, and which other
// tokens stand in the same rows. All answers are of one table; one bad question
// refuses all of them.
func (s *Service) match(r *http.Request) (*answer, error) {
	var q edm.MatchRequest
	if err := decodeQuestions(r, &q); err != nil {
		return nil, err
	}
	if err := checkBatch(q.Questions); err != nil {
		return nil, err
	}
	if err := s.question(r, len(q.Questions)); err != nil {
		return nil, err
	}
	return s.ask(r, q.KeyID, func(t *view) (*answer, error) {
		questions, err := t.questions(q)
		if err != nil {
			return nil, err
		}
		response := edm.MatchResponse{Generation: t.Generation, SessionID: t.SessionID, Answers: make([]edm.MatchAnswer, len(questions))}
		rows := 0
		for i, one := range questions {
			if response.Answers[i], err = t.Match(one.column, one.token, one.same, one.limit); err != nil {
				return nil, err
			}
			rows += len(response.Answers[i].Rows)
		}
		s.found(r, rows)
		return ok(response)
	})
}

// checkBatch bounds what the questions of a match may ask for together, and sets
// the limits that they leave out.
func checkBatch(questions []edm.MatchQuestion) error {
	if len(questions) == 0 || len(questions) > edm.MaxQuestions {
		return unprocessable(edm.CodeUnprocessable, "%s", tooMany("questions", len(questions), edm.MaxQuestions))
	}
	rows, cells := 0, 0
	for i := range questions {
		q := &questions[i]
		if q.Limit == 0 {
			q.Limit = edm.DefaultLimit
		}
		if q.Limit < 1 || q.Limit > edm.MaxLimit {
			return unprocessable(edm.CodeUnprocessable, "questions[%d].limit: must be 1 to %d", i, edm.MaxLimit)
		}
		rows += q.Limit
		cells += q.Limit * len(q.SameRow)
	}
	if rows > edm.MaxMatchRows {
		return unprocessable(edm.CodeUnprocessable, "questions: their limits add up to %d rows and may to %d: lower the limits, or ask in several calls", rows, edm.MaxMatchRows)
	}
	if cells > edm.MaxMatchCells {
		return unprocessable(edm.CodeUnprocessable,
			"questions: their limits, each times the columns of sameRow, add up to %d and may to %d: lower the limits, or ask in several calls", cells, edm.MaxMatchCells)
	}
	return nil
}

// questions reads all questions of a match before any is answered.
func (v *view) questions(q edm.MatchRequest) ([]question, error) {
	if err := v.checkNamed(q.RulesIDs); err != nil {
		return nil, err
	}
	out := make([]question, len(q.Questions))
	for i, one := range q.Questions {
		var err error
		if out[i], err = v.question(one, q.RulesIDs); err != nil {
			return nil, inQuestion(i, err)
		}
	}
	return out, nil
}

// inQuestion names the question that is refused.
func inQuestion(i int, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	return fail(f.status, f.code, "questions[%d].%s", i, f.message)
}

// question reads one. Its errors begin with the property that is wrong.
func (v *view) question(q edm.MatchQuestion, rules map[string]string) (question, error) {
	out := question{limit: q.Limit}
	var err error
	if out.column, err = v.columnIn("column", q.Column, rules); err != nil {
		return out, err
	}
	if !v.Searchable(out.column) {
		return out, unprocessable(edm.CodeUnprocessable, "column: %q is not searchable", q.Column)
	}
	if out.token, err = parseToken("token:", q.Token); err != nil {
		return out, err
	}
	out.same, err = v.sameRow(q.SameRow, rules)
	return out, err
}

// columnIn finds the column that a property names and makes sure that the tokens
// are made under its rules.
func (v *view) columnIn(property, name string, rules map[string]string) (int, error) {
	c, err := v.columnOf(name)
	if err == nil {
		err = v.checkUnnamed(rules, c)
	}
	var f *failure
	if errors.As(err, &f) {
		return c, fail(f.status, f.code, "%s: %s", property, f.message)
	}
	return c, err
}

// sameRow reads the tokens that are compared within the rows found.
func (v *view) sameRow(wanted map[string][]string, rules map[string]string) (map[int][]fingerprint.Token, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	out := make(map[int][]fingerprint.Token, len(wanted))
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		c, err := v.columnIn("sameRow", name, rules)
		if err != nil {
			return nil, err
		}
		if n := len(wanted[name]); n == 0 || n > edm.MaxSameRowTokens {
			return nil, unprocessable(edm.CodeUnprocessable, "%s", tooMany(fmt.Sprintf("sameRow: the column %q", name), n, edm.MaxSameRowTokens))
		}
		for i, text := range wanted[name] {
			token, err := parseToken(fmt.Sprintf("sameRow: entry %d of the column %q", i, name), text)
			if err != nil {
				return nil, err
			}
			out[c] = append(out[c], token)
		}
	}
	return out, nil
}

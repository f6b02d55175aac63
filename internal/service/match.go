package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/index"
)

// question is one of a match, read and checked.
type question struct {
	column int
	token  fingerprint.Token
	same   []index.SameRow
	limit  int
}

// match is this project's batch of questions: the rows of a token, and which other
// tokens stand in the same rows. All answers are of one table; one bad question
// refuses all of them.
func (s *Service) match(r *http.Request) (*answer, error) {
	b, err := decodeBatch(r)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(b.questions); err != nil {
		return nil, err
	}
	if err := s.question(r, len(b.questions)); err != nil {
		return nil, err
	}
	return s.ask(r, b.keyID, func(t *view) (*answer, error) {
		questions, err := t.questions(b)
		if err != nil {
			return nil, err
		}
		w := newAnswerWriter(t, len(questions))
		for i := range questions {
			if err := w.add(&questions[i]); err != nil {
				return nil, err
			}
		}
		s.found(r, w.found)
		return ok(w.end())
	})
}

// checkBatch bounds what the questions of a match may ask for together, and sets
// the limits that they leave out.
func checkBatch(questions []asking) error {
	if len(questions) == 0 || len(questions) > edm.MaxQuestions {
		return unprocessable(edm.CodeUnprocessable, "%s", tooMany("questions", len(questions), edm.MaxQuestions))
	}
	rows, cells := 0, 0
	for i := range questions {
		q := &questions[i]
		if q.limit == 0 {
			q.limit = edm.DefaultLimit
		}
		if q.limit < 1 || q.limit > edm.MaxLimit {
			return unprocessable(edm.CodeUnprocessable, "questions[%d].limit: must be 1 to %d", i, edm.MaxLimit)
		}
		rows += q.limit
		cells += q.limit * len(q.same)
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

// questionReader reads the questions of a match. It has room for all of them.
type questionReader struct {
	*view
	rules  map[string]string
	known  map[string]int // columns that were found, and whose rules are right
	same   []index.SameRow
	tokens []fingerprint.Token
}

// questions reads all questions of a match before any is answered.
func (v *view) questions(b *batch) ([]question, error) {
	if err := v.checkNamed(b.rules); err != nil {
		return nil, err
	}
	columns, tokens := 0, 0
	for i := range b.questions {
		columns += len(b.questions[i].same)
		for _, c := range b.questions[i].same {
			tokens += len(c.tokens)
		}
	}
	r := &questionReader{view: v, rules: b.rules, known: map[string]int{}, same: make([]index.SameRow, 0, columns), tokens: make([]fingerprint.Token, 0, tokens)}
	out := make([]question, len(b.questions))
	for i := range b.questions {
		if err := r.read(&b.questions[i], &out[i]); err != nil {
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

// read reads one. Its errors begin with the property that is wrong.
func (r *questionReader) read(a *asking, into *question) (err error) {
	into.limit = a.limit
	if into.column, err = r.columnIn("column", a.column); err != nil {
		return err
	}
	if !r.Searchable(into.column) {
		return unprocessable(edm.CodeUnprocessable, "column: %q is not searchable", a.column)
	}
	var is bool
	if into.token, is = base64Token(a.token); !is {
		return noToken("token:")
	}
	from := len(r.same)
	for i := range a.same {
		if err := r.sameRow(&a.same[i]); err != nil {
			return err
		}
	}
	into.same = r.same[from:len(r.same):len(r.same)]
	return nil
}

// columnIn finds the column that a property names and makes sure that the tokens
// are made under its rules.
func (r *questionReader) columnIn(property string, name []byte) (int, error) {
	if c, known := r.known[string(name)]; known {
		return c, nil
	}
	c, err := r.columnOf(string(name))
	if err == nil {
		err = r.checkUnnamed(r.rules, c)
	}
	var f *failure
	if errors.As(err, &f) {
		return c, fail(f.status, f.code, "%s: %s", property, f.message)
	}
	if err == nil {
		r.known[string(name)] = c
	}
	return c, err
}

// sameRow reads the tokens of a column that are compared within the rows found.
func (r *questionReader) sameRow(wanted *compared) error {
	c, err := r.columnIn("sameRow", wanted.column)
	if err != nil {
		return err
	}
	if n := len(wanted.tokens); n == 0 || n > edm.MaxSameRowTokens {
		return unprocessable(edm.CodeUnprocessable, "%s", tooMany(fmt.Sprintf("sameRow: the column %q", wanted.column), n, edm.MaxSameRowTokens))
	}
	from := len(r.tokens)
	for i, text := range wanted.tokens {
		token, is := base64Token(text)
		if !is {
			return noToken(fmt.Sprintf("sameRow: entry %d of the column %q", i, wanted.column))
		}
		r.tokens = append(r.tokens, token)
	}
	r.same = append(r.same, index.SameRow{Column: c, Tokens: r.tokens[from:len(r.tokens):len(r.tokens)]})
	return nil
}

// answerWriter writes the answers of a match as edm.MatchResponse is written.
type answerWriter struct {
	*view
	names [][]byte // of the columns, in JSON
	text  []byte
	rows  []byte // of the question at hand
	found int
}

func newAnswerWriter(v *view, questions int) *answerWriter {
	w := &answerWriter{view: v, names: make([][]byte, len(v.Columns)), text: make([]byte, 0, 256+64*questions)}
	w.text = strconv.AppendInt(append(w.text, `{"generation":`...), v.Generation, 10)
	w.text = append(append(append(w.text, `,"sessionId":`...), inJSON(v.SessionID)...), `,"answers":[`...)
	return w
}

// inJSON is a text as JSON has it.
func inJSON(text string) []byte {
	out, _ := json.Marshal(text) // a text has no value that fails
	return out
}

// add answers one question.
func (w *answerWriter) add(q *question) error {
	w.rows = w.rows[:0]
	total, err := w.Match(q.column, q.token, q.same, q.limit, func(row int64, matched []int) {
		w.found++
		w.row(q, row, matched)
	})
	if err != nil {
		return err
	}
	w.text = strconv.AppendInt(append(w.text, `{"total":`...), total, 10)
	if len(w.rows) > 0 {
		w.rows[len(w.rows)-1] = ']' // in place of the last comma
		w.text = append(append(w.text, `,"rows":[`...), w.rows...)
	}
	w.text = append(w.text, '}', ',')
	return nil
}

func (w *answerWriter) row(q *question, row int64, matched []int) {
	w.rows = strconv.AppendInt(append(w.rows, `{"row":`...), row, 10)
	some := false
	for i, at := range matched {
		if at < 0 {
			continue
		}
		if !some {
			some, w.rows = true, append(w.rows, `,"matched":{`...)
		}
		c := q.same[i].Column
		if w.names[c] == nil {
			w.names[c] = inJSON(w.Columns[c].Name)
		}
		w.rows = append(strconv.AppendInt(append(append(w.rows, w.names[c]...), ':'), int64(at), 10), ',')
	}
	if some {
		w.rows[len(w.rows)-1] = '}'
	}
	w.rows = append(w.rows, '}', ',')
}

// end is the whole answer.
func (w *answerWriter) end() encoded {
	w.text[len(w.text)-1] = ']' // in place of the last comma: there is a question
	return append(w.text, '}')
}

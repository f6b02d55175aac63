package service

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/edm"
)

// batch is a match as it was sent.
type batch struct {
	keyID     string
	rules     map[string]string
	questions []asking
}

// asking is a question as it was sent. Its texts are those of the body.
type asking struct {
	column, token []byte
	same          []compared // by their names
	limit         int
}

// compared are the tokens of a column that are compared within a row.
type compared struct {
	column []byte
	tokens [][]byte
}

// decodeBatch reads a match. A plain body, as clients write it, is read at once; any
// other, and what is wrong, as that of every other call.
func decodeBatch(r *http.Request) (*batch, error) {
	text, err := textOfBody(r)
	if err != nil {
		return nil, err
	}
	if b := parseBatch(text); b != nil {
		return b, nil
	}
	var q edm.MatchRequest
	r.Body = io.NopCloser(bytes.NewReader(text))
	if err := decodeQuestions(r, &q); err != nil {
		return nil, err
	}
	return batchOf(q), nil
}

func batchOf(q edm.MatchRequest) *batch {
	b := &batch{keyID: q.KeyID, rules: q.RulesIDs, questions: make([]asking, 0, len(q.Questions))}
	for _, one := range q.Questions {
		a := asking{column: []byte(one.Column), token: []byte(one.Token), limit: one.Limit}
		for _, name := range slices.Sorted(maps.Keys(one.SameRow)) {
			c := compared{column: []byte(name)}
			for _, token := range one.SameRow[name] {
				c.tokens = append(c.tokens, []byte(token))
			}
			a.same = append(a.same, c)
		}
		b.questions = append(b.questions, a)
	}
	return b
}

// parseBatch reads a body of known properties, each once, with texts that need no
// unquoting. It is nil for any other, whether that is right or wrong.
func parseBatch(text []byte) *batch {
	p, b := &plainReader{text: text}, &batch{}
	seen := 0
	p.object(func(name []byte) {
		bit := 0
		switch string(name) {
		case "keyId":
			bit, b.keyID = 1, string(p.string())
		case "rulesId":
			bit, b.rules = 2, p.strings()
		case "questions":
			bit = 4
			p.array(func() { b.questions = append(b.questions, p.question()) })
		}
		p.once(&seen, bit)
	})
	if p.space(); p.bad || p.at < len(text) {
		return nil
	}
	return b
}

// plainReader reads JSON as far as it is plain. Once it is bad it stays so.
type plainReader struct {
	text []byte
	at   int
	bad  bool
}

// once is bad for a property that is not known, or is there again.
func (p *plainReader) once(seen *int, bit int) {
	p.bad = p.bad || bit == 0 || *seen&bit != 0
	*seen |= bit
}

func (p *plainReader) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\r' || p.text[p.at] == '\t') {
		p.at++
	}
}

// next takes one character, and reports whether it is this one.
func (p *plainReader) next(c byte) bool {
	p.space()
	if p.bad || p.at >= len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func (p *plainReader) want(c byte) { p.bad = !p.next(c) || p.bad }

// list reads what is between two characters, with commas between.
func (p *plainReader) list(open, end byte, one func()) {
	p.want(open)
	if p.bad || p.next(end) {
		return
	}
	for !p.bad {
		one()
		if p.next(end) {
			return
		}
		p.want(',')
	}
}

func (p *plainReader) object(value func(name []byte)) {
	p.list('{', '}', func() {
		name := p.string()
		p.want(':')
		if !p.bad {
			value(name)
		}
	})
}

func (p *plainReader) array(value func()) { p.list('[', ']', value) }

// string reads a text without escapes.
func (p *plainReader) string() []byte {
	p.want('"')
	from, wide := p.at, false
	for ; !p.bad && p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			out := p.text[from:p.at:p.at]
			p.at++
			p.bad = wide && !utf8.Valid(out)
			return out
		case c == '\\' || c < ' ':
			p.bad = true
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	p.bad = true
	return nil
}

// strings reads an object of texts.
func (p *plainReader) strings() map[string]string {
	out := map[string]string{}
	p.object(func(name []byte) {
		_, again := out[string(name)]
		p.bad = p.bad || again
		out[string(name)] = string(p.string())
	})
	return out
}

// question reads one of a match.
func (p *plainReader) question() (a asking) {
	seen := 0
	p.object(func(name []byte) {
		bit := 0
		switch string(name) {
		case "column":
			bit, a.column = 1, p.string()
		case "token":
			bit, a.token = 2, p.string()
		case "limit":
			bit, a.limit = 4, p.number()
		case "sameRow":
			bit = 8
			p.object(func(name []byte) { a.same = append(a.same, p.compared(name)) })
		}
		p.once(&seen, bit)
	})
	if len(a.same) > 1 {
		slices.SortFunc(a.same, func(a, b compared) int { return bytes.Compare(a.column, b.column) })
		for i := 1; i < len(a.same); i++ {
			p.bad = p.bad || bytes.Equal(a.same[i-1].column, a.same[i].column)
		}
	}
	return a
}

func (p *plainReader) compared(column []byte) compared {
	c := compared{column: column}
	p.array(func() { c.tokens = append(c.tokens, p.string()) })
	return c
}

// number reads a whole number of few digits.
func (p *plainReader) number() int {
	p.space()
	from := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' && p.at-from < 9 {
		p.at++
	}
	digits := p.text[from:p.at]
	n, err := strconv.Atoi(string(digits))
	p.bad = p.bad || err != nil || digits[0] == '0' || p.at < len(p.text) && !bytes.ContainsRune([]byte(",} \n\r\t"), rune(p.text[p.at]))
	return n
}

package scan

import (
	"cmp"
	"context"
	"encoding/base64"
	"math/bits"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// corroboration is a candidate near a primary value, as one of a column.
type corroboration struct {
	candidate
	column int
}

// beside is what stands near a primary value: by column, its tokens, and the
// candidates that each of them is of.
type beside struct {
	primary
	tokens [][]string
	of     []map[string][]candidate
	asks   int // questions
}

// questions are the questions about a primary value: one for each maxSame tokens
// of a column that are compared.
func (s *Scanner) questions(b *beside) []edm.MatchQuestion {
	one := edm.MatchQuestion{
		Column: s.table.columns[b.column].Name, Token: base64.StdEncoding.EncodeToString(b.token[:]), Limit: int(b.total),
	}
	out := []edm.MatchQuestion{one}
	for c, tokens := range b.tokens {
		at := 0
		for chunk := range slices.Chunk(tokens, edm.MaxSameRowTokens) {
			if at == len(out) {
				out = append(out, one)
			}
			if out[at].SameRow == nil {
				out[at].SameRow = map[string][]string{}
			}
			out[at].SameRow[s.table.columns[c].Name] = chunk
			at++
		}
	}
	b.asks = len(out)
	return out
}

// besides hashes what stands near a primary value.
func (s *Scanner) besides(t *text, p primary) *beside {
	near := t.near(p.candidate, s.most, int64(s.o.Within))
	b := &beside{primary: p, tokens: make([][]string, len(s.table.columns)), of: make([]map[string][]candidate, len(s.table.columns))}
	for c := range s.table.columns {
		if c == p.column {
			continue
		}
		b.of[c] = map[string][]candidate{}
		near := s.upTo(near, s.words[c])
		tokens := s.table.tokens(c, t.bytes, near)
		for i, one := range near {
			token := tokens.at(i)
			total, isKnown := s.table.known.get(token)
			if token == (fingerprint.Token{}) || isKnown && total == 0 {
				continue // no row holds it
			}
			text := base64.StdEncoding.EncodeToString(token[:])
			if b.of[c][text] == nil {
				b.tokens[c] = append(b.tokens[c], text)
			}
			b.of[c][text] = append(b.of[c][text], one)
		}
	}
	return b
}

// maxBody is about how many bytes of questions are sent at once.
const maxBody = 800 << 10

// batch is questions of one match.
type batch struct {
	questions   []edm.MatchQuestion
	rows, cells int
	bytes       int
	besides     []*beside
}

// fits reports whether more questions may be asked with those that are there.
func (b *batch) fits(more batch) bool {
	return len(b.questions)+len(more.questions) <= edm.MaxQuestions && b.rows+more.rows <= edm.MaxMatchRows &&
		b.cells+more.cells <= edm.MaxMatchCells && b.bytes+more.bytes <= maxBody
}

func (b *batch) add(more batch) {
	b.questions, b.besides = append(b.questions, more.questions...), append(b.besides, more.besides...)
	b.rows, b.cells, b.bytes = b.rows+more.rows, b.cells+more.cells, b.bytes+more.bytes
}

// batchOf is the questions about one primary value.
func (s *Scanner) batchOf(b *beside) batch {
	out := batch{questions: s.questions(b), besides: []*beside{b}}
	for _, q := range out.questions {
		out.rows += q.Limit
		out.cells += q.Limit * len(q.SameRow)
		out.bytes += 128 + len(q.Column)
		for name, tokens := range q.SameRow {
			out.bytes += len(name) + 8 + 27*len(tokens)
		}
	}
	return out
}

// corroborate asks which of the values near each primary value stand in its rows.
func (s *Scanner) corroborate(ctx context.Context, t *text, all []primary, f *finds) error {
	var now batch
	for _, p := range all {
		next := s.batchOf(s.besides(t, p))
		if !now.fits(next) {
			if err := s.ask(ctx, t, now, f); err != nil {
				return err
			}
			now = batch{}
		}
		now.add(next)
	}
	return s.ask(ctx, t, now, f)
}

// ask asks a batch, in as many calls as its largest primary value needs.
func (s *Scanner) ask(ctx context.Context, t *text, b batch, f *finds) error {
	var answers []edm.MatchAnswer
	for len(b.questions) > 0 {
		n := whole(b.questions)
		got, err := s.table.match(ctx, b.questions[:n])
		if err != nil {
			return err
		}
		answers, b.questions = append(answers, got...), b.questions[n:]
	}
	for _, one := range b.besides {
		if err := s.judge(t, one, answers[:one.asks], f); err != nil {
			return err
		}
		answers = answers[one.asks:]
	}
	return nil
}

// whole is how many of the questions fit one match, at least one.
func whole(questions []edm.MatchQuestion) int {
	rows, cells, bytes := 0, 0, 0
	for i, q := range questions {
		rows += q.Limit
		cells += q.Limit * len(q.SameRow)
		for _, tokens := range q.SameRow {
			bytes += 27 * len(tokens)
		}
		if i > 0 && (i == edm.MaxQuestions || rows > edm.MaxMatchRows || cells > edm.MaxMatchCells || bytes > maxBody) {
			return i
		}
	}
	return len(questions)
}

// judge makes finds of the rows of a primary value that have enough columns.
func (s *Scanner) judge(t *text, b *beside, answers []edm.MatchAnswer, f *finds) error {
	if err := f.closeBefore(t.words[b.first].start - int64(s.reach())); err != nil {
		return err
	}
	questions := s.questions(b)
	for i, row := range answers[0].Rows {
		var near []corroboration
		for n, answer := range answers {
			if i >= len(answer.Rows) || answer.Rows[i].Row != row.Row {
				return errReplaced // the same question has other rows
			}
			near = s.matched(near, b, questions[n], answer.Rows[i])
		}
		columns, place := s.choose(t, b.primary, near)
		if bits.OnesCount32(columns) >= s.o.MinColumns && columns&s.mandatory == s.mandatory {
			f.add(&find{row.Row, columns, place})
		}
	}
	return nil
}

// matched appends the candidates whose tokens stand in a row.
func (s *Scanner) matched(dst []corroboration, b *beside, q edm.MatchQuestion, row edm.MatchRow) []corroboration {
	for c := range s.table.columns {
		at, ok := row.Matched[s.table.columns[c].Name]
		if !ok {
			continue
		}
		for _, one := range b.of[c][q.SameRow[s.table.columns[c].Name][at]] {
			dst = append(dst, corroboration{one, c})
		}
	}
	return dst
}

// choose takes, nearest first, one place of each column; no part of the text counts
// twice.
func (s *Scanner) choose(t *text, p primary, near []corroboration) (columns uint32, all place) {
	s.nearest(p, near)
	columns, all = 1<<p.column, t.place(p.candidate)
	var taken []candidate
	for _, one := range near {
		if columns&(1<<one.column) != 0 || slices.ContainsFunc(taken, func(c candidate) bool { return overlap(c, one.candidate) }) {
			continue
		}
		columns |= 1 << one.column
		all = all.join(t.place(one.candidate))
		taken = append(taken, one.candidate)
	}
	return columns, all
}

// find is a row that some columns of are in the text.
type find struct {
	row     int64
	columns uint32
	place
}

// finds are those of one file. Finds of a row that overlap are one.
type finds struct {
	scanner *Scanner
	name    string
	yield   func(Find) error
	open    []*find
}

func (f *finds) add(one *find) {
	f.open = slices.DeleteFunc(f.open, func(o *find) bool {
		if o.row != one.row || o.start > one.end || one.start > o.end {
			return false
		}
		one.columns |= o.columns
		one.place = one.join(o.place)
		return true
	})
	f.open = append(f.open, one)
}

// closeBefore yields the finds that end before a place: nothing comes that overlaps
// them.
func (f *finds) closeBefore(at int64) error {
	var closed []*find
	f.open = slices.DeleteFunc(f.open, func(o *find) bool {
		if o.end >= at {
			return false
		}
		closed = append(closed, o)
		return true
	})
	slices.SortFunc(closed, func(a, b *find) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.row, b.row)) })
	for _, o := range closed {
		s := f.scanner
		err := f.yield(Find{
			File: f.name, Store: s.table.name, Row: o.row, Columns: s.columnsOf(o.columns), Bytes: Range{o.raw, o.rawEnd},
			Lines: Range{int64(o.line), int64(o.lastLine)}, Generation: s.table.live.Generation, SessionID: s.table.live.SessionID,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// end yields what is left.
func (f *finds) end() error { return f.closeBefore(1<<63 - 1) }

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

// hood is a part of the text around primary values: the candidates that begin with
// its words, and their tokens in every column.
type hood struct {
	lo, hi int // words
	all    []candidate
	at     []int    // by word, the first candidate that begins with it
	tokens []tokens // by column
}

// hoodOf hashes the candidates that begin with the words from lo up to and without
// hi.
func (s *Scanner) hoodOf(t *text, lo, hi int) *hood {
	h := &hood{lo: lo, hi: hi, all: t.candidates(nil, lo, hi, s.most), at: make([]int, hi-lo+1)}
	for i := len(h.all) - 1; i >= 0; i-- {
		h.at[h.all[i].first-lo] = i
	}
	h.at[hi-lo] = len(h.all)
	for c := range s.table.columns {
		h.tokens = append(h.tokens, s.tokensOf(c, t.bytes, h.all))
	}
	return h
}

// tokensOf are the tokens of all candidates, zeros for those that are no values of the
// column.
func (s *Scanner) tokensOf(c int, text []byte, all []candidate) tokens {
	some := s.mayBe(c, text, all)
	hashed, out, n := s.table.tokens(c, text, some), make(tokens, len(all)*fingerprint.TokenSize), 0
	for i := range all {
		if n < len(some) && some[n] == all[i] {
			copy(out[i*fingerprint.TokenSize:], hashed[n*fingerprint.TokenSize:(n+1)*fingerprint.TokenSize])
			n++
		}
	}
	return out
}

// beside is what stands near a primary value: candidates of a hood, and by column
// the tokens that are asked for.
type beside struct {
	primary
	hood      *hood
	near      []int // candidates of the hood
	tokens    [][]fingerprint.Token
	questions []edm.MatchQuestion
}

// besides finds what stands near a primary value.
func (s *Scanner) besides(t *text, p primary, h *hood) *beside {
	b := &beside{primary: p, hood: h, tokens: make([][]fingerprint.Token, len(s.table.columns))}
	lo, hi := t.around(p.candidate, s.most, int64(s.o.Within))
	for i := h.at[lo-h.lo]; i < h.at[hi-h.lo]; i++ {
		if one := h.all[i]; !overlap(one, p.candidate) && gap(one, p.candidate) <= int64(s.o.Within) {
			b.near = append(b.near, i)
		}
	}
	for c := range s.table.columns {
		if c != p.column {
			b.tokens[c] = s.worthAsking(b, c)
		}
	}
	b.questions = s.questions(b)
	return b
}

// worthAsking are the tokens that candidates near a primary value have in a column,
// each once, without those that no row holds.
func (s *Scanner) worthAsking(b *beside, c int) (out []fingerprint.Token) {
	seen := make(map[fingerprint.Token]bool, len(b.near))
	for _, i := range b.near {
		token := b.hood.tokens[c].at(i)
		if token == (fingerprint.Token{}) || seen[token] {
			continue
		}
		seen[token] = true
		if total, isKnown := s.table.known.get(token); !isKnown || total > 0 {
			out = append(out, token)
		}
	}
	return out
}

// questions are the questions about a primary value: one for as many tokens of each
// column as a question takes.
func (s *Scanner) questions(b *beside) []edm.MatchQuestion {
	one := edm.MatchQuestion{Column: s.table.columns[b.column].Name, Token: textOf(b.token), Limit: int(b.total)}
	out := []edm.MatchQuestion{one}
	for c, tokens := range b.tokens {
		for at := 0; at*edm.MaxSameRowTokens < len(tokens); at++ {
			if at == len(out) {
				out = append(out, one)
			}
			if out[at].SameRow == nil {
				out[at].SameRow = map[string][]string{}
			}
			some := tokens[at*edm.MaxSameRowTokens : min(len(tokens), (at+1)*edm.MaxSameRowTokens)]
			texts := make([]string, len(some))
			for i := range some {
				texts[i] = textOf(some[i])
			}
			out[at].SameRow[s.table.columns[c].Name] = texts
		}
	}
	return out
}

func textOf(token fingerprint.Token) string { return base64.StdEncoding.EncodeToString(token[:]) }

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
	out := batch{questions: b.questions, besides: []*beside{b}}
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

// hoodWords is about how many words have their candidates hashed at once.
const hoodWords = 4096

// hoods splits primary values, in the order of the text, into those whose
// surroundings are hashed together.
func (s *Scanner) hoods(t *text, all []primary, each func(*hood, []primary) error) error {
	for len(all) > 0 {
		lo, hi := t.around(all[0].candidate, s.most, int64(s.o.Within))
		n := 1
		for ; n < len(all); n++ {
			from, to := t.around(all[n].candidate, s.most, int64(s.o.Within))
			if max(hi, to)-min(lo, from) > hoodWords {
				break
			}
			lo, hi = min(lo, from), max(hi, to)
		}
		if err := each(s.hoodOf(t, lo, hi), all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// corroborate asks which of the values near each primary value stand in its rows.
func (s *Scanner) corroborate(ctx context.Context, t *text, all []primary, f *finds) error {
	var now batch
	err := s.hoods(t, all, func(h *hood, some []primary) error {
		for _, p := range some {
			next := s.batchOf(s.besides(t, p, h))
			if !now.fits(next) {
				if err := s.ask(ctx, t, now, f); err != nil {
					return err
				}
				now = batch{}
			}
			now.add(next)
		}
		return nil
	})
	if err != nil {
		return err
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
		asked := len(one.questions)
		if err := s.judge(t, one, answers[:asked], f); err != nil {
			return err
		}
		answers = answers[asked:]
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
	for i, row := range answers[0].Rows {
		var near []corroboration
		for n, answer := range answers {
			if i >= len(answer.Rows) || answer.Rows[i].Row != row.Row {
				return errReplaced // the same question has other rows
			}
			near = s.matched(near, b, n, answer.Rows[i])
		}
		columns, place := s.choose(t, b.primary, near)
		if bits.OnesCount32(columns) >= s.o.MinColumns && columns&s.mandatory == s.mandatory {
			f.add(&find{row.Row, columns, place})
		}
	}
	return nil
}

// matched appends the candidates whose tokens stand in a row, as the answer to one
// of the questions says.
func (s *Scanner) matched(dst []corroboration, b *beside, question int, row edm.MatchRow) []corroboration {
	for c := range s.table.columns {
		at, ok := row.Matched[s.table.columns[c].Name]
		if !ok {
			continue
		}
		token := b.tokens[c][question*edm.MaxSameRowTokens+at]
		for _, i := range b.near {
			if b.hood.tokens[c].at(i) == token {
				dst = append(dst, corroboration{b.hood.all[i], c})
			}
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

package pipeline

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"sync"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

// samplesOfUpload is how many rows an upload remembers at most.
const samplesOfUpload = 16

// Sample is one row of the blocks that an upload made, by which a service that
// has indexed the table proves it: Token stands in Column, and in the same row
// the tokens of SameRow by column. Row counts the good rows from 0. Tokens are
// standard base64; they are kept in memory and written nowhere.
type Sample struct {
	Row           int64
	Column, Token string
	SameRow       map[string]string
}

// Sampler takes samples of the blocks as they pass. Another pass over the same
// blocks samples them anew.
type Sampler struct {
	columns []schema.Column
	rows    map[int][]int // block → rows in it

	mu    sync.Mutex
	found map[int64]Sample
}

// NewSampler draws the rows to take: each row of the table as likely as any other.
func NewSampler(plan Plan, prepared *Prepared) *Sampler {
	s := &Sampler{columns: plan.Columns, rows: map[int][]int{}, found: map[int64]Sample{}}
	for range min(samplesOfUpload, prepared.Rows) {
		row := rand.Int64N(prepared.Rows) //nolint:gosec // which rows are looked at is no secret
		index := int(row / int64(plan.RowsPerBlock))
		if at := int(row % int64(plan.RowsPerBlock)); !slices.Contains(s.rows[index], at) {
			s.rows[index] = append(s.rows[index], at)
		}
	}
	return s
}

// Take keeps the drawn rows of a block. A row without a value in a searchable
// column cannot be found by anybody and is left out.
func (s *Sampler) Take(index int, data []byte) {
	rows := s.rows[index]
	if len(rows) == 0 {
		return
	}
	b, err := block.Decode(data)
	if err != nil {
		return // we made it: the service refuses it if it is damaged
	}
	for _, at := range rows {
		if one, ok := s.sampleOf(b, at); ok {
			s.mu.Lock()
			s.found[one.Row] = one
			s.mu.Unlock()
		}
	}
}

func (s *Sampler) sampleOf(b *block.Block, at int) (Sample, bool) {
	one := Sample{Row: b.FirstRow + int64(at), SameRow: map[string]string{}}
	for c, column := range s.columns {
		token := b.Token(c, at)
		if token == (fingerprint.Token{}) {
			continue
		}
		text := base64.StdEncoding.EncodeToString(token[:])
		if one.Column == "" && column.IsSearchable {
			one.Column, one.Token = column.Name, text
			continue
		}
		one.SameRow[column.Name] = text
	}
	return one, one.Column != ""
}

// Samples are those taken so far, by row.
func (s *Sampler) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Sample, 0, len(s.found))
	for _, one := range s.found {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Sample) int { return int(a.Row - b.Row) })
	return out
}

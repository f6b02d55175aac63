// Package lookup asks a data store whether it holds plain values. The values
// and the key stay here: only tokens and the key's id are sent.
package lookup

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/live"
	"exactmatch.dev/operator/internal/schema"
)

// Query is what all questions of an Asker have in common. Store is the data
// store's displayName and Column one of its searchable columns. SameRow holds
// plain cells that are compared within the rows found, at most one of a column.
// Limit bounds the rows of each answer, from 1 to 1000; 0 is the service's own.
type Query struct {
	Key     []byte
	Store   string
	Column  string
	SameRow []Cell
	Limit   int
}

// Cell is a plain value in a column.
type Cell struct{ Column, Value string }

// Found is the answer for one value. Total counts all rows that hold it, Rows
// are at most as many as the limit of the query.
type Found struct {
	Value      int    `json:"value"`
	Total      int64  `json:"total"`
	Generation int64  `json:"generation"`
	SessionID  string `json:"sessionId"`
	Rows       []Row  `json:"rows"`
}

// Row is a row that holds a value. Matched names, sorted, the columns whose cell of
// SameRow stands in it.
type Row struct {
	Row     int64    `json:"row"`
	Matched []string `json:"matched,omitempty"`
}

var (
	errEmpty     = errors.New("nothing is left of it once white space and the column's ignored delimiters are dropped, so no row can hold it: leave it out")
	errNotUTF8   = errors.New("not valid UTF-8: give the text in UTF-8")
	errNoMatch   = errors.New("the service's answer is not the answer to a match: check --endpoint")
	errDuplicate = errors.New("names a column that an earlier one names: give each column once")
)

// Asker asks one data store. All its answers are of one generation of the live
// table. It is not safe for concurrent use.
type Asker struct {
	stores edm.Stores
	query  Query
	batch  int // values of one call

	mu     sync.Mutex
	under  *rules
	opened int   // how often the store was read
	given  int64 // the generation of the answers that were given, 0 before the first
	stale  error // why the store is not read again
}

// rules are what questions are asked under: those of the live table of one
// generation, 0 where the store shows none.
type rules struct {
	storeID    string
	generation int64
	request    edm.MatchRequest  // without its questions
	question   edm.MatchQuestion // without its token
	hasher     *fingerprint.Hasher
}

// Open finds the data store and hashes the cells of SameRow. Errors name the
// flag that is wrong, never a value.
func Open(ctx context.Context, stores edm.Stores, q Query) (*Asker, error) {
	a := &Asker{stores: stores, query: q, batch: batchOf(q)}
	var err error
	a.under, err = a.open(ctx)
	return a, err
}

// batchOf is how many values may be asked for at once.
func batchOf(q Query) int {
	limit := cmp.Or(q.Limit, edm.DefaultLimit)
	return max(1, min(edm.MaxQuestions, edm.MaxMatchRows/limit, edm.MaxMatchCells/(limit*max(1, len(q.SameRow)))))
}

// open reads the store and makes the hashers of its live table.
func (a *Asker) open(ctx context.Context) (*rules, error) {
	a.opened++
	store, err := live.StoreNamed(ctx, a.stores, a.query.Store)
	if err != nil {
		return nil, err
	}
	key, err := fingerprint.NewKey(a.query.Key)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	if store.Live != nil && len(store.Live.Columns) > 0 {
		store.Columns = store.Live.Columns // a question is under the rules of the table
	}
	column, ok := columnNamed(store, a.query.Column)
	if !ok {
		return nil, fmt.Errorf("data store %q has no column %q; it has %s", store.DisplayName, a.query.Column, live.ColumnNames(store.Columns))
	}
	r := &rules{
		storeID: store.ID, request: edm.MatchRequest{KeyID: key.ID(store.DisplayName).String()},
		question: edm.MatchQuestion{Column: a.query.Column, Limit: a.query.Limit},
	}
	if store.Live != nil {
		r.generation = store.Live.Generation
	}
	if r.hasher, err = key.Hasher(store.DisplayName, column); err != nil {
		return nil, err
	}
	if r.question.SameRow, err = sameRow(key, store, a.query.SameRow); err != nil {
		return nil, err
	}
	r.request.RulesIDs = rulesIDs(store, r.question)
	return r, nil
}

// rulesIDs names the rules of the columns that are asked for.
func rulesIDs(store *edm.DataStore, question edm.MatchQuestion) map[string]string {
	out := map[string]string{}
	for _, c := range store.Columns {
		if _, same := question.SameRow[c.Name]; same || c.Name == question.Column {
			out[c.Name] = edm.RulesOf(c)
		}
	}
	return out
}

// Ask asks for one value. It fails with a *ValueError.
func (a *Asker) Ask(ctx context.Context, v Value) (Found, error) {
	got := a.give(ctx, a.ask(ctx, []Value{v}))
	if got.err != nil {
		return Found{}, got.err
	}
	return got.found[0], nil
}

// match asks for the tokens of values, again where the service asks to wait. It is
// safe for concurrent use. What it fails with is of the first value.
func (a *Asker) match(ctx context.Context, under *rules, values []Value, tokens []string) outcome {
	request, number := under.request, values[0].Number
	for _, token := range tokens {
		question := under.question
		question.Token = token
		request.Questions = append(request.Questions, question)
	}
	got, err := live.Match(ctx, a.stores, under.storeID, request, slog.Int("value", number))
	if err == nil {
		return checked(values, got)
	}
	return outcome{values: values, err: &ValueError{number, err}}
}

// checked refuses answers that the contract does not know: an empty object would
// read as a "no".
func checked(values []Value, got *edm.MatchResponse) outcome {
	out := outcome{values: values, generation: got.Generation}
	for i, v := range values {
		if got.SessionID == "" || len(got.Answers) != len(values) {
			return outcome{values: values, err: &ValueError{v.Number, errNoMatch}}
		}
		one := got.Answers[i]
		if one.Total < int64(len(one.Rows)) || one.Total > 0 && len(one.Rows) == 0 {
			return outcome{values: values, err: &ValueError{v.Number, errNoMatch}}
		}
		found := Found{Value: v.Number, Total: one.Total, Generation: got.Generation, SessionID: got.SessionID, Rows: []Row{}}
		for _, row := range one.Rows {
			found.Rows = append(found.Rows, Row{Row: row.Row, Matched: row.MatchedColumns()})
		}
		out.found = append(out.found, found)
	}
	return out
}

func columnNamed(store *edm.DataStore, name string) (schema.Column, bool) {
	for _, c := range store.Columns {
		if c.Name == name {
			return schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}, true
		}
	}
	return schema.Column{}, false
}

// sameRow hashes cells under their columns' rules. What names no column may be a
// part of a value, so errors count the cells and repeat nothing of them.
func sameRow(key fingerprint.Key, store *edm.DataStore, cells []Cell) (map[string][]string, error) {
	out := map[string][]string{}
	for i, cell := range cells {
		column, ok := columnNamed(store, cell.Column)
		if !ok {
			return nil, fmt.Errorf("--same-row %d does not begin with a column of data store %q and =; it has %s", i+1, store.DisplayName, live.ColumnNames(store.Columns))
		}
		if out[column.Name] != nil {
			return nil, fmt.Errorf("--same-row %d %w", i+1, errDuplicate)
		}
		hasher, err := key.Hasher(store.DisplayName, column)
		if err != nil {
			return nil, err
		}
		token, err := tokenOf(hasher, cell.Value)
		if err != nil {
			return nil, fmt.Errorf("--same-row %d: %w", i+1, err)
		}
		out[column.Name] = []string{token}
	}
	return out, nil
}

// tokenOf hashes a value, in base64. It refuses what no row can hold, which
// would be a "no" otherwise.
func tokenOf(hasher *fingerprint.Hasher, value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", errNotUTF8
	}
	token := hasher.AppendToken(nil, []byte(value))
	if fingerprint.Token(token) == (fingerprint.Token{}) {
		return "", errEmpty
	}
	return base64.StdEncoding.EncodeToString(token), nil
}

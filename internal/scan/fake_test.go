package scan

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

var testKey = []byte("a key for tests that has 32 bytes or more")

// fakeStores is a data store with a live table, which answers as API.md says.
type fakeStores struct {
	edm.Stores
	columns []edm.Column
	rows    [][]string // tokens, by row and column

	mu         sync.Mutex
	generation int64
	requests   []edm.MatchRequest
	fails      func(call int) error
}

const storeName = "people"

func schemaOf(c edm.Column) schema.Column {
	return schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}
}

// newFake makes a table live. Cells of a row are in the order of the columns.
func newFake(t testing.TB, columns []edm.Column, rows ...[]string) *fakeStores {
	t.Helper()
	f := &fakeStores{columns: edm.WithRules(columns), generation: 7}
	key, err := fingerprint.NewKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		var tokens []string
		for i, c := range columns {
			hasher, err := key.Hasher(storeName, schemaOf(c))
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, base64.StdEncoding.EncodeToString(hasher.AppendToken(nil, []byte(row[i]))))
		}
		f.rows = append(f.rows, tokens)
	}
	return f
}

func (f *fakeStores) List(context.Context, edm.Query) ([]edm.DataStore, error) {
	key, err := fingerprint.NewKey(testKey)
	if err != nil {
		return nil, err
	}
	live := &edm.Live{SessionID: "s", Generation: f.generation, KeyID: key.ID(storeName).String(), Columns: f.columns, Rows: int64(len(f.rows))}
	return []edm.DataStore{{ID: "1", DisplayName: storeName, Live: live}}, nil
}

func (f *fakeStores) Match(_ context.Context, _ string, q edm.MatchRequest) (*edm.MatchResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, q)
	if f.fails != nil {
		if err := f.fails(len(f.requests)); err != nil {
			return nil, err
		}
	}
	if err := f.bounds(q); err != nil {
		return nil, err
	}
	out := &edm.MatchResponse{Generation: f.generation, SessionID: "s"}
	for _, one := range q.Questions {
		out.Answers = append(out.Answers, f.answer(one))
	}
	return out, nil
}

// bounds refuses what API.md says that a service refuses.
func (f *fakeStores) bounds(q edm.MatchRequest) error {
	rows, cells := 0, 0
	for i, one := range q.Questions {
		c := f.column(one.Column)
		if !f.columns[c].IsSearchable || q.RulesIDs[one.Column] != f.columns[c].RulesID || one.Limit < 1 || one.Limit > edm.MaxLimit {
			return fmt.Errorf("questions[%d]", i)
		}
		for name, tokens := range one.SameRow {
			if len(tokens) == 0 || len(tokens) > edm.MaxSameRowTokens || q.RulesIDs[name] != f.columns[f.column(name)].RulesID {
				return fmt.Errorf("questions[%d].sameRow: %s", i, name)
			}
		}
		rows += one.Limit
		cells += one.Limit * len(one.SameRow)
	}
	if len(q.Questions) == 0 || len(q.Questions) > edm.MaxQuestions || rows > edm.MaxMatchRows || cells > edm.MaxMatchCells {
		return fmt.Errorf("%d questions, %d rows, %d cells", len(q.Questions), rows, cells)
	}
	return nil
}

func (f *fakeStores) column(name string) int {
	return slices.IndexFunc(f.columns, func(c edm.Column) bool { return c.Name == name })
}

var emptyToken = base64.StdEncoding.EncodeToString(make([]byte, fingerprint.TokenSize))

func (f *fakeStores) answer(q edm.MatchQuestion) (out edm.MatchAnswer) {
	for row, tokens := range f.rows {
		if q.Token == emptyToken || tokens[f.column(q.Column)] != q.Token {
			continue
		}
		if out.Total++; int(out.Total) > q.Limit {
			continue
		}
		one := edm.MatchRow{Row: int64(row), Matched: map[string]int{}}
		for name, same := range q.SameRow {
			if at := slices.Index(same, tokens[f.column(name)]); at >= 0 && same[at] != emptyToken {
				one.Matched[name] = at
			}
		}
		out.Rows = append(out.Rows, one)
	}
	return out
}

// options are the command's, but for what a test changes.
func options(change func(*Options)) Options {
	o := Options{MaxWords: 6, Within: 300}
	if change != nil {
		change(&o)
	}
	return o
}

func (f *fakeStores) open(t testing.TB, change func(*Options)) *Scanner {
	t.Helper()
	s, err := Open(t.Context(), f, testKey, storeName, options(change))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// scan returns the finds of a text, each on a line as the command prints them
// without the file and the store.
func (f *fakeStores) scan(t testing.TB, text string, change func(*Options)) []string {
	t.Helper()
	var out []string
	err := f.open(t, change).Scan(t.Context(), "-", strings.NewReader(text), func(one Find) error {
		out = append(out, fmt.Sprintf("%d:%s:%q", one.Row, strings.Join(one.Columns, ","), text[one.Bytes.Start:one.Bytes.End]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

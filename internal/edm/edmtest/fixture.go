package edmtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

// Subject is what the suite runs against. Every case gets one of its own.
type Subject struct {
	Service edm.Service
	// MaxCommits is the quota of commits of the service behind it.
	MaxCommits int
}

// fixture is what the cases share: a store of three columns and its key.
type fixture struct {
	Subject
	ctx   context.Context
	key   fingerprint.Key
	store *edm.DataStore
	agent *edm.UploadAgent
}

const rowsPerBlock = 4

func newKey(t *testing.T) fingerprint.Key {
	t.Helper()
	key, err := fingerprint.NewKey([]byte("conformance suite key: 32 bytes or more"))
	must(t, err)
	return key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError fails unless err is the service's word with that status and code.
func wantError(t *testing.T, err error, status int, code string) *edm.Error {
	t.Helper()
	var e *edm.Error
	if !errors.As(err, &e) {
		t.Fatalf("want a %d %s, got %v", status, code, err)
	}
	if e.Status != status || e.Code != code || e.Message == "" {
		t.Fatalf("want a %d %s with a message, got %d %s %q", status, code, e.Status, e.Code, e.Message)
	}
	return e
}

// open makes the fixture's agent and store.
func (f *fixture) open(t *testing.T) {
	t.Helper()
	agent, err := f.Service.Agents().Create(f.ctx, edm.UploadAgent{Description: "conformance"}, uuid.NewString())
	must(t, err)
	store, err := f.Service.Stores().Create(f.ctx, edm.DataStore{
		DisplayName: "people-" + uuid.NewString()[:8], Columns: []edm.Column{
			{Name: "ID", IsSearchable: true}, {Name: "Email", IsSearchable: true, IsCaseInsensitive: true}, {Name: "City"},
		},
	}, uuid.NewString())
	must(t, err)
	f.agent, f.store = agent, store
}

// session opens a session with the given number of blocks.
func (f *fixture) session(t *testing.T, blocks int) *edm.Session {
	t.Helper()
	s, err := f.Service.Sessions().Create(f.ctx, f.store.ID, f.wanted(blocks), uuid.NewString())
	must(t, err)
	return s
}

func (f *fixture) wanted(blocks int) edm.Session {
	rows, total := int32(rowsPerBlock), int32(blocks)
	return edm.Session{
		UploadAgentID: f.agent.ID, Fields: peopleColumns, FileName: "people.csv",
		RowsPerBlock: &rows, TotalBlockCount: &total, KeyID: f.key.ID(f.store.DisplayName).String(),
		ContentKey: "sha256:" + fmt.Sprintf("%064x", blocks),
	}
}

func (f *fixture) get(t *testing.T, id string) *edm.Session {
	t.Helper()
	s, err := f.Service.Sessions().Get(f.ctx, f.store.ID, id)
	must(t, err)
	return s
}

// eventually reads the session until its state is reached. Indexing is the only
// thing that the contract does not do at once.
func (f *fixture) eventually(t *testing.T, id string, state edm.State) *edm.Session {
	t.Helper()
	ctx, stop := context.WithTimeout(f.ctx, 30*time.Second)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s := f.get(t, id)
		if s.State == state {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the session stays %s; want %s", s.State, state)
		case <-tick.C:
		}
	}
}

// token is a cell's token in base64, under the rules that the store was made with.
func (f *fixture) token(t *testing.T, column, cell string) string {
	t.Helper()
	return f.tokenUnder(t, f.store.Columns, column, cell)
}

func (f *fixture) tokenUnder(t *testing.T, columns []edm.Column, column, cell string) string {
	t.Helper()
	for _, c := range columns {
		if c.Name != column {
			continue
		}
		h, err := f.key.Hasher(f.store.DisplayName, schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
		must(t, err)
		return base64.StdEncoding.EncodeToString(h.AppendToken(nil, []byte(cell)))
	}
	t.Fatalf("no column %s", column)
	return ""
}

// publish brings a table all the way and returns its session.
func (f *fixture) publish(t *testing.T, rows [][]string) *edm.Session {
	t.Helper()
	blocks := f.blocks(t, rows)
	s := f.session(t, len(blocks))
	f.stageAll(t, s, blocks)
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	return f.eventually(t, s.ID, edm.StateCompleted)
}

// peopleColumns are the columns of people.
var peopleColumns = []string{"ID", "Email", "City"}

// people makes a table of n rows.
func people(n int) [][]string {
	rows := make([][]string, 0, n)
	for i := range n {
		rows = append(rows, []string{fmt.Sprintf("P-%d", i), fmt.Sprintf("P%d@example.com", i), []string{"Oslo", "Lima", ""}[i%3]})
	}
	return rows
}

// found is the answer to one question, with what all answers of a call share.
type found struct {
	edm.MatchAnswer
	generation int64
	sessionID  string
}

// match asks one question in plain text.
func (f *fixture) match(t *testing.T, column, cell string, same map[string]string) found {
	t.Helper()
	got := f.matches(t, f.question(t, column, cell, same))
	return found{got.Answers[0], got.Generation, got.SessionID}
}

// matches asks questions of one call.
func (f *fixture) matches(t *testing.T, questions ...edm.MatchQuestion) *edm.MatchResponse {
	t.Helper()
	got, err := f.Service.Stores().Match(f.ctx, f.store.ID, f.batch(questions...))
	must(t, err)
	return got
}

// batch is a match under the fixture's key.
func (f *fixture) batch(questions ...edm.MatchQuestion) edm.MatchRequest {
	return edm.MatchRequest{KeyID: f.key.ID(f.store.DisplayName).String(), Questions: questions}
}

// question asks for a plain cell, and for one beside it in each column of same.
func (f *fixture) question(t *testing.T, column, cell string, same map[string]string) edm.MatchQuestion {
	t.Helper()
	q := edm.MatchQuestion{Column: column, Token: f.token(t, column, cell), SameRow: map[string][]string{}}
	for name, text := range same {
		q.SameRow[name] = []string{f.token(t, name, text)}
	}
	return q
}

// lookupRows asks Graph's lookup and returns its lines as objects.
func (f *fixture) lookupRows(t *testing.T, result []string, tokens ...string) []map[string]any {
	t.Helper()
	lines, err := f.Service.Stores().Lookup(f.ctx, f.store.ID, edm.LookupRequest{
		Key: f.key.ID(f.store.DisplayName).String(), Values: tokens, ResultColumnNames: result,
	})
	must(t, err)
	out := make([]map[string]any, 0, len(lines))
	for _, line := range lines {
		row := map[string]any{}
		must(t, json.Unmarshal([]byte(line), &row))
		out = append(out, row)
	}
	return out
}

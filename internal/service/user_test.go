package service_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	blocks "exactmatch.dev/operator/internal/upload"
)

const people = "people"

var (
	key     = []byte("a key for tests that has 32 bytes or more")
	columns = []schema.Column{{Name: "ID"}, {Name: "Mail", IsCaseInsensitive: true}, {Name: "City"}}
)

// tableOf is a table of n rows of one edition: the ids stay, the rest is the
// edition's.
func tableOf(n int, edition string) string {
	var text strings.Builder
	text.WriteString("ID,Mail,City\n")
	for i := range n {
		fmt.Fprintf(&text, "P-%d,%s%d@example.com,%s\n", i, edition, i, edition)
	}
	return text.String()
}

// user brings tables to a service.
type user struct {
	t      *testing.T
	client *rest.Client
	store  *edm.DataStore
	agent  *edm.UploadAgent
	lanes  int // of an upload
}

func newUser(t *testing.T, c *rest.Client) *user {
	t.Helper()
	u := &user{t: t, client: c, lanes: 4}
	var err error
	u.agent, err = c.Agents().Create(t.Context(), edm.UploadAgent{Description: "tests"}, uuid.NewString())
	testkit.Must(t, err)
	u.store, err = c.Stores().Create(t.Context(), edm.DataStore{DisplayName: people, Columns: []edm.Column{
		{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, {Name: "City"},
	}}, uuid.NewString())
	testkit.Must(t, err)
	return u
}

// open prepares a table and opens its session.
func (u *user) open(text string, rowsPerBlock int) (pipeline.Plan, *pipeline.Prepared, *edm.Session) {
	u.t.Helper()
	plan := pipeline.Plan{Plan: plan.Plan{Store: people, Columns: columns, RowsPerBlock: rowsPerBlock}, Source: source.Bytes("people.csv", []byte(text)), Key: key}
	p, err := pipeline.Prepare(u.t.Context(), plan)
	testkit.Must(u.t, err)
	rows, blocks := int32(rowsPerBlock), int32(p.Blocks)
	one, err := u.client.Sessions().Create(u.t.Context(), u.store.ID, edm.Session{
		UploadAgentID: u.agent.ID, Fields: []string{"ID", "Mail", "City"}, FileName: "people.csv",
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: p.KeyID, ContentKey: p.ContentKey,
	}, uuid.NewString())
	testkit.Must(u.t, err)
	return plan, p, one
}

func (u *user) upload(plan pipeline.Plan, p *pipeline.Prepared, one *edm.Session) {
	u.t.Helper()
	testkit.Must(u.t, blocks.Run(u.t.Context(), plan, p,
		blocks.Target{HTTP: http.DefaultClient, URI: func() string { return one.DataUploadURI }, Parallelism: u.lanes},
		blocks.Options{Memory: semaphore.NewWeighted(64 << 20), MemorySize: 64 << 20}))
}

// bring takes a table all the way to live.
func (u *user) bring(text string, rowsPerBlock int) *edm.Session {
	u.t.Helper()
	plan, p, one := u.open(text, rowsPerBlock)
	u.upload(plan, p, one)
	testkit.Must(u.t, u.client.Sessions().Commit(u.t.Context(), u.store.ID, one.ID, nil))
	return u.reaches(one.ID, edm.StateCompleted)
}

func (u *user) get(id string) *edm.Session {
	u.t.Helper()
	one, err := u.client.Sessions().Get(u.t.Context(), u.store.ID, id)
	testkit.Must(u.t, err)
	return one
}

// reaches reads a session until it has a state.
func (u *user) reaches(id string, state edm.State) *edm.Session {
	u.t.Helper()
	timeout := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		one := u.get(id)
		if one.State == state {
			return one
		}
		select {
		case <-tick.C:
		case <-timeout:
			u.t.Fatalf("the session stays %s, want %s", one.State, state)
		}
	}
}

func tokenOf(t *testing.T, column int, cell string) string {
	t.Helper()
	tokens, err := pipeline.Tokens(key, people, columns[column], []string{cell})
	testkit.Must(t, err)
	return base64.StdEncoding.EncodeToString(tokens[0][:])
}

// match asks for an id and whether an edition's mail and city stand in its row.
func match(ctx context.Context, c *rest.Client, store, id, mail, city string, keyID string) (*edm.MatchResponse, error) {
	return c.Stores().Match(ctx, store, edm.MatchRequest{KeyID: keyID, Questions: []edm.MatchQuestion{{Column: "ID", Token: id, SameRow: map[string][]string{"Mail": {mail}, "City": {city}}}}})
}

func keyID(t *testing.T) string {
	t.Helper()
	id, err := pipeline.KeyID(key, people)
	testkit.Must(t, err)
	return id
}

// answers wants row n of an edition from the live table.
func (u *user) answers(n int, edition string) {
	u.t.Helper()
	got, err := match(u.t.Context(), u.client, u.store.ID, tokenOf(u.t, 0, fmt.Sprintf("P-%d", n)),
		tokenOf(u.t, 1, fmt.Sprintf("%s%d@example.com", edition, n)), tokenOf(u.t, 2, edition), keyID(u.t))
	testkit.Must(u.t, err)
	if one := got.Answers[0]; one.Total != 1 || len(one.Rows) != 1 || one.Rows[0].Row != int64(n) || len(one.Rows[0].Matched) != 2 {
		u.t.Fatalf("row %d of edition %s is answered by %+v", n, edition, got)
	}
}

func (u *user) openURI() string {
	u.t.Helper()
	_, _, one := u.open(tableOf(11, "a"), 5)
	return one.DataUploadURI
}

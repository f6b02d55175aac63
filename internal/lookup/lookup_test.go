package lookup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/transfer"
)

var key = []byte("a key for tests that has 32 bytes or more")

const table = "Number,Mail,Town\nA-1,Anna@Example.com,Oslo\nA-2,bea@example.com,Lima\nA-3,,Oslo\na-2,cee@example.com,Oslo\n"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// live is a service whose store "staff" carries the table.
func live(t *testing.T) edm.Stores {
	t.Helper()
	backend, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return "token", nil }})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- backend.Run(ctx) }()
	server := httptest.NewServer(backend)
	t.Cleanup(func() {
		server.Close()
		stop()
		must(t, <-ended)
		must(t, backend.Close())
	})
	c, err := rest.New(rest.Options{Endpoint: server.URL + "/beta", Token: rest.StaticToken("token"), Pace: rest.Unpaced()})
	must(t, err)
	store, err := c.Stores().Create(t.Context(), edm.DataStore{DisplayName: "staff", Columns: []edm.Column{
		{Name: "Number", IsSearchable: true, IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}},
		{Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, {Name: "Town"},
	}}, "store")
	must(t, err)
	agent, err := c.Agents().Create(t.Context(), edm.UploadAgent{Description: "lookup"}, "agent")
	must(t, err)
	plan := transfer.Plan{
		Source: source.Bytes("staff.csv", []byte(table)), Store: "staff", Key: key, RowsPerBlock: 2,
		Columns: []transfer.Column{{Name: "Number", IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}}, {Name: "Mail", IsCaseInsensitive: true}, {Name: "Town"}},
	}
	p, err := transfer.Prepare(t.Context(), plan)
	must(t, err)
	rows, blocks := int32(2), int32(p.Blocks)
	one, err := c.Sessions().Create(t.Context(), store.ID, edm.Session{
		UploadAgentID: agent.ID, Fields: []string{"Number", "Mail", "Town"}, FileName: "staff.csv",
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: p.KeyID, ContentKey: p.ContentKey,
	}, "session")
	must(t, err)
	must(t, transfer.Upload(t.Context(), plan, p, transfer.Target{HTTP: http.DefaultClient, URI: func() string { return one.DataUploadURI }},
		transfer.Options{Memory: semaphore.NewWeighted(1 << 20), MemorySize: 1 << 20}))
	must(t, c.Sessions().Commit(t.Context(), store.ID, one.ID))
	for deadline := time.Now().Add(time.Minute); ; {
		now, err := c.Sessions().Get(t.Context(), store.ID, one.ID)
		must(t, err)
		if now.State == edm.StateCompleted {
			return c.Stores()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session stays %s", now.State)
		}
	}
}

func TestAsk(t *testing.T) {
	stores := live(t)
	found, err := lookup.Ask(t.Context(), stores, lookup.Query{
		Key: key, Store: "staff", Column: "Number", Values: []string{"a2", "A-9", "A-1", ""},
		SameRow: map[string]string{"Mail": "BEA@example.com", "Town": "Oslo"}, Limit: 5,
	})
	must(t, err)
	var table bytes.Buffer
	must(t, lookup.WriteTable(&table, found))
	want := []string{
		"VALUE FOUND ROW SAME ROW",
		"1 yes 1 Mail", // written another way in the table: case and hyphen do not matter
		"1 yes 3 Town",
		"2 no - -",
		"3 yes 0 Town",
		"4 no - -", // an empty cell is never found
	}
	var got []string
	for line := range strings.Lines(table.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var text bytes.Buffer
	must(t, lookup.WriteJSON(&text, found))
	var back []lookup.Found
	must(t, json.Unmarshal(text.Bytes(), &back))
	if len(back) != 4 || back[0].Total != 2 || back[1].Total != 0 || back[1].Rows == nil || back[0].SessionID == "" {
		t.Errorf("the JSON reads as %+v", back)
	}
	for _, secret := range []string{"A-9", "BEA", "Oslo"} {
		if strings.Contains(table.String()+text.String(), secret) {
			t.Errorf("the answer shows the value %q", secret)
		}
	}
}

func TestTheLimitIsToldOf(t *testing.T) {
	found, err := lookup.Ask(t.Context(), live(t), lookup.Query{Key: key, Store: "staff", Column: "Number", Values: []string{"A2"}, Limit: 1})
	must(t, err)
	var table bytes.Buffer
	must(t, lookup.WriteTable(&table, found))
	if !strings.Contains(table.String(), "1 more") {
		t.Errorf("printed %s", table.String())
	}
}

func TestAskSaysWhatIsWrong(t *testing.T) {
	stores := live(t)
	for name, tc := range map[string]struct {
		change func(*lookup.Query)
		words  []string
	}{
		"another store":             {func(q *lookup.Query) { q.Store = "stuff" }, []string{`"stuff"`, "it has staff"}},
		"another column":            {func(q *lookup.Query) { q.Column = "Phone" }, []string{`"Phone"`, "Number, Mail, Town"}},
		"a column without an index": {func(q *lookup.Query) { q.Column = "Town" }, []string{`"Town"`, "not searchable"}},
		"another column beside":     {func(q *lookup.Query) { q.SameRow = map[string]string{"Phone": "1"} }, []string{`"Phone"`}},
		"another key":               {func(q *lookup.Query) { q.Key = []byte("another key for tests, of 32 bytes or more") }, []string{"KeyMismatch", "use the key"}},
		"a short key":               {func(q *lookup.Query) { q.Key = []byte("short") }, []string{"32"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := lookup.Query{Key: key, Store: "staff", Column: "Number", Values: []string{"cell-value"}}
			tc.change(&q)
			_, err := lookup.Ask(t.Context(), stores, q)
			if err == nil {
				t.Fatal("it is answered")
			}
			for _, words := range tc.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if strings.Contains(err.Error(), "cell-value") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

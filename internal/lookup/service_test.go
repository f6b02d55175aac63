package lookup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/upload"
)

var key = []byte("a key for tests that has 32 bytes or more")

// live is a service with one data store, whose table it answers from.
type live struct {
	stores   edm.Stores
	endpoint string
}

// serve uploads a table of comma-separated values under these columns.
func serve(t testing.TB, name, table string, columns ...edm.Column) live {
	t.Helper()
	backend, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return "token", nil }})
	testkit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- backend.Run(ctx) }()
	server := httptest.NewServer(backend)
	t.Cleanup(func() {
		server.Close()
		stop()
		testkit.Must(t, <-ended)
		testkit.Must(t, backend.Close())
	})
	c, err := rest.New(rest.Options{Endpoint: server.URL + "/beta", Token: rest.StaticToken("token")})
	testkit.Must(t, err)
	store, err := c.Stores().Create(t.Context(), edm.DataStore{DisplayName: name, Columns: columns}, "store")
	testkit.Must(t, err)
	publish(t, c, *store, table)
	return live{c.Stores(), server.URL + "/beta"}
}

// upload makes a table of the store live.
func publish(t testing.TB, c *rest.Client, store edm.DataStore, table string) {
	t.Helper()
	agent, err := c.Agents().Create(t.Context(), edm.UploadAgent{Description: "lookup"}, "agent")
	testkit.Must(t, err)
	plan := pipeline.Plan{Plan: plan.Plan{Store: store.DisplayName, RowsPerBlock: 1000}, Source: source.Bytes("table.csv", []byte(table)), Key: key}
	fields := make([]string, 0, len(store.Columns))
	for _, c := range store.Columns {
		fields = append(fields, c.Name)
		plan.Columns = append(plan.Columns, schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
	}
	p, err := pipeline.Prepare(t.Context(), plan)
	testkit.Must(t, err)
	rows, blocks := int32(plan.RowsPerBlock), int32(p.Blocks)
	one, err := c.Sessions().Create(t.Context(), store.ID, edm.Session{
		UploadAgentID: agent.ID, Fields: fields, FileName: "table.csv",
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: p.KeyID, ContentKey: p.ContentKey,
	}, "session")
	testkit.Must(t, err)
	testkit.Must(t, upload.Run(t.Context(), plan, p, upload.Target{HTTP: http.DefaultClient, URI: func() string { return one.DataUploadURI }},
		upload.Options{Memory: semaphore.NewWeighted(1 << 20), MemorySize: 1 << 20}))
	testkit.Must(t, c.Sessions().Commit(t.Context(), store.ID, one.ID, nil))
	for deadline := time.Now().Add(time.Minute); ; {
		now, err := c.Sessions().Get(t.Context(), store.ID, one.ID)
		testkit.Must(t, err)
		if now.State == edm.StateCompleted {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session stays %s", now.State)
		}
	}
}

// numbers is a table whose column ID holds K-00001, K-00002 and so on.
func numbers(rows int) string {
	var text strings.Builder
	text.WriteString("ID\n")
	for i := range rows {
		fmt.Fprintf(&text, "K-%05d\n", i+1)
	}
	return text.String()
}

// command is the lookup command beside the files that it needs.
func (l live) command(t testing.TB, stdin io.Reader, out io.Writer, args ...string) error {
	t.Helper()
	dir := t.TempDir()
	tokenFile, keyFile := filepath.Join(dir, "token"), filepath.Join(dir, "key")
	testkit.Must(t, os.WriteFile(tokenFile, []byte("token\n"), 0o600))
	testkit.Must(t, os.WriteFile(keyFile, key, 0o600))
	c := lookup.Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append([]string{"--endpoint", l.endpoint, "--bearer-token-file", tokenFile, "--key-file", keyFile}, args...))
	c.SetIn(stdin)
	c.SetOut(out)
	c.SetErr(out)
	return c.ExecuteContext(t.Context())
}

// ask runs the command and returns what it printed, one space between words.
func (l live) ask(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := l.command(t, strings.NewReader(stdin), &out, args...)
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n"), err
}

// Package livetable is the real service with a data store whose table is live, and
// the commands that ask it.
package livetable

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/upload"
)

const bearer = "token"

// Key is the key of every store.
var Key = []byte("a key for tests that has 32 bytes or more")

// Service is a service with one data store, whose table it answers from.
type Service struct {
	Stores   edm.Stores
	Endpoint string
}

// Serve uploads a table of comma-separated values under these columns.
func Serve(t testing.TB, name, table string, columns ...edm.Column) Service {
	t.Helper()
	backend, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return bearer, nil }})
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
	c, err := rest.New(rest.Options{Endpoint: server.URL + "/beta", Token: rest.StaticToken(bearer)})
	testkit.Must(t, err)
	store, err := c.Stores().Create(t.Context(), edm.DataStore{DisplayName: name, Columns: columns}, "store")
	testkit.Must(t, err)
	publish(t, c, *store, table)
	return Service{c.Stores(), server.URL + "/beta"}
}

// publish makes a table of the store live.
func publish(t testing.TB, c *rest.Client, store edm.DataStore, table string) {
	t.Helper()
	agent, err := c.Agents().Create(t.Context(), edm.UploadAgent{Description: "tests"}, "agent")
	testkit.Must(t, err)
	plan := pipeline.Plan{Plan: plan.Plan{Store: store.DisplayName, RowsPerBlock: 1000}, Source: source.Bytes("table.csv", []byte(table)), Key: Key}
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

// Run runs a command that asks the service, with the flags of its connection.
func (s Service) Run(t testing.TB, c *cobra.Command, stdin io.Reader, out io.Writer, args ...string) error {
	t.Helper()
	dir := t.TempDir()
	tokenFile, keyFile := filepath.Join(dir, "token"), filepath.Join(dir, "key")
	testkit.Must(t, os.WriteFile(tokenFile, []byte(bearer+"\n"), 0o600))
	testkit.Must(t, os.WriteFile(keyFile, Key, 0o600))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append([]string{"--endpoint", s.Endpoint, "--bearer-token-file", tokenFile, "--key-file", keyFile}, args...))
	c.SetIn(stdin)
	c.SetOut(out)
	c.SetErr(out)
	if c.Context() == nil {
		c.SetContext(t.Context())
	}
	return c.Execute()
}

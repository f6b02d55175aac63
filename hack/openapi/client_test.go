// Package openapi makes a client of the service's OpenAPI document and uses it.
package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "github.com/oapi-codegen/runtime" // what the generated client imports

	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/service/openapi"
)

const token = "a token for tests"

// A client that a generator makes of the document brings a table and asks for its values.
func TestGeneratedClient(t *testing.T) {
	dir := t.TempDir()
	text, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	document, generated, overlay := filepath.Join(dir, "openapi.json"), filepath.Join(dir, "client.go"), filepath.Join(dir, "overlay.json")
	write(t, document, text)
	run(t, "go", "tool", "-modfile=../tools/go.mod", "oapi-codegen", "-config", "client.yaml", "-o", generated, document)
	place, err := filepath.Abs("testdata/client/client.go") // which is not in the repository
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{place: generated}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, replaced)
	run(t, "go", "run", "-overlay", overlay, "./testdata/journey", serve(t))
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), "TOKEN="+token)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, said.String())
	}
}

// serve runs a service until the test ends.
func serve(t *testing.T) (address string) {
	t.Helper()
	s, err := service.New(service.Config{Dir: t.TempDir(), MinFreeDisk: 1, Token: func() (string, error) { return token, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

package service_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/edmtest"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/service"
)

const bearer = "a token for tests"

// serve runs a service over a folder until the test ends.
func serve(t *testing.T, c service.Config) (*rest.Client, *httptest.Server) {
	t.Helper()
	c.Token = func() (string, error) { return bearer, nil }
	s, err := service.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Watch(t)
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
	return client(t, server, bearer), server
}

func client(t *testing.T, server *httptest.Server, token string) *rest.Client {
	t.Helper()
	c, err := rest.New(rest.Options{
		Endpoint: server.URL + "/beta", Token: rest.StaticToken(token), HTTP: server.Client(), Pace: rest.Unpaced(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	called := &calls{routes: map[string]bool{}}
	edmtest.Run(t, func(t *testing.T) edmtest.Subject {
		_, server := serve(t, service.Config{Dir: t.TempDir(), MaxCommits: 3, RollbackRetention: time.Hour})
		return edmtest.Subject{Service: client(t, called.recorded(t, server), bearer), MaxCommits: 3}
	})
	called.checkWhole(t)
}

func TestBlockFormatIsPublished(t *testing.T) {
	c, _ := serve(t, service.Config{Dir: t.TempDir()})
	got, err := c.BlockFormat(t.Context())
	if err != nil || got != edm.BlockFormatV1 {
		t.Fatalf("the block format is %q, %v", got, err)
	}
}

func TestAnotherTokenIsRefused(t *testing.T) {
	_, server := serve(t, service.Config{Dir: t.TempDir()})
	_, err := client(t, server, "another").Agents().List(t.Context(), edm.Query{})
	if edm.ClassOf(err) != edm.Credentials {
		t.Fatalf("another token brings %v", err)
	}
}

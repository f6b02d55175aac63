package service_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
)

// The command takes the tokens of a list alone, under the rules of its policy.
func TestTheCommandWithStaticTokens(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		testkit.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const head, token = "apiVersion: service.exactmatch.dev/v1alpha1\nkind: ", "a static token of 32 bytes or more"
	tokens := file("tokens", head+"StaticTokens\ntokens: [{name: ci, token: "+token+"}]\n")
	policy := file("policy", head+"CallerPolicy\nrules: [{entry: static-tokens, subject: ci, tenant: team, roles: [reader]}]\n")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	at := free.Addr().String()
	testkit.Must(t, free.Close())
	ctx, stop := context.WithCancel(t.Context())
	c := service.Command()
	c.SetArgs([]string{"--listen", at, "--data-dir", filepath.Join(dir, "data"), "--static-token-file", tokens, "--policy-file", policy, "--min-free-disk", "1"})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	status := func(method, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+"/beta/dataClassification/exactMatchDataStores", strings.NewReader("{}"))
		testkit.Must(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		testkit.Must(t, answer.Body.Close())
		return answer.StatusCode
	}
	for end := time.Now().Add(30 * time.Second); status(http.MethodGet, token) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never serves")
		}
	}
	for _, tc := range []struct {
		method, token string
		want          int
	}{{http.MethodGet, token, http.StatusOK}, {http.MethodPost, token, http.StatusForbidden}, {http.MethodGet, token + "x", http.StatusUnauthorized}} {
		if got := status(tc.method, tc.token); got != tc.want {
			t.Errorf("%s is answered %d, want %d", tc.method, got, tc.want)
		}
	}
	stop()
	testkit.Must(t, <-ended)
}

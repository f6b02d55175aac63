package source_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

// ownIdentity gives the process an identity of each cloud, whose tokens a server issues that is trusted.
func ownIdentity(t *testing.T, tokens string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDofTheManager")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "manager")
	t.Setenv("AZURE_TENANT_ID", "11111111-2222-3333-4444-555555555555")
	t.Setenv("AZURE_CLIENT_ID", "client")
	t.Setenv("AZURE_CLIENT_SECRET", "hush")
	account := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(account, []byte(serviceAccount(t, tokens)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
}

var buckets = []string{"s3://exports/team-a/patients.csv", "gs://exports/team-a/patients.csv", "azblob://exports/team-a/patients.csv"}

// A Secret with nothing but an endpoint must not get a request that the process signed.
func TestOwnIdentityIsNotSentWhereASecretPoints(t *testing.T) {
	var asked atomic.Int64
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/token" {
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "granted", "token_type": "Bearer", "expires_in": 3600})
		}
	}))
	ownIdentity(t, srv.URL+"/token")
	for name, identity := range map[string]source.Identity{"nothing permitted": nil, "everything permitted": source.AnyBucket} {
		for _, uri := range buckets {
			for _, more := range [][]string{nil, {"accountName", "patients"}, {"region", "eu-west-1"}, {"accountKey", " "}} {
				s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Guard: srv.guard(), Identity: identity,
					Credentials: creds(append([]string{"endpoint", srv.URL}, more...)...)})
				if err == nil {
					_, err = read(t, s, 0, source.ToEnd)
				}
				if reasonOf(err) != failure.SourceInvalid || asked.Load() != 0 {
					t.Errorf("%s, %s, %v: asked %d times, %v", name, uri, more, asked.Load(), err)
				}
			}
		}
	}
}

func TestOwnIdentityNeedsPermission(t *testing.T) {
	srv := serve(t, http.NotFoundHandler())
	ownIdentity(t, srv.URL+"/token")
	for _, uri := range buckets {
		for _, credentials := range []map[string][]byte{nil, creds("region", "eu-west-1"), creds("accountName", "victim")} {
			_, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Guard: srv.guard(), Credentials: credentials})
			if reasonOf(err) != failure.NotPermitted {
				t.Errorf("%s with %d credentials: %v", uri, len(credentials), err)
			}
		}
	}
}

// What is permitted is asked for with all that decides where the token goes.
func TestOwnIdentityIsAskedFor(t *testing.T) {
	srv := serve(t, http.NotFoundHandler())
	ownIdentity(t, srv.URL+"/token")
	for _, uri := range buckets {
		var got []string
		_, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Guard: srv.guard(), Credentials: creds("accountName", "patients"),
			Identity: func(scheme, bucket, key, account string) (string, error) {
				got = append(got, scheme+"://"+bucket+"/"+key, account)
				return account, nil
			}})
		if err != nil || len(got) != 2 || got[0] != uri || got[1] != "patients" {
			t.Errorf("%s: asked for %q, %v", uri, got, err)
		}
	}
}

package source_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

// A query may be a signature that somebody took for a part of the name: it is not
// dropped without a word, nor shown.
func TestAnObjectsURIHasNoQuery(t *testing.T) {
	for _, uri := range []string{"s3://exports/key", "gs://exports/key", "azblob://exports/key"} {
		for _, tail := range []string{"?sig=hush", "?", "#hush"} {
			_, err := source.Open(t.Context(), source.Config{URI: uri + tail, Schemes: everyScheme, Credentials: creds("anonymous", "true")})
			if reasonOf(err) != failure.SourceInvalid || !strings.Contains(err.Error(), "%3F") {
				t.Errorf("%s%s: %v", uri, tail, err)
			}
			checkNoSecret(t, err)
		}
	}
}

// Credentials of these kinds name files to read, programs to run or addresses to ask:
// none of that is a tenant's to choose.
func TestOnlyKeysOfServiceAccountsAreTaken(t *testing.T) {
	srv := serve(t, http.NotFoundHandler())
	for kind, fields := range map[string]map[string]any{
		"external_account": {
			"audience": "a", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": srv.URL + "/token",
			"credential_source": map[string]any{"file": "/etc/passwd"},
		},
		"authorized_user":              {"client_id": "a", "client_secret": "hush", "refresh_token": "hush"},
		"impersonated_service_account": {"service_account_impersonation_url": srv.URL + "/a:generateAccessToken", "source_credentials": map[string]any{"type": "authorized_user", "client_id": "a", "client_secret": "hush", "refresh_token": "hush"}},
		"":                             {"client_email": "a@b.c"},
	} {
		fields["type"] = kind
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Open(t.Context(), source.Config{URI: "gs://exports/key", Schemes: everyScheme, Guard: srv.guard(),
			Credentials: creds("endpoint", srv.URL, "serviceAccountJSON", string(text))})
		if reasonOf(err) != failure.SourceInvalid {
			t.Errorf("%q: %v", kind, err)
		}
		checkNoSecret(t, err)
	}
}

// What an answer says of itself is shown where it is a plain code, and no more of it:
// it may repeat the request.
func TestWordsOfAnAnswerAreNotRepeated(t *testing.T) {
	for code, shown := range map[string]bool{"NoSuchBucket": true, "the hush AKIDhush": false, "https://h/?sig=hush": false, strings.Repeat("hush", 50): false} {
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte("<Error><Code>" + strings.ReplaceAll(code, "&", "&amp;") + "</Code><Message>the hush</Message></Error>"))
		}))
		s, err := source.Open(t.Context(), source.Config{URI: "s3://exports/key", Schemes: everyScheme, Guard: srv.guard(),
			Credentials: creds("endpoint", srv.URL, "accessKeyID", "AKIDhush", "secretAccessKey", "hush")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(t, s, 0, source.ToEnd)
		if got := strings.Contains(err.Error(), code); got != shown {
			t.Errorf("%q is shown: %t in %v", code, got, err)
		}
		checkNoSecret(t, err)
	}
}

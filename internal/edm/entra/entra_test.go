package entra_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/entra"
	"exactmatch.dev/operator/internal/edm/rest"
)

const hush = "a-secret-that-nobody-prints"

const tenant = "11111111-2222-3333-4444-555555555555"

// entraID answers as Microsoft Entra ID does, and keeps the last form that asked
// for a token.
type entraID struct {
	status int
	body   string
	form   url.Values
}

func (e *entraID) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, ""
	const authority = "https://login.microsoftonline.com/"
	switch path := r.URL.Path; {
	case r.URL.Host != "login.microsoftonline.com":
		return nil, errors.New("no such host in this test")
	case strings.HasSuffix(path, "/discovery/instance"):
		body = `{"tenant_discovery_endpoint":"` + authority + tenant + `/v2.0/.well-known/openid-configuration","metadata":[{"preferred_network":"login.microsoftonline.com","preferred_cache":"login.windows.net","aliases":["login.microsoftonline.com"]}]}`
	case strings.HasSuffix(path, "/openid-configuration"):
		body = `{"token_endpoint":"` + authority + tenant + `/oauth2/v2.0/token","authorization_endpoint":"` + authority + tenant + `/oauth2/v2.0/authorize","issuer":"` + authority + tenant + `/v2.0"}`
	case strings.HasSuffix(path, "/token"):
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if e.form, err = url.ParseQuery(string(text)); err != nil {
			return nil, err
		}
		status, body = e.status, e.body
	default:
		status = http.StatusNotFound
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// ways are the two ways to sign in that need nothing of a machine.
func ways(t *testing.T, c *http.Client) map[string]rest.TokenSource {
	t.Helper()
	assertion := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(assertion, []byte("federated-assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", assertion)
	t.Setenv("AZURE_TENANT_ID", tenant)
	t.Setenv("AZURE_CLIENT_ID", "client-of-the-environment")
	secret, err := entra.ClientSecret(tenant, "client", hush+"\n", "https://graph.microsoft.com/.default", c)
	if err != nil {
		t.Fatal(err)
	}
	workload, err := entra.WorkloadIdentity("", "", "https://graph.microsoft.com/.default", c)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]rest.TokenSource{"client secret": secret, "workload identity": workload}
}

func TestTokensOfEntraID(t *testing.T) {
	want := map[string]url.Values{
		"client secret":     {"client_id": {"client"}, "client_secret": {hush}},
		"workload identity": {"client_id": {"client-of-the-environment"}, "client_assertion": {"federated-assertion"}},
	}
	for name := range want {
		t.Run(name, func(t *testing.T) {
			id := &entraID{status: http.StatusOK, body: `{"token_type":"Bearer","expires_in":3600,"access_token":"issued"}`}
			token, err := ways(t, &http.Client{Transport: id})[name].Token(t.Context())
			if err != nil || token != "issued" {
				t.Fatalf("%q, %v", token, err)
			}
			for field, value := range want[name] {
				if id.form.Get(field) != value[0] {
					t.Errorf("%s is not what was configured", field)
				}
			}
			if scope := id.form.Get("scope"); !strings.HasPrefix(scope, "https://graph.microsoft.com/.default") {
				t.Errorf("the scope is %q", scope)
			}
		})
	}
}

func TestEntraIDThatIssuesNone(t *testing.T) {
	for name, tc := range map[string]struct {
		way    string
		status int
		class  edm.Class
	}{
		"a wrong secret":        {"client secret", http.StatusUnauthorized, edm.Credentials},
		"an unknown federation": {"workload identity", http.StatusBadRequest, edm.Credentials},
		"an outage":             {"client secret", http.StatusServiceUnavailable, edm.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			id := &entraID{status: tc.status, body: `{"error":"invalid_client","error_description":"AADSTS7000215: wrong secret ` + hush + `"}`}
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
			defer server.Close()
			c, err := rest.New(rest.Options{Endpoint: server.URL + "/beta", Token: ways(t, &http.Client{Transport: id})[tc.way], Pace: rest.Unpaced()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Sessions().Get(t.Context(), "d", "s")
			if edm.ClassOf(err) != tc.class || !strings.Contains(err.Error(), "spec.auth") {
				t.Errorf("it ends with %v", err)
			}
			for _, secret := range []string{hush, "federated-assertion"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error says %v", err)
				}
			}
			if asked != 0 {
				t.Error("the service was asked without a token")
			}
		})
	}
}

func TestEntraIDThatDoesNotAnswer(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	source := ways(t, &http.Client{Transport: &entraID{}})["client secret"]
	if _, err := source.Token(ctx); err == nil || strings.Contains(err.Error(), hush) {
		t.Fatalf("a cancelled call ends with %v", err)
	}
}

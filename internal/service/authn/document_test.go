package authn_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
	"exactmatch.dev/operator/internal/testkit"
)

// documented are the example files of API.md, by their kind.
func documented(t *testing.T) (all map[string]string, text string) {
	t.Helper()
	raw, err := os.ReadFile("../../edm/API.md")
	testkit.Must(t, err)
	all = map[string]string{}
	for _, match := range regexp.MustCompile("(?s)```yaml\n(apiVersion: service\\.exactmatch\\.dev/v1alpha1\nkind: (\\w+)\n.*?)```").FindAllStringSubmatch(string(raw), -1) {
		all[match[2]] = match[1]
	}
	return all, string(raw)
}

// The examples of API.md do what they say, together, with keys that are here.
func TestTheDocumentedFiles(t *testing.T) {
	d := begun(t)
	files, text := documented(t)
	d.write("prod", string(d.prod.KeySet()))
	d.write("corp", string(d.corp.KeySet()))
	config := files[authn.ConfigurationKind]
	if _, err := authn.ParseConfiguration([]byte(config)); err != nil {
		t.Fatal(err)
	}
	for old, next := range map[string]string{
		"jwksURL: https://kubernetes.default.svc/openid/v1/jwks":           fmt.Sprintf("jwksFile: %q", d.path("prod")),
		"  caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt\n": "", "  tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token\n": "",
		"  audiences: [exact-data-match]\n": fmt.Sprintf("  audiences: [exact-data-match]\n  jwksFile: %q\n", d.path("corp")),
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("the example has no %q", old)
		}
		config = strings.Replace(config, old, next, 1)
	}
	d.write("config", config)
	d.write("tokens", files[authn.StaticTokensKind])
	d.write("policy", files[authn.PolicyKind])
	testkit.Must(t, d.open())
	read := []authn.Role{authn.Reader}
	cluster := authntest.Claims{"iss": "https://kubernetes.default.svc.cluster.local", "aud": []string{"exactmatch-service"}}
	corp := authntest.Claims{"iss": "https://login.example.com"}
	d.accepts(d.prod.Sign(d.prod.ServiceAccount("pay", "exactmatch", audience, d.now).With(cluster)), authn.Caller{Name: "prod:system:serviceaccount:pay:exactmatch", Tenant: "prod/pay", Roles: uploads})
	d.accepts(d.prod.Sign(d.prod.ServiceAccount("hr", "scanner", audience, d.now).With(cluster)), authn.Caller{Name: "prod:system:serviceaccount:hr:scanner", Tenant: "prod/hr", Roles: read})
	d.refuses(d.prod.Sign(d.prod.ServiceAccount("pay", "scanner", audience, d.now).With(cluster)), authn.NoRule)
	d.accepts(d.corp.Sign(d.corp.Base("ann", "exact-data-match", d.now).With(corp).With(authntest.Claims{"groups": []string{"dlp-analysts"}})), authn.Caller{Name: "corp:ann", Tenant: "analysts", Roles: read})
	d.accepts(d.corp.Sign(d.corp.Base("2f6c1f7e-proxy", "exact-data-match", d.now).With(corp)), authn.Caller{Name: "corp:2f6c1f7e-proxy", Tenant: "prod/hr", Roles: read})
	admin := authn.Caller{Name: "static-tokens:nightly-scan", Roles: []authn.Role{authn.Admin, authn.Reader}}
	d.accepts("the token that the example of API.md stands for", admin)
	d.accepts(regexp.MustCompile(`token: (\w{32,})`).FindStringSubmatch(text)[1], admin)
}

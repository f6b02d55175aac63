package authn_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
)

// FuzzFiles reads every file as each kind. What is taken keeps its promises: an issuer has an audience, nobody but an
// administrator is without a tenant, and no subject of another entry is in a namespace's tenant unless the rule says so.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(policyText))
	f.Add([]byte(staticsOf + "- {name: ci, token: " + ciToken + "}\n- {name: ci, sha256: " + sumOf("x") + "}\n"))
	f.Add([]byte(configHead + "- {name: prod, kind: Kubernetes, issuer: https://x, audiences: [a], jwksURL: https://x/keys, tokenFile: t, caFile: c}\n"))
	f.Add([]byte(policyHead + "- {entry: corp, claims: {a: true, b: c}, tenant: a/b, namespaceTenant: true, roles: [admin]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := authn.ParseConfiguration(text); err == nil {
			for _, one := range c.Issuers {
				if len(one.Audiences) == 0 || one.Audiences[0] == "" || strings.ContainsAny(one.Name, "/:") {
					t.Fatalf("an issuer is %+v", one)
				}
			}
		}
		if s, err := authn.ParseStaticTokens(text); err == nil {
			for _, one := range s.Tokens {
				if one.Name == "" || (one.Token == "") == (one.SHA256 == "") {
					t.Fatal("a token has no name, or not one form")
				}
			}
		}
		p, err := authn.ParsePolicy(text)
		if err != nil {
			return
		}
		for _, rule := range p.Rules {
			checkRule(t, rule)
		}
	})
}

func checkRule(t *testing.T, rule authn.Rule) {
	t.Helper()
	admin := false
	for _, role := range rule.Roles {
		admin = admin || role == authn.Admin
	}
	switch {
	case rule.ServiceAccount != nil && rule.Tenant != nil, rule.ServiceAccount == nil && rule.Tenant == nil:
		t.Fatalf("the tenant of a rule is not known: %+v", rule)
	case rule.ServiceAccount != nil:
	case *rule.Tenant == "" && !admin:
		t.Fatalf("a rule is without a tenant: %+v", rule)
	case strings.Contains(*rule.Tenant, "/") && !rule.NamespaceTenant:
		t.Fatalf("a rule is in a namespace's tenant: %+v", rule)
	}
}

// FuzzTokens shows tokens that the issuer signed, whatever their claims, and others. Only those of a ServiceAccount,
// for this service and for now, bring a caller, and its tenant is the namespace that the claims name twice.
func FuzzTokens(f *testing.F) {
	issuer, now, dir := authntest.New(f), time.Unix(1_800_000_000, 0), f.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
		return path
	}
	a, err := authn.Open(authn.Files{
		Configuration: write("config", configHead+"- {name: prod, kind: Kubernetes, issuer: https://issuer.example.com, audiences: [exactmatch], jwksFile: "+write("keys", string(issuer.KeySet()))+"}\n"),
		Policy:        write("policy", policyHead+"- {entry: prod, serviceAccount: {name: exactmatch}, roles: [reader]}\n"),
		Now:           func() time.Time { return now },
	})
	if err != nil {
		f.Fatal(err)
	}
	valid := issuer.ServiceAccount("hr", "exactmatch", "exactmatch", now).With(authntest.Claims{"iss": "https://issuer.example.com"})
	text, err := json.Marshal(valid)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), "", true)
	f.Add(strings.Replace(string(text), `"sub":`, `"Sub":"x","sub":`, 1), "", true)
	f.Add(strings.Replace(string(text), `:hr:`, `:hr:exactmatch:`, 1), "", true)
	f.Add(`{"iss":"https://issuer.example.com","aud":["exactmatch"],"exp":1e300}`, "", true)
	for _, token := range issuer.Forged(valid) {
		f.Add("", token, false)
	}
	f.Fuzz(func(t *testing.T, payload, token string, signed bool) {
		if signed {
			token = issuer.SignText(t, []byte(payload))
		}
		caller, err := a.Authenticate(t.Context(), token)
		var refusal *authn.Refusal
		if err != nil {
			if !errors.As(err, &refusal) || caller.Name != "" || caller.Tenant != "" || len(caller.Roles) > 0 {
				t.Fatalf("a refused token brings %+v, %v", caller, err)
			}
			return
		}
		if !signed {
			parts := strings.Split(token, ".")
			raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
			payload = string(raw)
		}
		var is map[string]any
		if err := json.Unmarshal([]byte(payload), &is); err != nil {
			t.Fatalf("%q brings %+v", payload, caller)
		}
		own, _ := is["kubernetes.io"].(map[string]any)
		namespace, _ := own["namespace"].(string)
		expiry, _ := is["exp"].(float64)
		if caller.Tenant != "prod/"+namespace || is["sub"] != "system:serviceaccount:"+namespace+":exactmatch" || is["iss"] != "https://issuer.example.com" || expiry < 1_800_000_000-30 {
			t.Fatalf("%q brings %+v", payload, caller)
		}
	})
}

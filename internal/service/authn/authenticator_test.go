package authn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
	"exactmatch.dev/operator/internal/testkit"
)

func TestCallersAreWhomTheirRulesName(t *testing.T) {
	d := begun(t)
	d.accepts(d.account("hr", "exactmatch"), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
	d.accepts(d.account("pay", "exactmatch"), authn.Caller{Name: "prod:system:serviceaccount:pay:exactmatch", Tenant: "prod/pay", Roles: uploads})
	d.accepts(d.account("hr", "keeper"), authn.Caller{Name: "prod:system:serviceaccount:hr:keeper", Tenant: "prod/hr", Roles: []authn.Role{authn.Admin}})
	d.refuses(d.account("pay", "keeper"), authn.NoRule)
	d.refuses(d.account("hr", "default"), authn.NoRule)
	base := d.corp.Base("alice", "edm", d.now)
	d.accepts(d.corp.Sign(base), authn.Caller{Name: "corp:alice", Tenant: "people", Roles: []authn.Role{authn.Reader}})
	d.accepts(d.corp.Sign(base.With(authntest.Claims{"groups": []string{"a", "dlp"}, "aud": "edm-old"})),
		authn.Caller{Name: "corp:alice", Tenant: "people", Roles: []authn.Role{authn.Reader, authn.Uploader}})
	bob := d.corp.Base("bob", "edm", d.now)
	d.accepts(d.corp.Sign(bob.With(authntest.Claims{"groups": "dlp", "verified": true})), authn.Caller{Name: "corp:bob", Tenant: "people", Roles: []authn.Role{authn.Reader}})
	for name, claims := range map[string]authntest.Claims{
		"one of two claims": {"groups": "dlp"}, "text for a boolean": {"groups": "dlp", "verified": "true"}, "part of a value": {"groups": "dlps", "verified": true},
		"a claim's name in another case": {"Groups": "dlp", "verified": true}, "no claims": {},
	} {
		d.run(name, func() { d.refuses(d.corp.Sign(bob.With(claims)), authn.NoRule) })
	}
	d.refuses(d.corp.Sign(d.corp.Base("twice", "edm", d.now)), authn.TwoTenants)
	d.accepts(d.corp.Sign(d.corp.Base("partner", "edm", d.now)), authn.Caller{Name: "corp:partner", Tenant: "prod/hr", Roles: []authn.Role{authn.Reader}})
	d.accepts(ciToken, authn.Caller{Name: "static-tokens:ci", Roles: []authn.Role{authn.Admin, authn.Reader}})
}

// A token is believed only where its issuer signed it, for this service and for now.
func TestTokensThatAreRefused(t *testing.T) {
	d := begun(t)
	valid := d.prod.ServiceAccount("hr", "exactmatch", audience, d.now)
	for name, token := range d.prod.Forged(valid) {
		d.run(name, func() { d.refuses(token, authn.Malformed, authn.Signature) })
	}
	account := func(namespace, name any) map[string]any {
		return map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": name}}
	}
	for name, tc := range map[string]struct {
		claims authntest.Claims
		cause  authn.Cause
	}{
		"expired":                         {authntest.Claims{"exp": d.now.Add(-31 * time.Second).Unix()}, authn.Expired},
		"no expiry":                       {authntest.Claims{"exp": nil}, authn.Expired},
		"an expiry that is text":          {authntest.Claims{"exp": "never"}, authn.Claims},
		"an expiry beyond time":           {authntest.Claims{"exp": 1e300}, authn.Expired},
		"not valid yet":                   {authntest.Claims{"nbf": d.now.Add(31 * time.Second).Unix()}, authn.NotYetValid},
		"not valid for long":              {authntest.Claims{"nbf": d.now.Add(time.Hour).Unix()}, authn.Claims},
		"nbf that is text":                {authntest.Claims{"nbf": "soon"}, authn.Claims},
		"another audience":                {authntest.Claims{"aud": []string{"https://kubernetes.default.svc"}}, authn.Unknown},
		"the audience of another entry":   {authntest.Claims{"aud": []string{"edm"}}, authn.Unknown},
		"no audience":                     {authntest.Claims{"aud": nil}, authn.Unknown},
		"an empty audience":               {authntest.Claims{"aud": ""}, authn.Unknown},
		"another issuer":                  {authntest.Claims{"iss": "https://issuer.example.com"}, authn.Unknown},
		"no issuer":                       {authntest.Claims{"iss": nil}, authn.Unknown},
		"an issuer but for a slash":       {authntest.Claims{"iss": d.prod.URL + "/"}, authn.Unknown},
		"the issuer of another entry":     {authntest.Claims{"iss": d.corp.URL, "aud": "edm"}, authn.Signature},
		"no subject":                      {authntest.Claims{"sub": nil}, authn.Claims},
		"a subject of another account":    {authntest.Claims{"sub": "system:serviceaccount:hr:admin"}, authn.Claims},
		"a subject of another namespace":  {authntest.Claims{"sub": "system:serviceaccount:pay:exactmatch"}, authn.Claims},
		"a subject that is a user":        {authntest.Claims{"sub": "kubernetes-admin"}, authn.Claims},
		"no namespace":                    {authntest.Claims{"kubernetes.io": nil}, authn.Claims},
		"another namespace":               {authntest.Claims{"kubernetes.io": account("pay", "exactmatch")}, authn.Claims},
		"another account":                 {authntest.Claims{"kubernetes.io": account("hr", "admin")}, authn.Claims},
		"a namespace that is a list":      {authntest.Claims{"kubernetes.io": account([]string{"hr"}, "exactmatch")}, authn.Claims},
		"a namespace of two":              {authntest.Claims{"kubernetes.io": account("hr:x", "y"), "sub": "system:serviceaccount:hr:x:y"}, authn.Claims},
		"a namespace with a slash":        {authntest.Claims{"kubernetes.io": account("hr/x", "y"), "sub": "system:serviceaccount:hr/x:y"}, authn.Claims},
		"the claim's name in other case":  {authntest.Claims{"kubernetes.io": nil, "Kubernetes.io": account("hr", "exactmatch")}, authn.Claims},
		"a subject with a line break":     {authntest.Claims{"sub": "a\nb"}, authn.Claims},
		"a subject of more than 256 byte": {authntest.Claims{"sub": strings.Repeat("x", 257)}, authn.Claims},
	} {
		d.run(name, func() { d.refuses(d.prod.Sign(valid.With(tc.claims)), tc.cause) })
	}
	for name, token := range map[string]string{
		"nothing": "", "a word": "token", "dots": "..", "three words": "a.b.c", "the JSON form": `{"payload":"","signatures":[]}`,
		"a long one": strings.Repeat("x", 17<<10), "another static token": ciToken + "x", "a part of a static token": ciToken[:len(ciToken)-1],
		"the sum of a static token": sumOf(ciToken),
	} {
		d.run(name, func() { d.refuses(token, authn.Malformed, authn.Unknown) })
	}
	d.accepts(d.prod.Sign(valid), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
	for name, last := range map[string]any{
		"Sub": "system:serviceaccount:pay:exactmatch", "iSs": "https://issuer.example.com", "AUD": []string{"edm"}, "Exp": d.now.Add(-time.Hour).Unix(),
	} {
		d.run("another "+name, func() { d.refuses(d.prod.SignLast(valid, name, last), authn.Claims, authn.Expired) })
	}
	late := valid.With(authntest.Claims{"exp": d.now.Add(-time.Hour).Unix()})
	d.refuses(d.prod.SignLast(late, "Exp", d.now.Add(time.Hour).Unix()), authn.Expired)
	near := valid.With(authntest.Claims{"exp": d.now.Add(-29 * time.Second).Unix(), "nbf": d.now.Add(29 * time.Second).Unix()})
	d.accepts(d.prod.Sign(near), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
}

// An issuer of kind OIDC may sign whatever it likes: no namespace of a cluster comes of it.
func TestOnlyAKubernetesEntryBringsANamespace(t *testing.T) {
	d := begun(t)
	claims := d.corp.ServiceAccount("hr", "exactmatch", "edm", d.now)
	d.accepts(d.corp.Sign(claims), authn.Caller{Name: "corp:system:serviceaccount:hr:exactmatch", Tenant: "impostor", Roles: []authn.Role{authn.Reader}})
}

// Two clusters often have the same issuer: the audience says whose token it is, and the signature proves it.
func TestEntriesThatShareAnIssuer(t *testing.T) {
	d := begun(t)
	d.write("a", string(d.prod.KeySet()))
	d.write("b", string(d.corp.KeySet()))
	d.write("config", configHead+fmt.Sprintf(`
- {name: a, kind: Kubernetes, issuer: https://kubernetes.default.svc, audiences: [edm-a], jwksFile: %q}
- {name: b, kind: Kubernetes, issuer: https://kubernetes.default.svc, audiences: [edm-b, more], jwksFile: %q}
`, d.path("a"), d.path("b")))
	d.write("policy", policyHead+"- {entry: a, serviceAccount: {name: x}, roles: [reader]}\n- {entry: b, serviceAccount: {name: x}, roles: [uploader]}\n")
	d.write("tokens", staticsOf)
	testkit.Must(t, d.open())
	same := authntest.Claims{"iss": "https://kubernetes.default.svc"}
	d.accepts(d.prod.Sign(d.prod.ServiceAccount("hr", "x", "edm-a", d.now).With(same)), authn.Caller{Name: "a:system:serviceaccount:hr:x", Tenant: "a/hr", Roles: []authn.Role{authn.Reader}})
	d.accepts(d.corp.Sign(d.corp.ServiceAccount("hr", "x", "edm-b", d.now).With(same)), authn.Caller{Name: "b:system:serviceaccount:hr:x", Tenant: "b/hr", Roles: []authn.Role{authn.Uploader}})
	d.refuses(d.corp.Sign(d.corp.ServiceAccount("hr", "x", "edm-a", d.now).With(same)), authn.Signature)
	d.refuses(d.prod.Sign(d.prod.ServiceAccount("hr", "x", "edm-b", d.now).With(same)), authn.Signature)
	d.refuses(d.prod.Sign(d.prod.ServiceAccount("hr", "x", "", d.now).With(same).With(authntest.Claims{"aud": []string{"more", "edm-a"}})), authn.Ambiguous)
}

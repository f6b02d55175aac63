package authn_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
	"exactmatch.dev/operator/internal/testkit"
)

const (
	audience   = "exactmatch"
	ciToken    = "a static token that is long enough for a file"
	staticsOf  = "apiVersion: service.exactmatch.dev/v1alpha1\nkind: StaticTokens\ntokens:\n"
	policyHead = "apiVersion: service.exactmatch.dev/v1alpha1\nkind: CallerPolicy\nrules:\n"
	configHead = "apiVersion: service.exactmatch.dev/v1alpha1\nkind: AuthenticationConfiguration\nissuers:\n"
)

const policyText = policyHead + `
- {entry: prod, serviceAccount: {name: exactmatch}, roles: [uploader, reader]}
- {entry: prod, serviceAccount: {name: keeper, namespace: hr}, roles: [admin]}
- {entry: corp, subject: alice, tenant: people, roles: [reader]}
- {entry: corp, subject: alice, claims: {groups: dlp}, tenant: people, roles: [uploader]}
- {entry: corp, claims: {groups: dlp, verified: true}, tenant: people, roles: [reader]}
- {entry: corp, subject: twice, tenant: people, roles: [reader]}
- {entry: corp, subject: twice, tenant: others, roles: [reader]}
- {entry: corp, subject: partner, tenant: prod/hr, namespaceTenant: true, roles: [reader]}
- {entry: corp, subject: "system:serviceaccount:hr:exactmatch", tenant: impostor, roles: [reader]}
- {entry: static-tokens, subject: ci, tenant: "", roles: [admin, reader]}
`

// desk is an Authenticator with its files, its two issuers and a clock.
type desk struct {
	*testing.T
	*authn.Authenticator
	dir        string
	now        time.Time
	prod, corp *authntest.Issuer
	log        bytes.Buffer
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name, text string) {
	d.Helper()
	testkit.Must(d.T, os.WriteFile(d.path(name), []byte(text), 0o600))
}

// run is a subtest.
func (d *desk) run(name string, f func()) {
	d.Helper()
	parent := d.T
	defer func() { d.T = parent }()
	parent.Run(name, func(t *testing.T) {
		d.T = t
		f()
	})
}

// passes moves the clock.
func (d *desk) passes(by time.Duration) { d.now = d.now.Add(by) }

// configuration is that of the two issuers.
func (d *desk) configuration() string {
	return configHead + fmt.Sprintf(`
- {name: prod, kind: Kubernetes, issuer: %q, audiences: [exactmatch], caFile: %q}
- {name: corp, kind: OIDC, issuer: %q, audiences: [edm, edm-old], caFile: %q}
`, d.prod.URL, d.prod.CAFile, d.corp.URL, d.corp.CAFile)
}

func begun(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir(), now: time.Now().Truncate(time.Second), prod: authntest.New(t), corp: authntest.New(t)}
	d.write("config", d.configuration())
	d.write("tokens", staticsOf+"- {name: ci, token: "+ciToken+"}\n")
	d.write("policy", policyText)
	testkit.Must(t, d.open())
	t.Cleanup(func() {
		if strings.Contains(d.log.String(), ciToken) {
			t.Error("the log shows a token")
		}
	})
	return d
}

func (d *desk) open() (err error) {
	d.Authenticator, err = authn.Open(authn.Files{
		Configuration: d.path("config"), StaticTokens: d.path("tokens"), Policy: d.path("policy"),
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: func() time.Time { return d.now },
	})
	return err
}

func (d *desk) accepts(token string, want authn.Caller) {
	d.Helper()
	got, err := d.Authenticate(d.Context(), token)
	if err != nil || !reflect.DeepEqual(got, want) {
		d.Errorf("the caller is %+v (%v), want %+v", got, err, want)
	}
}

// refuses wants a token refused for a cause, and without a caller.
func (d *desk) refuses(token string, causes ...authn.Cause) {
	d.Helper()
	got, err := d.Authenticate(d.Context(), token)
	var refusal *authn.Refusal
	if !errors.As(err, &refusal) || !reflect.DeepEqual(got, authn.Caller{}) {
		d.Errorf("the caller is %+v, and the error %v", got, err)
		return
	}
	found := false
	for _, cause := range causes {
		found = found || refusal.Cause == cause
	}
	if !found {
		d.Errorf("it is refused for %s (%v), want %v", refusal.Cause, err, causes)
	}
	for _, part := range strings.Split(token, ".") {
		if len(part) > 20 && strings.Contains(err.Error(), part) {
			d.Errorf("the refusal repeats the token: %v", err)
		}
	}
}

func (d *desk) account(namespace, name string) string {
	return d.prod.Sign(d.prod.ServiceAccount(namespace, name, audience, d.now))
}

var uploads = []authn.Role{authn.Uploader, authn.Reader}

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

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
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

func TestKeysRotate(t *testing.T) {
	d := begun(t)
	caller := authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads}
	old := d.account("hr", "exactmatch")
	d.accepts(old, caller)
	d.prod.Rotate()
	d.accepts(old, caller) // its key is kept
	d.refuses(d.account("hr", "exactmatch"), authn.Signature)
	d.passes(10 * time.Second)
	d.accepts(d.account("hr", "exactmatch"), caller) // the new key is looked for
	d.refuses(old, authn.Signature)                  // and the old one has gone with that
	d.prod.Rotate()
	withdrawn := d.prod.Fetches()
	d.passes(5 * time.Minute)
	d.eventually("the keys are looked at again", func() bool {
		_, _ = d.Authenticate(t.Context(), old)
		return d.prod.Fetches() > withdrawn
	})
}

func (d *desk) eventually(what string, is func() bool) {
	d.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("it never is so that %s", what)
		}
	}
}

// A withdrawn key goes within minutes although everybody goes on to use it.
func TestAWithdrawnKeyGoes(t *testing.T) {
	d := begun(t)
	claims := d.prod.ServiceAccount("hr", "exactmatch", audience, d.now)
	claims["exp"] = d.now.Add(24 * time.Hour).Unix()
	old := d.prod.Sign(claims)
	_, err := d.Authenticate(t.Context(), old)
	testkit.Must(t, err)
	d.prod.Rotate()
	d.passes(5*time.Minute - time.Second)
	_, err = d.Authenticate(t.Context(), old)
	testkit.Must(t, err)
	d.passes(time.Second)
	d.eventually("the withdrawn key is refused", func() bool {
		_, err := d.Authenticate(t.Context(), old)
		return err != nil
	})
	d.refuses(old, authn.Signature)
}

// While the issuer is away what is known goes on, and what is not known is put off.
func TestTheIssuerIsAway(t *testing.T) {
	d := begun(t)
	caller := authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads}
	d.prod.Away(true)
	first := d.prod.ServiceAccount("hr", "exactmatch", audience, d.now).With(authntest.Claims{"exp": d.now.Add(100 * time.Hour).Unix()})
	token := d.prod.Sign(first)
	d.putOff(token)
	d.prod.Away(false)
	d.putOff(token) // for it was tried just now
	d.passes(10 * time.Second)
	d.accepts(token, caller)
	d.prod.Away(true)
	d.passes(10 * time.Minute)
	for range 5 {
		d.accepts(token, caller)
		d.passes(time.Minute)
	}
	d.prod.Rotate()
	d.putOff(d.prod.Sign(first))
	d.accepts(token, caller)
	d.passes(24 * time.Hour)
	d.putOff(token) // keys are not kept for good
	d.prod.Away(false)
	d.passes(time.Minute)
	d.accepts(d.prod.Sign(first), caller)
	d.refuses(token, authn.Signature)
}

// putOff wants a token neither accepted nor refused for good.
func (d *desk) putOff(token string) {
	d.Helper()
	d.refuses(token, authn.KeysUnavailable)
	var refusal *authn.Refusal
	if _, err := d.Authenticate(d.Context(), token); !errors.As(err, &refusal) || refusal.RetryAfter < time.Second || refusal.RetryAfter > 10*time.Second {
		d.Errorf("it says to come again after %v", err)
	}
}

// Strangers make no load at the issuer, whatever keys they name.
func TestStrangersMakeNoLoadAtTheIssuer(t *testing.T) {
	d := begun(t)
	d.accepts(d.account("hr", "exactmatch"), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
	claims := d.prod.ServiceAccount("hr", "exactmatch", audience, d.now)
	for n := range 50 {
		key := d.prod.Key()
		key.KeyID = fmt.Sprint("stranger-", n)
		d.refuses(authntest.SignBy(t, key, "ES256", claims), authn.Signature)
		d.passes(time.Second)
	}
	if n := d.prod.Fetches(); n > 6 {
		t.Errorf("50 tokens in 50 seconds made %d requests", n)
	}
}

// What an issuer answers is bounded, and is not believed where it is not an issuer's.
func TestAnswersOfAnIssuerThatAreNone(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://example.com/")
			w.WriteHeader(http.StatusFound)
		},
		"too much": func(w http.ResponseWriter) { _, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20)) },
		"no JSON":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) },
		"no keys":  func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"another issuer": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"issuer":"https://example.com","jwks_uri":"https://example.com/keys"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := begun(t)
			d.prod.Answers(answer)
			d.putOff(d.account("hr", "exactmatch"))
			if n := d.prod.Fetches(); n != 0 {
				t.Errorf("%d key sets were taken all the same", n)
			}
		})
	}
}

// More than is read is refused, even where what is read would do.
func TestAnAnswerThatIsTooLong(t *testing.T) {
	d := begun(t)
	keys := strings.TrimSuffix(strings.TrimPrefix(string(d.prod.KeySet()), "{"), "}")
	text := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,%s}`, d.prod.URL, d.prod.URL+"/keys", keys)
	d.prod.Answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte(text + strings.Repeat(" ", 1<<20))) })
	d.putOff(d.account("hr", "exactmatch"))
	d.prod.Answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte(text)) })
	d.passes(10 * time.Second)
	d.accepts(d.account("hr", "exactmatch"), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
}

// An API server gives its keys to who is known there. The token goes nowhere else.
func TestTheTokenOfAnEntry(t *testing.T) {
	d := begun(t)
	own := d.prod.Sign(d.prod.ServiceAccount("exactmatch-system", "service", d.prod.URL, d.now))
	d.prod.Wants(own)
	entry := func(more string) string {
		return configHead + fmt.Sprintf("- {name: prod, kind: Kubernetes, audiences: [exactmatch], caFile: %q, tokenFile: %q%s}\n", d.prod.CAFile, d.path("own"), more)
	}
	d.write("own", own+"\n")
	d.write("policy", policyHead+"- {entry: prod, serviceAccount: {name: exactmatch}, roles: [uploader, reader]}\n")
	caller := authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads}
	for name, more := range map[string]string{
		"the issuer of the token": "", "an issuer": fmt.Sprintf(", issuer: %q", d.prod.URL), "a URL of keys": fmt.Sprintf(", jwksURL: %q", d.prod.URL+"/keys"),
	} {
		d.run(name, func() {
			d.write("config", entry(more))
			testkit.Must(t, d.open())
			d.accepts(d.account("hr", "exactmatch"), caller)
		})
	}
	d.write("config", strings.Replace(entry(""), "[exactmatch]", fmt.Sprintf("[%q]", d.prod.URL), 1))
	if err := d.open(); err == nil || !strings.Contains(err.Error(), "audience of the API server") {
		t.Errorf("an audience of the API server's own is taken: %v", err)
	}
	d.corp.Wants(own)
	d.prod.Answers(func(w http.ResponseWriter) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, d.prod.URL, d.corp.URL+"/keys")
	})
	d.write("config", entry(""))
	testkit.Must(t, d.open())
	d.putOff(d.account("hr", "exactmatch"))
	if d.corp.Fetches() > 0 {
		t.Error("keys came from a private host that the entry does not name")
	}
}

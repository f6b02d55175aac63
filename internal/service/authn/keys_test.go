package authn_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
	"exactmatch.dev/operator/internal/testkit"
)

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

// A token that was accepted is not accepted for longer than it is valid.
func TestAnAcceptedTokenExpires(t *testing.T) {
	d := begun(t)
	token := d.account("hr", "exactmatch")
	for range 2 {
		d.accepts(token, authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
	}
	d.passes(time.Hour + 30*time.Second)
	d.refuses(token, authn.Expired)
	d.passes(-2 * time.Hour)
	d.refuses(token, authn.NotYetValid, authn.Claims)
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

// On this machine keys may come by plain HTTP.
func TestKeysByPlainHTTPOnLoopback(t *testing.T) {
	d := begun(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(d.prod.KeySet()) }))
	t.Cleanup(server.Close)
	d.write("config", strings.Replace(d.configuration(), "kind: Kubernetes,", fmt.Sprintf("kind: Kubernetes, jwksURL: %q,", server.URL), 1))
	testkit.Must(t, d.open())
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

// BenchmarkAuthenticate is what a call costs before its handler.
func BenchmarkAuthenticate(b *testing.B) {
	issuer, now := authntest.New(b), time.Now()
	dir := b.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	a, err := authn.Open(authn.Files{
		Configuration: write("config", configHead+fmt.Sprintf("- {name: prod, kind: Kubernetes, issuer: %q, audiences: [exactmatch], jwksFile: %q}\n", issuer.URL, write("keys", string(issuer.KeySet())))),
		StaticTokens:  write("tokens", staticsOf+"- {name: ci, token: "+ciToken+"}\n"),
		Policy: write("policy", policyHead+"- {entry: prod, serviceAccount: {name: exactmatch}, roles: [reader]}\n"+
			"- {entry: static-tokens, subject: ci, tenant: team, roles: [reader]}\n"),
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, token := range map[string]string{"static": ciToken, "ES256": issuer.Sign(issuer.ServiceAccount("hr", "exactmatch", audience, now))} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := a.Authenticate(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

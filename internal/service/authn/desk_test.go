package authn_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
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
	clock      sync.Mutex
	now        time.Time // of the clock; only the test writes it
	prod, corp *authntest.Issuer
	log        authntest.Log
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

// passes moves the clock, which those who fetch keys read, too.
func (d *desk) passes(by time.Duration) {
	d.clock.Lock()
	defer d.clock.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) time() time.Time {
	d.clock.Lock()
	defer d.clock.Unlock()
	return d.now
}

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
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: d.time,
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

func (d *desk) eventually(what string, is func() bool) {
	d.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("it never is so that %s", what)
		}
	}
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

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

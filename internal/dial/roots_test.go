package dial_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/testkit"
)

// signedFor serves under a certificate for localhost that an authority has signed.
func signedFor(t *testing.T, authority certificate.Pair) *httptest.Server {
	t.Helper()
	pair, err := certificate.Issue(authority, []string{"localhost"}, time.Now())
	testkit.Must(t, err)
	keyed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	testkit.Must(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{keyed}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// atLocalhost is a server's URL by name, which certificates are for.
func atLocalhost(s *httptest.Server) string {
	return "https://localhost" + strings.TrimPrefix(s.URL, "https://127.0.0.1")
}

func newRoots(t *testing.T) (certificate.Pair, *x509.CertPool) {
	t.Helper()
	authority, err := certificate.NewAuthority(time.Now())
	testkit.Must(t, err)
	roots, err := dial.Authorities(authority.Certificate)
	testkit.Must(t, err)
	return authority, roots
}

// TestRootsOfOneHost: a host's own authorities sign for that host, others do not, and
// they sign for no other host.
func TestRootsOfOneHost(t *testing.T) {
	private, privateRoots := newRoots(t)
	public, publicRoots := newRoots(t) // in place of the system's
	ours, ofPublic, other, imitated := signedFor(t, private), signedFor(t, public), signedFor(t, public), signedFor(t, private)
	guard := func(host string) dial.Guard {
		return dial.Guard{AllowHosts: []string{"localhost"}, Policy: dial.Anything, RootCAs: publicRoots, HostRoots: &dial.HostRoots{Host: host, RootCAs: privateRoots}}
	}
	host := func(s *httptest.Server) string { return strings.TrimPrefix(atLocalhost(s), "https://") }
	for name, tc := range map[string]struct {
		guard dial.Guard
		to    string
		taken bool
	}{
		"the host":                           {guard(host(ours)), atLocalhost(ours), true},
		"the host in another spelling":       {guard(strings.ToUpper(host(ours))), strings.Replace(atLocalhost(ours), "localhost", "LocalHost", 1), true},
		"the host under a public one":        {guard(host(ofPublic)), atLocalhost(ofPublic), false},
		"another host":                       {guard(host(ours)), atLocalhost(other), true},
		"another port under the private one": {guard(host(ours)), atLocalhost(imitated), false},
		"a host without a port":              {guard("localhost"), atLocalhost(ours), false}, // that is port 443
		"no roots of a host":                 {dial.Guard{AllowHosts: []string{"localhost"}, Policy: dial.Anything, RootCAs: publicRoots}, atLocalhost(ours), false},
	} {
		t.Run(name, func(t *testing.T) {
			c := tc.guard.HTTPClient()
			t.Cleanup(c.CloseIdleConnections)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tc.to, nil)
			testkit.Must(t, err)
			answer, err := c.Do(r)
			if err == nil {
				testkit.Must(t, answer.Body.Close())
			}
			if (err == nil) != tc.taken {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The guard judges requests to the host as all others.
func TestRootsOfAHostPassNoGuard(t *testing.T) {
	_, roots := newRoots(t)
	c := dial.Guard{HostRoots: &dial.HostRoots{Host: "localhost:1", RootCAs: roots}}.HTTPClient()
	for _, to := range []string{"https://localhost:1", "http://localhost:1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
		testkit.Must(t, err)
		answer, err := c.Do(r)
		if err == nil {
			testkit.Must(t, answer.Body.Close())
		}
		if reasonOf(err) == "" {
			t.Errorf("%s: %v", to, err)
		}
	}
}

package dial

import (
	"crypto/x509"
	"errors"
)

// Allow is what the user of an endpoint allows: an upload agent in its spec, or a person on the command line.
type Allow struct {
	// Hosts become Guard.AllowHosts.
	Hosts []string
	// PlainHTTP accepts http for every host; otherwise only as PlainHTTPLoopback does.
	PlainHTTP bool
}

// NewGuard makes the guard of what a user allows below what the administrator permits. The caller sets Proxy, RootCAs and
// StallTimeout where it needs them.
func NewGuard(allow Allow, below Policy) Guard {
	guard := Guard{AllowHosts: allow.Hosts, PlainHTTP: PlainHTTPLoopback, Policy: below}
	if allow.PlainHTTP {
		guard.PlainHTTP = PlainHTTPAnywhere
	}
	return guard
}

// ErrNoCertificate says that a text has no certificate in PEM.
var ErrNoCertificate = errors.New("no PEM certificate")

// Authorities reads the certificates of private authorities, for Guard.RootCAs. It returns ErrNoCertificate where there is
// none: with an empty pool every server would be refused for a reason that nobody understands.
func Authorities(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, ErrNoCertificate
	}
	return pool, nil
}

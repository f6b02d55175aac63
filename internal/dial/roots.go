package dial

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// HostRoots are the authorities that one host is verified against, and no others: what they sign counts nowhere else.
type HostRoots struct {
	// Host is "host", which means port 443, or "host:port", as written in a URL.
	Host    string
	RootCAs *x509.CertPool
}

// roundTripper keeps the connections to the host of HostRoots apart.
func (g Guard) roundTripper() http.RoundTripper {
	others := g.newTransport()
	if g.HostRoots == nil {
		return others
	}
	g.RootCAs = g.HostRoots.RootCAs
	return &perHost{host: hostAndPort(g.HostRoots.Host), private: g.newTransport(), others: others}
}

func (g Guard) newTransport() *transport {
	return &transport{guard: g, base: g.baseTransport(), proxied: g.proxiedTransport()}
}

type perHost struct {
	host            string
	private, others *transport
}

// RoundTrip implements http.RoundTripper.
func (p *perHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if isHost(req.URL, p.host) {
		return p.private.RoundTrip(req)
	}
	return p.others.RoundTrip(req)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the pools.
func (p *perHost) CloseIdleConnections() {
	p.private.CloseIdleConnections()
	p.others.CloseIdleConnections()
}

func isHost(u *url.URL, host string) bool { return hostAndPort(withPort(u)) == host }

// hostAndPort is a host as hosts are compared, with its port.
func hostAndPort(at string) string {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		host, port = strings.Trim(at, "[]"), "443"
	}
	return net.JoinHostPort(canonical(host), port)
}

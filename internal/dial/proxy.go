package dial

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// Proxy chooses a proxy by URL.
type Proxy struct {
	choose func(*url.URL) (*url.URL, error)
}

// ProxyFromEnvironment is what HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the process say now.
func ProxyFromEnvironment() *Proxy {
	return &Proxy{choose: httpproxy.FromEnvironment().ProxyFunc()}
}

// of is the proxy of a URL; nil where it is reached directly, or p is nil.
func (p *Proxy) of(u *url.URL) (*url.URL, error) {
	if p == nil {
		return nil, nil
	}
	return p.choose(u)
}

// For fits http.Transport.Proxy; a nil Proxy has none.
func (p *Proxy) For(req *http.Request) (*url.URL, error) { return p.of(req.URL) }

// proxiedTransport speaks to the proxy alone, which the administrator chose: its address is not judged.
func (g Guard) proxiedTransport() *http.Transport {
	if g.Proxy == nil {
		return nil
	}
	t := g.baseTransport()
	t.Proxy = g.Proxy.For
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return g.connect(ctx, net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}, network, addr)
	}
	return t
}

// judgeLiteral judges a host that is an address, which the proxy would dial as it stands.
func (g Guard) judgeLiteral(u *url.URL) error {
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.judge(withPort(u), withPort(u))
	}
	return nil
}

// ProcessClient is for the identity of the process itself, whose endpoints (a metadata address, a token service) are no
// choice of a user: it is not guarded. It uses no proxy but p's.
func (p *Proxy) ProcessClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	t.Proxy = p.For
	return &http.Client{Transport: t, Timeout: processTimeout}
}

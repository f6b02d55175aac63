// Package dial holds the one guard that every outgoing connection of the operator passes.
//
// Hosts come from objects that users write, so the address that is really dialled is judged after the name has been
// resolved: a name that points into the cluster, at the node or at a cloud's metadata endpoint is refused unless the
// upload agent lists the host.
package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	dialTimeout    = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	stallTimeout   = 60 * time.Second
	idleTimeout    = 90 * time.Second
	maxIdlePerHost = 16
	keepAlive      = 30 * time.Second
	processTimeout = 30 * time.Second
)

// PlainHTTP says where http without TLS is accepted. The zero value is PlainHTTPLoopback.
type PlainHTTP string

const (
	// PlainHTTPLoopback accepts http only for a loopback address (or localhost) that AllowHosts lists.
	PlainHTTPLoopback PlainHTTP = "Loopback"
	// PlainHTTPAnywhere accepts http for every host; the address that is dialled is still judged.
	PlainHTTPAnywhere PlainHTTP = "Anywhere"
)

// Guard decides which hosts may be dialled. The zero value allows https to public addresses and nothing else.
// A Guard is safe for concurrent use as long as nobody changes its fields.
type Guard struct {
	// AllowHosts lists hosts that may resolve to a loopback, private or other special address, each as "host" (any port)
	// or "host:port", as written in the URL. Letter case and a trailing dot do not matter; there are no wildcards. It
	// works below Policy.
	AllowHosts []string
	// PlainHTTP says where http is accepted, below Policy.
	PlainHTTP PlainHTTP
	// Policy is what the administrator permits.
	Policy Policy
	// Proxy is used where it has a proxy for a URL; nil means none. The proxy resolves the host, so the guard judges
	// only what a URL shows.
	Proxy *Proxy
	// RootCAs are the authorities that servers are verified against; nil means those of the system.
	RootCAs *x509.CertPool
	// HostRoots has one host verified against other authorities than RootCAs; nil means none.
	HostRoots *HostRoots
	// StallTimeout is how long a request may go without any byte moving, in either direction; 0 means a minute. Slow is
	// not stalled: a body of any size may take its time.
	StallTimeout time.Duration
}

func (g Guard) stallTimeout() time.Duration {
	if g.StallTimeout > 0 {
		return g.StallTimeout
	}
	return stallTimeout
}

// CheckURL judges what can be seen in a URL before anything is dialled: https is required (http only as PlainHTTP says),
// a host must be there, user info must not. The error is a *RefusedError, which never repeats the path or the query.
func (g Guard) CheckURL(u *url.URL) error {
	host := u.Host
	switch {
	case u.Hostname() == "":
		return &RefusedError{Reason: NoHost}
	case u.User != nil:
		return &RefusedError{Host: host, Reason: UserInfo}
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return &RefusedError{Host: host, Reason: SchemeNotHTTP}
	}
	return g.checkPlainHTTP(u)
}

// checkPlainHTTP wants http allowed by the agent and the policy. A loopback host needs no more than its entries: what
// goes there stays on the machine.
func (g Guard) checkPlainHTTP(u *url.URL) error {
	at := withPort(u)
	missing := g.missingForPlainHTTP(at)
	if isLoopbackName(u.Hostname()) {
		if local := g.missingForLoopback(at); len(local) == 0 || len(missing) > 0 {
			missing = local
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &RefusedError{Host: u.Host, Reason: PlainHTTPNotAllowed, Missing: missing}
}

func (g Guard) missingForPlainHTTP(at string) (missing []string) {
	if g.PlainHTTP != PlainHTTPAnywhere {
		missing = append(missing, "set spec.allow.plainHTTP of the upload agent")
	}
	if !matchesAny(g.Policy.PlainHTTP, at) {
		missing = append(missing, g.Policy.entry(strconv.Quote(at), "plainHTTP"))
	}
	return missing
}

func (g Guard) missingForLoopback(at string) (missing []string) {
	if !g.allows(at) {
		missing = append(missing, needs("spec.allow.hosts", at))
	}
	if !g.Policy.permitsLoopbackName(at) {
		missing = append(missing, g.Policy.missing(at, kindLoopback))
	}
	return missing
}

// judge refuses address ("ip:port", about to be dialled for host) unless it is public, or allowed by the agent and the
// policy.
func (g Guard) judge(host, address string) error {
	addrPort, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Host: host, Kind: "malformed", Reason: AddressNotAllowed, Missing: []string{"use another host"}}
	}
	addr := addrPort.Addr()
	kind := kindOf(addr)
	if kind == "" {
		return nil
	}
	var missing []string
	if !g.allows(host) {
		missing = append(missing, needs("spec.allow.hosts", host))
	}
	if !g.Policy.permits(host, addr, kind) {
		missing = append(missing, g.Policy.missing(host, kind))
	}
	if missing == nil {
		return nil
	}
	return &RefusedError{Host: host, Kind: kind, Reason: AddressNotAllowed, Missing: missing}
}

// allows reports whether AllowHosts lists addr, which is always "host:port".
func (g Guard) allows(addr string) bool {
	return matchesAny(slices.DeleteFunc(slices.Clone(g.AllowHosts), isPattern), addr)
}

// isPattern reports whether an entry has a wildcard, which only the administrator's may have.
func isPattern(entry string) bool { return strings.Contains(entry, "*") }

// DialContext dials addr ("host:port") and judges each address that the host resolves to at the moment it is dialled.
// It fits http.Transport.DialContext. A refusal is a *RefusedError, found with errors.As.
func (g Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		return g.judge(addr, address)
	}
	return g.connect(ctx, dialer, network, addr)
}

func (g Guard) connect(ctx context.Context, dialer net.Dialer, network, addr string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &bulkConn{TCPConn: tcp, stall: g.stallTimeout()}, nil
	}
	return conn, err
}

// bulkConn sends bodies in large pieces: net/http would copy them in pieces of 32 KiB, with a system call for each. A
// peer that takes nothing for the stall time ends the connection.
type bulkConn struct {
	*net.TCPConn
	stall time.Duration
}

// Write implements io.Writer.
func (c *bulkConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.TCPConn.Write(p)
}

const bulkPiece = 256 << 10

var bulkPieces = sync.Pool{New: func() any { return new([bulkPiece]byte) }}

// ReadFrom implements io.ReaderFrom.
func (c *bulkConn) ReadFrom(r io.Reader) (int64, error) {
	piece := bulkPieces.Get().(*[bulkPiece]byte) //nolint:forcetypeassert // only these are put
	defer bulkPieces.Put(piece)
	return io.CopyBuffer(onlyWriter{c}, r, piece[:])
}

// onlyWriter hides that a connection could read by itself.
type onlyWriter struct{ io.Writer }

// HTTPClient returns a client whose every request passes CheckURL and DialContext. It follows no redirect (the 3xx
// response itself is returned), uses no proxy but Proxy, asks for no transparent compression, wants TLS 1.2 or newer, and has no
// overall timeout: bound a call with its context. Errors of the client carry the URL: strip it before showing one.
func (g Guard) HTTPClient() *http.Client {
	return &http.Client{
		Transport: g.roundTripper(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// baseTransport speaks HTTP/1.1: over it a few connections move large bodies faster than HTTP/2 streams do.
func (g Guard) baseTransport() *http.Transport {
	return &http.Transport{
		DialContext:           g.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.RootCAs},
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: g.stallTimeout(),
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   maxIdlePerHost,
		DisableCompression:    true,
	}
}

type transport struct {
	guard   Guard
	base    *http.Transport
	proxied *http.Transport // nil without a proxy
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	base, err := t.choose(req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // the contract of RoundTripper: the body is closed on errors too
		}
		return nil, err
	}
	response, err := base.RoundTrip(req)
	if err == nil {
		response.Body = &stallingBody{ReadCloser: response.Body, timeout: t.guard.stallTimeout()}
	}
	return response, err
}

// stallingBody ends an answer's body that stops coming.
type stallingBody struct {
	io.ReadCloser
	timeout time.Duration
}

// Read implements io.Reader. A body whose next byte does not come in time is closed, which ends the Read.
func (b *stallingBody) Read(p []byte) (int, error) {
	var stalled atomic.Bool
	timer := time.AfterFunc(b.timeout, func() {
		stalled.Store(true)
		_ = b.Close() // the Read returns what came of it
	})
	n, err := b.ReadCloser.Read(p)
	if !timer.Stop() && stalled.Load() && err != nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// choose judges a request and says which connections it may use.
func (t *transport) choose(req *http.Request) (*http.Transport, error) {
	if err := t.guard.CheckURL(req.URL); err != nil {
		return nil, err
	}
	if t.proxied == nil {
		return t.base, nil
	}
	through, err := t.guard.Proxy.of(req.URL)
	if err != nil || through == nil {
		return t.base, err
	}
	return t.proxied, t.guard.judgeLiteral(req.URL)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the pools.
func (t *transport) CloseIdleConnections() {
	t.base.CloseIdleConnections()
	if t.proxied != nil {
		t.proxied.CloseIdleConnections()
	}
}

func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

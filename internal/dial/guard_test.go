package dial_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/dial"
)

func TestCheckURL(t *testing.T) {
	loopback := dial.Guard{AllowHosts: []string{"127.0.0.1:8765", "localhost", "::1", "service.exactmatch.svc"}, Policy: dial.Anything}
	for _, tc := range []struct {
		name  string
		guard dial.Guard
		url   string
		want  dial.Reason
	}{
		{"https", dial.Guard{}, "https://example.com/a?sig=x", ""},
		{"http", dial.Guard{}, "http://example.com/a?sig=x", dial.PlainHTTPNotAllowed},
		{"http to an allowed host that is not loopback", loopback, "http://service.exactmatch.svc/", dial.PlainHTTPNotAllowed},
		{"http to a loopback host that is not allowed", dial.Guard{}, "http://127.0.0.1:8765/", dial.PlainHTTPNotAllowed},
		{"http to an allowed loopback host", loopback, "http://127.0.0.1:8765/", ""},
		{"http to another port of it", loopback, "http://127.0.0.1:8766/", dial.PlainHTTPNotAllowed},
		{"http to localhost, any port", loopback, "http://LOCALHOST:99/", ""},
		{"http to ::1", loopback, "http://[::1]:99/", ""},
		{"http anywhere", dial.Guard{PlainHTTP: dial.PlainHTTPAnywhere, Policy: dial.Anything}, "http://example.com/", ""},
		{"user info", dial.Guard{}, "https://me:secret@example.com/", dial.UserInfo},
		{"user info over http", dial.Guard{PlainHTTP: dial.PlainHTTPAnywhere}, "http://me@example.com/", dial.UserInfo},
		{"ftp", dial.Guard{PlainHTTP: dial.PlainHTTPAnywhere}, "ftp://example.com/", dial.SchemeNotHTTP},
		{"no host", dial.Guard{}, "https:///a", dial.NoHost},
		{"port without host", dial.Guard{}, "https://:443/a", dial.NoHost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			err = tc.guard.CheckURL(u)
			if got := reasonOf(err); got != tc.want {
				t.Fatalf("reason %q, want %q (%v)", got, tc.want, err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sig=")) {
				t.Errorf("the message repeats a secret: %v", err)
			}
		})
	}
}

func reasonOf(err error) dial.Reason {
	var refused *dial.RefusedError
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}

func TestDialRefusesAddressesThatAreNotPublic(t *testing.T) {
	for _, addr := range []string{
		"127.0.0.1:80", "127.8.9.1:80", "[::1]:80", "localhost:80", "169.254.169.254:80", "[fe80::1]:80", "10.1.2.3:443", "172.16.0.1:443",
		"192.168.1.1:443", "[fd00::1]:443", "0.0.0.0:80", "[::]:80", "224.0.0.1:80", "[ff02::1]:80", "100.100.100.200:80", "192.0.0.192:80",
		"198.18.0.1:80", "255.255.255.255:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80", "[2002:a9fe:a9fe::1]:80", "[fec0::1]:80", "168.63.129.16:80", "[fe80::1%lo]:80",
	} {
		t.Run(addr, func(t *testing.T) {
			conn, err := dial.Guard{}.DialContext(t.Context(), "tcp", addr)
			if err == nil {
				_ = conn.Close()
			}
			var refused *dial.RefusedError
			if !errors.As(err, &refused) || refused.Reason != dial.AddressNotAllowed {
				t.Fatalf("not refused: %v", err)
			}
			if !strings.Contains(err.Error(), "spec.allow.hosts") || refused.Host != addr || refused.Kind == "" {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}

func TestDialReachesAllowedHosts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	addr := listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, tc := range []struct {
		entry, addr string
		reached     bool
	}{
		{"127.0.0.1", addr, true},
		{addr, addr, true},
		{" localhost. ", "LocalHost:" + port, true},
		{"127.0.0.1:1", addr, false},
		{"127.0.0", addr, false},
		{"", addr, false},
		{"example.com", addr, false},
	} {
		conn, err := dial.Guard{AllowHosts: []string{tc.entry}, Policy: dial.Anything}.DialContext(t.Context(), "tcp4", tc.addr)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != tc.reached {
			t.Errorf("entry %q, address %s: reached %v, want %v (%v)", tc.entry, tc.addr, err == nil, tc.reached, err)
		}
	}
}

func TestHTTPClientFollowsNoRedirect(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	client := trusting(server).HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		t.Errorf("status %d, want the redirect itself", resp.StatusCode)
	}
}

func TestHTTPClientGuardsEachRequest(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	guard := dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything}
	for _, tc := range []struct {
		name  string
		guard dial.Guard
		url   string
		want  dial.Reason
	}{
		{"loopback not allowed", dial.Guard{PlainHTTP: dial.PlainHTTPAnywhere, Policy: dial.Anything}, server.URL, dial.AddressNotAllowed},
		{"plain http", dial.Guard{}, server.URL, dial.PlainHTTPNotAllowed},
		{"allowed", guard, server.URL, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := tc.guard.HTTPClient()
			defer client.CloseIdleConnections()
			resp, err := client.Post(tc.url, "text/plain", strings.NewReader("x"))
			if err == nil {
				_ = resp.Body.Close()
			}
			if got := reasonOf(err); got != tc.want || (err != nil) != (tc.want != "") {
				t.Errorf("reason %q, want %q (%v)", got, tc.want, err)
			}
		})
	}
}

func TestHTTPClientRefusesAnUnknownAuthority(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	client := dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything, RootCAs: x509.NewCertPool()}.HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("a certificate of an unknown authority was accepted")
	}
}

func trusting(server *httptest.Server) dial.Guard {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything, RootCAs: pool}
}

// Bodies are sent in large pieces: of every size they arrive as they are.
func TestBodiesArriveWhole(t *testing.T) {
	got := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- body
	}))
	defer server.Close()
	client := dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything}.HTTPClient()
	defer client.CloseIdleConnections()
	for _, size := range []int{0, 1, 4096, 256 << 10, 256<<10 + 1, 3 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdefg"), size/17+1)[:size]
		// Its reader is hidden, so that it cannot write itself.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, io.MultiReader(bytes.NewReader(want)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(size)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if body := <-got; !bytes.Equal(body, want) {
			t.Errorf("of %d bytes %d came, or others", size, len(body))
		}
	}
}

package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	madecert "exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/testkit"
)

// mounted is a Secret as the kubelet mounts it: a change swaps one symlink.
type mounted struct {
	*testing.T
	dir   string
	count int
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

func mount(t *testing.T, pair madecert.Pair) *mounted {
	t.Helper()
	m := &mounted{T: t, dir: t.TempDir()}
	m.swap(pair)
	for _, name := range []string{"tls.crt", "tls.key"} {
		testkit.Must(t, os.Symlink(filepath.Join("..data", name), m.path(name)))
	}
	return m
}

func (m *mounted) swap(pair madecert.Pair) {
	m.Helper()
	m.count++
	version := "..v" + strings.Repeat("i", m.count)
	testkit.Must(m.T, os.Mkdir(m.path(version), 0o700))
	testkit.Must(m.T, os.WriteFile(m.path(version+"/tls.crt"), pair.Certificate, 0o600))
	testkit.Must(m.T, os.WriteFile(m.path(version+"/tls.key"), pair.Key, 0o600))
	testkit.Must(m.T, os.Symlink(version, m.path("..tmp")))
	testkit.Must(m.T, os.Rename(m.path("..tmp"), m.path("..data")))
}

// testClock stands still until it is moved.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tlsServer serves under the pair of a folder.
type tlsServer struct {
	*testing.T
	files *mounted
	clock *testClock
	log   *bytes.Buffer
	at    string
	pair  *certificate
	roots *x509.CertPool
}

func newTLSServer(t *testing.T, authority, pair madecert.Pair) *tlsServer {
	t.Helper()
	s := &tlsServer{T: t, files: mount(t, pair), clock: &testClock{now: time.Now()}, log: &bytes.Buffer{}, roots: x509.NewCertPool()}
	s.roots.AppendCertsFromPEM(authority.Certificate)
	var err error
	s.pair, err = openCertificate(s.files.path("tls.crt"), s.files.path("tls.key"), slog.New(slog.NewTextHandler(s.log, nil)))
	testkit.Must(t, err)
	s.pair.now, s.pair.looked = s.clock.Now, s.clock.Now()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, TLSConfig: s.pair.config(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
	var ended sync.WaitGroup
	ended.Go(func() { _ = server.ServeTLS(listener, "", "") }) // ends with an error in any case
	t.Cleanup(func() {
		_ = server.Close()
		ended.Wait()
	})
	s.at = listener.Addr().String()
	return s
}

func (s *tlsServer) client(change ...func(*tls.Config)) *http.Client {
	c := &tls.Config{RootCAs: s.roots, ServerName: "service", MinVersion: tls.VersionTLS10}
	for _, f := range change {
		f(c)
	}
	transport := &http.Transport{TLSClientConfig: c}
	s.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// call returns the serial number of the certificate, and whether the connection was there.
func (s *tlsServer) call(c *http.Client) (serial string, reused bool) {
	s.Helper()
	ctx := httptrace.WithClientTrace(s.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.at, strings.NewReader("hello"))
	testkit.Must(s.T, err)
	answer, err := c.Do(r)
	testkit.Must(s.T, err)
	text, err := io.ReadAll(answer.Body)
	testkit.Must(s.T, err)
	testkit.Must(s.T, answer.Body.Close())
	if string(text) != "hello" {
		s.Errorf("answered %q", text)
	}
	return answer.TLS.PeerCertificates[0].SerialNumber.String(), reused
}

// serves wants a new connection to see a certificate.
func (s *tlsServer) serves(pair madecert.Pair, when string) {
	s.Helper()
	if got, _ := s.call(s.client()); got != serialOf(s.T, pair) {
		s.Errorf("%s: another certificate is served", when)
	}
}

func serialOf(t *testing.T, pair madecert.Pair) string {
	t.Helper()
	block, _ := pem.Decode(pair.Certificate)
	one, err := x509.ParseCertificate(block.Bytes)
	testkit.Must(t, err)
	return one.SerialNumber.String()
}

func newAuthority(t *testing.T) madecert.Pair {
	t.Helper()
	authority, err := madecert.NewAuthority(time.Now())
	testkit.Must(t, err)
	return authority
}

func issued(t *testing.T, by madecert.Pair) madecert.Pair {
	t.Helper()
	pair, err := madecert.Issue(by, []string{"service"}, time.Now())
	testkit.Must(t, err)
	return pair
}

// A new certificate is seen by new connections; those that live go on under the old
// one, a body that is on its way included.
func TestCertificatesAreRotatedUnderLiveConnections(t *testing.T) {
	authority := newAuthority(t)
	old, fresh := issued(t, authority), issued(t, authority)
	s := newTLSServer(t, authority, old)
	kept, streaming := s.client(), s.client()
	s.call(kept)
	body, rest := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.at, body)
	testkit.Must(t, err)
	answers := make(chan string, 1)
	go func() {
		answer, err := streaming.Do(r)
		if err != nil {
			answers <- err.Error()
			return
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		answers <- string(text)
	}()
	_, err = rest.Write([]byte("before "))
	testkit.Must(t, err)
	s.files.swap(fresh)
	s.serves(old, "within a second")
	s.clock.pass(relook)
	s.serves(fresh, "after a second")
	if serial, reused := s.call(kept); serial != serialOf(t, old) || !reused {
		t.Errorf("the connection that was kept is used: %t", reused)
	}
	_, err = rest.Write([]byte("after"))
	testkit.Must(t, err)
	testkit.Must(t, rest.Close())
	if got := <-answers; got != "before after" {
		t.Errorf("the body arrives as %q", got)
	}
	s.serves(fresh, "later")
}

// Files that are no pair leave the last good one in service, and are told once.
func TestABadPairKeepsTheLastGoodOne(t *testing.T) {
	authority := newAuthority(t)
	good, other := issued(t, authority), issued(t, authority)
	half := func(text []byte) []byte { return text[:len(text)/2] }
	for name, bad := range map[string]madecert.Pair{
		"half a certificate": {Certificate: half(other.Certificate), Key: other.Key},
		"half a key":         {Certificate: other.Certificate, Key: half(other.Key)},
		"empty":              {},
		"another key":        {Certificate: other.Certificate, Key: good.Key},
		"another's":          {Certificate: good.Certificate, Key: other.Key},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTLSServer(t, authority, good)
			s.files.swap(bad)
			for range 3 {
				s.clock.pass(relook)
				s.serves(good, "while the files are bad")
			}
			if told := strings.Count(s.log.String(), "level=ERROR"); told != 1 || !strings.Contains(s.log.String(), "--tls-cert-file") {
				t.Errorf("it is told %d times: %s", told, s.log)
			}
			s.files.swap(other)
			s.clock.pass(relook)
			s.serves(other, "once the files are a pair")
			s.files.swap(bad)
			s.clock.pass(relook)
			s.serves(other, "while they are bad again")
			if told := strings.Count(s.log.String(), "level=ERROR"); told != 2 || strings.Contains(s.log.String(), "PRIVATE") {
				t.Errorf("it is told %d times: %s", told, s.log)
			}
		})
	}
}

func TestAMissingFileKeepsTheLastGoodPair(t *testing.T) {
	authority := newAuthority(t)
	good := issued(t, authority)
	s := newTLSServer(t, authority, good)
	testkit.Must(t, os.Remove(s.files.path("tls.key")))
	s.clock.pass(relook)
	s.serves(good, "without a key's file")
	if !strings.Contains(s.log.String(), "--tls-key-file") {
		t.Errorf("the log says %s", s.log)
	}
}

func TestVersionsOfTLS(t *testing.T) {
	authority := newAuthority(t)
	s := newTLSServer(t, authority, issued(t, authority))
	for most, want := range map[uint16]uint16{0: tls.VersionTLS13, tls.VersionTLS12: tls.VersionTLS12, tls.VersionTLS11: 0} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.at, nil)
		testkit.Must(t, err)
		answer, err := s.client(func(c *tls.Config) { c.MaxVersion = most }).Do(r)
		if err != nil {
			if want != 0 {
				t.Errorf("up to %#x: %v", most, err)
			}
			continue
		}
		testkit.Must(t, answer.Body.Close())
		if answer.TLS.Version != want {
			t.Errorf("up to %#x: version %#x", most, answer.TLS.Version)
		}
	}
}

// At the start there is no last good pair.
func TestTheServiceDoesNotStartWithABadPair(t *testing.T) {
	authority := newAuthority(t)
	good, other := issued(t, authority), issued(t, authority)
	for name, tc := range map[string]struct {
		pair  madecert.Pair
		wants []string
	}{
		"mismatched": {madecert.Pair{Certificate: good.Certificate, Key: other.Key}, []string{"--tls-cert-file", "--tls-key-file", "tls.crt", "tls.key"}},
		"no files":   {madecert.Pair{}, []string{"--tls-cert-file"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := mount(t, tc.pair)
			if name == "no files" {
				testkit.Must(t, os.Remove(files.path("tls.crt")))
			}
			err := runCommand(t.Context(), t.TempDir(), "--listen=127.0.0.1:0", "--tls-cert-file="+files.path("tls.crt"), "--tls-key-file="+files.path("tls.key"))
			for _, want := range tc.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the error shows the key")
			}
		})
	}
}

// runCommand runs the command, until the context ends where it starts.
func runCommand(ctx context.Context, dir string, args ...string) error {
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("a token of this test"), 0o600); err != nil {
		return err
	}
	c := Command()
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs(append([]string{"--bearer-token-file", token, "--data-dir", filepath.Join(dir, "data")}, args...))
	return c.ExecuteContext(ctx)
}

// Without TLS the service serves its own machine alone, unless a flag says so.
func TestPlainHTTPIsForLoopback(t *testing.T) {
	for listen, permitted := range map[string]bool{
		"127.0.0.1:0": true, "127.8.9.1:0": true, "localhost:0": true, "[::1]:0": true,
		":0": false, "0.0.0.0:0": false, "[::]:0": false, "10.1.2.3:0": false, "service.example.com:0": false, "localhost.example.com:0": false, "8765": false,
	} {
		if err := checkPlainHTTP(listen); (err == nil) != permitted {
			t.Errorf("%s: %v", listen, err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"loopback":             {args: []string{"--listen=127.0.0.1:0"}},
		"everywhere":           {args: []string{"--listen=:0"}, want: "--allow-plain-http"},
		"everywhere permitted": {args: []string{"--listen=:0", "--allow-plain-http"}},
		"both":                 {args: []string{"--listen=:0", "--allow-plain-http", "--tls-cert-file=a", "--tls-key-file=b"}, want: "give one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			err := runCommand(ended, t.TempDir(), tc.args...)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

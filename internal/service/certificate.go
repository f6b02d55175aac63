package service

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// relook is the least time between two looks at the files of the certificate.
const relook = time.Second

// certificate is the pair of --tls-cert-file and --tls-key-file. The files are read
// again when they have changed; while they hold no pair, the last good one serves.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu        sync.Mutex
	looked    time.Time
	cert, key []byte // as read last
	pair      *tls.Certificate
	problem   string
}

// openCertificate reads the files. At the start there is no last good pair, so a bad
// one is an error.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.looked = c.now()
	return c, nil
}

// config serves the pair as it is at each handshake. TLS 1.3 is used where the caller
// has it.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil }}
}

func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= relook {
		c.looked = now
		c.look()
	}
	return c.pair
}

// look reads the files again, and tells a problem once. c.mu is held.
func (c *certificate) look() {
	before := c.pair
	err := c.read()
	switch {
	case err != nil && err.Error() != c.problem:
		c.problem = err.Error()
		c.log.Error("the TLS certificate cannot be loaded; the last good one serves", "error", err)
	case err == nil && (c.pair != before || c.problem != ""):
		c.problem = ""
		c.log.Info("loaded the TLS certificate", "path", c.certFile, "expires", c.pair.Leaf.NotAfter)
	}
}

// read takes the pair of the files where it differs from the present one.
func (c *certificate) read() error {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return fmt.Errorf("--tls-cert-file: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-key-file: %w", err)
	}
	if c.pair != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert-file and --tls-key-file: %s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.cert, c.key, c.pair = cert, key, &pair
	return nil
}

// checkPlainHTTP refuses an address that others than this machine reach without TLS.
func checkPlainHTTP(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("--listen: %q is not an address with a port", listen)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return errors.New("--listen: give --tls-cert-file and --tls-key-file, or a loopback address; tokens and signatures would pass the network unencrypted, which --allow-plain-http permits")
}

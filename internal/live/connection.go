package live

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
)

// Connection is the flags that say which data store is asked, and under which key.
type Connection struct {
	Endpoint, TokenFile, CAFile, Store, KeyFile string
	PlainHTTP                                   bool
}

// AddTo adds the flags to a command.
func (f *Connection) AddTo(c *cobra.Command) {
	set := c.Flags()
	set.StringVar(&f.Endpoint, "endpoint", "http://127.0.0.1:8765/beta", "endpoint of the service, as in the upload agent")
	set.StringVar(&f.TokenFile, "bearer-token-file", "", "file with the service's bearer token (required)")
	set.StringVar(&f.CAFile, "ca-file", "", "certificates of a private authority in PEM")
	set.BoolVar(&f.PlainHTTP, "allow-plain-http", false, "use http for other than loopback addresses")
	set.StringVar(&f.Store, "store", "", "displayName of the data store (required)")
	set.StringVar(&f.KeyFile, "key-file", "", "file with the store's key, as it is in the Secret (required)")
	for _, name := range []string{"bearer-token-file", "store", "key-file"} {
		_ = c.MarkFlagRequired(name) // the flag is there
	}
}

// Stores are those of the service, which is asked through web.
func (f *Connection) Stores(web *http.Client) (edm.Stores, error) {
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	c, err := rest.New(rest.Options{Endpoint: f.Endpoint, Token: rest.StaticToken(token), HTTP: web})
	if err != nil {
		return nil, err
	}
	return c.Stores(), nil
}

// Key reads the store's key.
func (f *Connection) Key() ([]byte, error) {
	key, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	return key, nil
}

// Client dials the endpoint's host wherever it is: the person at the keyboard
// chose it. Plain HTTP beyond loopback needs to be allowed.
func (f *Connection) Client() (*http.Client, error) {
	endpoint, err := url.Parse(f.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return nil, errors.New("--endpoint must be an http or https URL")
	}
	guard := dial.NewGuard(dial.Allow{Hosts: []string{endpoint.Host}, PlainHTTP: f.PlainHTTP}, dial.Anything)
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if guard.RootCAs, err = dial.Authorities(pem); err != nil {
			return nil, fmt.Errorf("--ca-file: %s contains no certificate in PEM", f.CAFile)
		}
	}
	return guard.HTTPClient(), nil
}

func (f *Connection) token() (string, error) {
	text, err := os.ReadFile(f.TokenFile)
	if err != nil {
		return "", fmt.Errorf("--bearer-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("--bearer-token-file: %s is empty", f.TokenFile)
	}
	return token, nil
}

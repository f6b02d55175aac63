package authn

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/dial"
)

const (
	fetchTimeout = 10 * time.Second // of everything that one look at the keys takes
	maxAnswer    = 1 << 20          // bytes of a discovery document or a key set
)

// discoveryPath is where OpenID Connect Discovery keeps an issuer's metadata.
const discoveryPath = "/.well-known/openid-configuration"

// keyText gets the issuer's key set as JSON: out of its file, or from its server.
func (i *Issuer) keyText(ctx context.Context) ([]byte, error) {
	if i.JWKSFile != "" {
		return readFile(i.JWKSFile)
	}
	ctx, done := context.WithTimeout(ctx, fetchTimeout)
	defer done()
	client, err := i.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	at := i.JWKSURL
	if at == "" {
		if at, err = i.discover(ctx, client); err != nil {
			return nil, err
		}
	}
	return i.get(ctx, client, at)
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("it has more than %d bytes", maxAnswer)
	}
	return text, err
}

// home is the URL that the administrator names: its host may be private, and gets the token.
func (i *Issuer) home() (*url.URL, error) {
	text := i.JWKSURL
	if text == "" {
		text = i.Issuer
	}
	return url.Parse(text)
}

// client passes the guard of outgoing connections: https alone but on loopback, no redirects, no proxy, and of private
// hosts the one that the entry names. Authorities are read each time, since they are replaced.
func (i *Issuer) client() (*http.Client, error) {
	home, err := i.home()
	if err != nil {
		return nil, err
	}
	guard := dial.Guard{AllowHosts: []string{home.Host}, Policy: dial.Policy{Hosts: []string{home.Host}}, StallTimeout: fetchTimeout}
	if i.CAFile != "" {
		text, err := readFile(i.CAFile)
		if err != nil {
			return nil, fmt.Errorf("caFile: %w", err)
		}
		guard.RootCAs = x509.NewCertPool()
		if !guard.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("caFile: %s has no certificate in PEM", i.CAFile)
		}
	}
	return guard.HTTPClient(), nil
}

// discover asks the issuer where its keys are.
func (i *Issuer) discover(ctx context.Context, client *http.Client) (string, error) {
	text, err := i.get(ctx, client, strings.TrimSuffix(i.Issuer, "/")+discoveryPath)
	if err != nil {
		return "", err
	}
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return "", errors.New("the discovery document is not JSON")
	}
	if found.Issuer != i.Issuer {
		return "", fmt.Errorf("the discovery document is of the issuer %q: the entry's issuer must be that, to the byte", found.Issuer)
	}
	if err := checkURL("jwks_uri", found.JWKSURI); err != nil {
		return "", fmt.Errorf("the discovery document: %w", err)
	}
	return found.JWKSURI, nil
}

// get reads one document. Errors name the host, and neither path nor query.
func (i *Issuer) get(ctx context.Context, client *http.Client, at string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, errors.New("the URL of the keys is malformed")
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	if err := i.authorize(request); err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	var refused *dial.RefusedError
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%s is not a host of the entry's, and not a public one by https: give its URL of keys as jwksURL", request.URL.Host)
	}
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, fmt.Errorf("%s: %w", request.URL.Host, err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", request.URL.Host, response.StatusCode)
	}
	text, err := readBounded(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: its answer: %w", request.URL.Host, err)
	}
	return text, nil
}

// authorize sends the entry's token, and to the host that the entry names alone.
func (i *Issuer) authorize(request *http.Request) error {
	home, err := i.home()
	if err != nil || i.TokenFile == "" || request.URL.Scheme != home.Scheme || request.URL.Host != home.Host {
		return err
	}
	token, err := i.ownToken()
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// ownToken is what TokenFile holds.
func (i *Issuer) ownToken() (string, error) {
	text, err := readFile(i.TokenFile)
	if err != nil {
		return "", fmt.Errorf("tokenFile: %w", err)
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 || bytes.ContainsAny(token, " \r\n") {
		return "", fmt.Errorf("tokenFile: %s does not hold one token", i.TokenFile)
	}
	return string(token), nil
}

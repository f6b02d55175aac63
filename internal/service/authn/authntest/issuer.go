// Package authntest is an issuer of tokens for tests: its keys rotate, and it can be away.
package authntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer serves a discovery document and a key set over TLS.
type Issuer struct {
	// URL is the claim "iss" of its tokens.
	URL string
	// CAFile has the authority of its certificate.
	CAFile string

	t      testing.TB
	server *httptest.Server

	mu      sync.Mutex
	keys    []jose.JSONWebKey // private ones
	next    int
	away    bool
	token   string // that the key set wants
	fetches int
	answer  func(http.ResponseWriter)
}

// Claims are those of a token.
type Claims map[string]any

// New serves an issuer until the test ends.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serve(func() any {
		return map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	}))
	mux.HandleFunc("GET /keys", i.serve(func() any {
		i.fetches++
		set := jose.JSONWebKeySet{}
		for _, one := range i.keys {
			set.Keys = append(set.Keys, one.Public())
		}
		return set
	}))
	i.server = httptest.NewTLSServer(mux)
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	i.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	i.must(os.WriteFile(i.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw}), 0o600))
	i.Rotate()
	return i
}

func (i *Issuer) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *Issuer) serve(body func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		switch {
		case i.away:
			w.WriteHeader(http.StatusServiceUnavailable)
		case i.token != "" && r.Header.Get("Authorization") != "Bearer "+i.token:
			w.WriteHeader(http.StatusUnauthorized)
		case i.answer != nil:
			i.answer(w)
		default:
			_ = json.NewEncoder(w).Encode(body())
		}
	}
}

// Rotate signs with a new key from now on. The old one is withdrawn.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next++
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i.must(err)
	i.keys = []jose.JSONWebKey{{Key: key, KeyID: fmt.Sprintf("key-%d", i.next), Algorithm: "ES256", Use: "sig"}}
}

// Away has every request fail, or be answered again.
func (i *Issuer) Away(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

// Wants has every request need a bearer token.
func (i *Issuer) Wants(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.token = token
}

// Answers has every request be answered so; nil answers as an issuer does.
func (i *Issuer) Answers(by func(http.ResponseWriter)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = by
}

// Fetches counts the answers with keys.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Key is the private key that signs now.
func (i *Issuer) Key() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[0]
}

// KeySet is what the issuer shows of its keys.
func (i *Issuer) KeySet() []byte {
	key := i.Key()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	i.must(err)
	return text
}

// Base are claims of a subject, for an audience, of an hour around a time.
func (i *Issuer) Base(subject, audience string, now time.Time) Claims {
	return Claims{"iss": i.URL, "sub": subject, "aud": audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

// With are the claims with others beside them; nil takes one away.
func (c Claims) With(others Claims) Claims {
	out := maps.Clone(c)
	maps.Copy(out, others)
	maps.DeleteFunc(out, func(_ string, value any) bool { return value == nil })
	return out
}

// ServiceAccount are the claims that an API server gives to a ServiceAccount's token.
func (i *Issuer) ServiceAccount(namespace, name, audience string, now time.Time) Claims {
	return i.Base("system:serviceaccount:"+namespace+":"+name, audience, now).With(Claims{
		"aud": []string{audience}, "kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": name, "uid": "1"}},
	})
}

// Sign makes a token of claims.
func (i *Issuer) Sign(c Claims) string { return SignBy(i.t, i.Key(), jose.ES256, c) }

// SignBy makes a token with any key.
func SignBy(t testing.TB, key jose.JSONWebKey, algorithm jose.SignatureAlgorithm, c Claims) string {
	t.Helper()
	return sign(t, jose.SigningKey{Algorithm: algorithm, Key: key}, nil, c)
}

func sign(t testing.TB, by jose.SigningKey, options *jose.SignerOptions, c Claims) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return signText(t, by, options, text)
}

// SignLast makes a token in whose JSON one more claim comes after all others.
func (i *Issuer) SignLast(c Claims, name string, value any) string {
	text, err := json.Marshal(c)
	i.must(err)
	last, err := json.Marshal(value)
	i.must(err)
	text = fmt.Appendf(text[:len(text)-1], ",%q:%s}", name, last)
	return i.SignText(i.t, text)
}

// SignText makes a token of whatever stands there for claims.
func (i *Issuer) SignText(t testing.TB, claims []byte) string {
	t.Helper()
	return signText(t, jose.SigningKey{Algorithm: jose.ES256, Key: i.Key()}, nil, claims)
}

func signText(t testing.TB, by jose.SigningKey, options *jose.SignerOptions, text []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(by, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Forged are tokens with these claims that the issuer did not sign, by how they were made.
func (i *Issuer) Forged(c Claims) map[string]string {
	valid := i.Sign(c)
	own := i.Key()
	public, err := json.Marshal(own.Public())
	i.must(err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i.must(err)
	head, rest, _ := strings.Cut(valid, ".")
	payload, mac, _ := strings.Cut(rest, ".")
	none := rawURL(`{"alg":"none","kid":"` + own.KeyID + `"}`)
	otherPayload := strings.Split(i.Sign(c.With(Claims{"extra": true})), ".")[1]
	return map[string]string{
		"alg none":                   none + "." + payload + ".",
		"alg none with a signature":  none + "." + payload + "." + mac,
		"HMAC with the public key":   SignBy(i.t, jose.JSONWebKey{Key: public, KeyID: own.KeyID}, jose.HS256, c),
		"HMAC with the public point": SignBy(i.t, jose.JSONWebKey{Key: pointOf(own), KeyID: own.KeyID}, jose.HS256, c),
		"another key, same kid":      SignBy(i.t, jose.JSONWebKey{Key: other, KeyID: own.KeyID}, jose.ES256, c),
		"another key, no kid":        SignBy(i.t, jose.JSONWebKey{Key: other}, jose.ES256, c),
		"unknown kid":                SignBy(i.t, jose.JSONWebKey{Key: own.Key, KeyID: "another"}, jose.ES256, c),
		"claims of another token":    head + "." + otherPayload + "." + mac,
		"no signature":               head + "." + payload + ".",
		"embedded key":               sign(i.t, jose.SigningKey{Algorithm: jose.ES256, Key: other}, &jose.SignerOptions{EmbedJWK: true}, c),
	}
}

func rawURL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func pointOf(key jose.JSONWebKey) []byte {
	public, err := key.Public().Key.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		panic(err)
	}
	return public.Bytes()
}

package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// betweenFetches is the least time between two looks at the keys, whatever is asked for.
	betweenFetches = 10 * time.Second
	// fresh is how long fetched keys are used without another look, so that a key that the issuer withdrew goes. Keys out
	// of a file are looked at as often as may be.
	fresh = 5 * time.Minute
	// usable is how long they are used while the issuer is away.
	usable  = 24 * time.Hour
	maxKeys = 50
)

// algorithms are those that a public key verifies. With a symmetric one, who knows the public key could sign.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// keys are an issuer's public keys, kept and read again.
type keys struct {
	text  func(context.Context) ([]byte, error)
	fresh time.Duration
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	known   []jose.JSONWebKey
	got     time.Time     // when known was read
	tried   time.Time     // when the last look began
	failed  error         // of the last look
	running chan struct{} // closed when the look that is on ends
}

func (a *Authenticator) keysOf(i Issuer) *keys {
	k := &keys{text: i.keyText, fresh: fresh, now: a.now, log: a.log.With("entry", i.Name)}
	if i.JWKSFile != "" {
		k.fresh = betweenFetches
	}
	return k
}

// find returns the keys that a token may be signed with, and when they were read. A key that is not known is looked for at the issuer, seldom
// enough that strangers make no load there.
func (k *keys) find(ctx context.Context, id string) (found []jose.JSONWebKey, got time.Time, err error) {
	k.mu.Lock()
	found, got = k.of(id), k.got
	if len(found) > 0 && k.now().Sub(got) < k.fresh {
		k.mu.Unlock()
		return found, got, nil
	}
	running := k.look()
	k.mu.Unlock()
	if len(found) > 0 {
		return found, got, nil // the look goes on behind
	}
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, got, k.unavailable()
		}
	}
	k.mu.Lock()
	found, got = k.of(id), k.got
	failed := k.failed
	k.mu.Unlock()
	if len(found) == 0 && failed != nil {
		return nil, got, k.unavailable()
	}
	return found, got, nil
}

// of are the known keys with an id; all of them where the token names none. k.mu is held.
func (k *keys) of(id string) (out []jose.JSONWebKey) {
	if k.now().Sub(k.got) > usable {
		return nil
	}
	for _, one := range k.known {
		if id == "" || one.KeyID == id {
			out = append(out, one)
		}
	}
	return out
}

// look begins to read the keys, unless that was done a moment ago. It returns what is closed at the end of the look
// that is on, nil for none. k.mu is held.
func (k *keys) look() <-chan struct{} {
	if k.running == nil && (k.tried.IsZero() || k.now().Sub(k.tried) >= betweenFetches) {
		k.running, k.tried = make(chan struct{}), k.now()
		go k.read()
	}
	return k.running
}

// read looks at the issuer, for all callers that wait.
func (k *keys) read() {
	text, err := k.text(context.Background())
	var all []jose.JSONWebKey
	if err == nil {
		all, err = parseKeys(text)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.known, k.got = all, k.now()
	} else {
		k.log.Warn("the keys of an issuer cannot be read; those that are known stay", "known", len(k.known), "since", k.got, "error", err)
	}
	k.failed = err
	close(k.running)
	k.running = nil
}

// unavailable says when to come again.
func (k *keys) unavailable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	refusal := refuse(KeysUnavailable, "the keys of the token's issuer cannot be read now: try again; the service's log says why")
	refusal.RetryAfter = max(betweenFetches-k.now().Sub(k.tried), time.Second)
	return refusal
}

// parseKeys reads a key set and leaves out what signs nothing here.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the key set is not JSON")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys and must have at most %d", len(set.Keys), maxKeys)
	}
	var out []jose.JSONWebKey
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		// A key of a type that is not known here is none of ours, and no reason to refuse the others.
		if err := json.Unmarshal(one, &key); err == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the key set has no public key for signatures")
	}
	return out, nil
}

// signature is one verification: an oidc.KeySet, which keeps why it failed.
type signature struct {
	keys *keys
	got  time.Time // when the keys were read
	err  error
}

// VerifySignature implements oidc.KeySet.
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := s.verify(ctx, token)
	s.err = err
	return payload, err
}

func (s *signature) verify(ctx context.Context, token string) ([]byte, error) {
	parsed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, refuse(Malformed, "the token is not a signed JWT of an asymmetric algorithm")
	}
	header := parsed.Signatures[0].Header
	candidates, got, err := s.keys.find(ctx, header.KeyID)
	if s.got = got; err != nil {
		return nil, err
	}
	for _, key := range candidates {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := parsed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(Signature, "the token is not signed by a key of its issuer")
}

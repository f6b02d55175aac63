package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// recheck is the least time between two looks at the files.
	recheck = 2 * time.Second
	// maxToken is the longest token that is read, in bytes.
	maxToken = 16 << 10
)

// Files name what an Authenticator goes by; "" is a file that is not there.
type Files struct {
	Configuration string // --authentication-config
	StaticTokens  string // --static-token-file
	Policy        string // --policy-file
	Log           *slog.Logger
	Now           func() time.Time
}

// Authenticator finds out whose a token is, and what its owner may do. Its files are read again where they have changed.
type Authenticator struct {
	now func() time.Time
	log *slog.Logger

	proofs proofs

	mu      sync.Mutex
	looked  time.Time
	issuers watched[[]*entry]
	tokens  watched[*StaticTokens]
	policy  watched[*Policy]
}

// entry is an issuer with its keys.
type entry struct {
	Issuer
	keys *keys
}

// Open reads the files. At the start there is no last good one, so a bad file is an error.
func Open(f Files) (*Authenticator, error) {
	if f.Policy == "" {
		return nil, errors.New("--policy-file: it is needed with --authentication-config and --static-token-file, since nobody may do anything without a rule")
	}
	a := &Authenticator{now: f.Now, log: f.Log}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.issuers = watched[[]*entry]{flag: "--authentication-config", path: f.Configuration, parse: a.parseIssuers, log: a.log}
	a.tokens = watched[*StaticTokens]{flag: "--static-token-file", path: f.StaticTokens, parse: ParseStaticTokens, log: a.log}
	a.policy = watched[*Policy]{flag: "--policy-file", path: f.Policy, parse: a.parsePolicy, log: a.log}
	for _, open := range []func() error{a.issuers.open, a.tokens.open, a.policy.open} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	a.looked = a.now()
	return a, nil
}

// parseIssuers makes the entries of a configuration. One that stays as it is keeps its keys.
func (a *Authenticator) parseIssuers(text []byte) ([]*entry, error) {
	c, err := ParseConfiguration(text)
	if err != nil {
		return nil, err
	}
	for i := range c.Issuers {
		if err := c.Issuers[i].complete(); err != nil {
			return nil, fmt.Errorf("issuers[%d].%w", i, err)
		}
	}
	if err := c.checkPairs(); err != nil {
		return nil, err
	}
	var out []*entry
	for _, one := range c.Issuers {
		at := slices.IndexFunc(a.issuers.good, func(e *entry) bool { return reflect.DeepEqual(e.Issuer, one) })
		if at >= 0 {
			out = append(out, a.issuers.good[at])
			continue
		}
		out = append(out, &entry{Issuer: one, keys: a.keysOf(one)})
	}
	return out, nil
}

// complete takes the issuer out of the entry's own token where none is given, and refuses an audience that this token
// has: it would be the API server's, and a token that is shown here could be used there.
func (i *Issuer) complete() error {
	if i.TokenFile == "" {
		return nil
	}
	own, err := i.ownToken()
	if err != nil {
		return err
	}
	is, err := unverified(own)
	if err != nil {
		return fmt.Errorf("tokenFile: %s does not hold a JWT", i.TokenFile)
	}
	for j, audience := range i.Audiences {
		if slices.Contains(is.audiences(), audience) {
			return fmt.Errorf("audiences[%d]: %q is an audience of the API server's, where the tokens could be used too: choose one of this service's own", j, audience)
		}
	}
	if i.Issuer == "" {
		i.Issuer = is.text("iss")
	}
	if i.JWKSURL == "" {
		return checkURL("issuer", i.Issuer)
	}
	return nil
}

// parsePolicy reads a policy and holds it against the entries of now.
func (a *Authenticator) parsePolicy(text []byte) (*Policy, error) {
	p, err := ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	kinds := map[string]IssuerKind{}
	if a.tokens.path != "" {
		kinds[StaticEntry] = ""
	}
	for _, one := range a.issuers.good {
		kinds[one.Name] = one.Kind
	}
	return p, p.checkEntries(kinds)
}

// present is what the files say now.
func (a *Authenticator) present() ([]*entry, *StaticTokens, *Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if since := a.now().Sub(a.looked); since >= recheck || since < 0 {
		a.looked = a.now()
		a.issuers.look()
		a.tokens.look()
		a.policy.look()
	}
	return a.issuers.good, a.tokens.good, a.policy.good
}

// Authenticate finds the caller whose token it is. The error is a *Refusal.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (Caller, error) {
	issuers, tokens, policy := a.present()
	who, err := a.identify(ctx, token, issuers, tokens)
	if err != nil {
		return Caller{}, err
	}
	caller, err := policy.caller(who)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		refusal.Subject = who.name()
	}
	return caller, err
}

// identify finds the subject of a token.
func (a *Authenticator) identify(ctx context.Context, token string, issuers []*entry, tokens *StaticTokens) (*identity, error) {
	if len(token) > maxToken {
		return nil, refuse(Malformed, "the token has more than %d bytes", maxToken)
	}
	if name, found := tokens.named(token); found {
		return &identity{entry: StaticEntry, subject: name}, nil
	}
	if len(issuers) == 0 {
		return nil, refuse(Unknown, "the token is not known")
	}
	if who := a.proofs.find(token, issuers, a.now()); who != nil {
		return who, nil
	}
	shown, err := unverified(token)
	if err != nil {
		return nil, err
	}
	one, audience, err := choose(issuers, shown)
	if err != nil {
		return nil, err
	}
	by := &signature{keys: one.keys}
	who, err := a.verify(ctx, token, one, audience, by)
	if err == nil {
		a.proofs.add(token, issuers, by, who)
	}
	return who, err
}

// unverified reads a token's claims without belief in any of them.
func unverified(token string) (claims, error) {
	if strings.Count(token, ".") != 2 {
		return nil, refuse(Malformed, "the token is neither a static one nor a JWT")
	}
	parsed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, refuse(Malformed, "the token is not a signed JWT of an asymmetric algorithm")
	}
	return parseClaims(parsed.UnsafePayloadWithoutVerification())
}

// choose finds the one entry, and its audience, that a token is for.
func choose(issuers []*entry, shown claims) (one *entry, audience string, err error) {
	issuer, audiences := shown.text("iss"), shown.audiences()
	for _, e := range issuers {
		at := slices.IndexFunc(e.Audiences, func(own string) bool { return slices.Contains(audiences, own) })
		if at < 0 || issuer == "" || e.Issuer.Issuer != issuer {
			continue
		}
		if one != nil {
			return nil, "", refuse(Ambiguous, "the token is for audiences of two entries, %s and %s: have it issued for one", one.Name, e.Name)
		}
		one, audience = e, e.Audiences[at]
	}
	if one == nil {
		return nil, "", refuse(Unknown, "no entry of the service has the token's issuer and one of its audiences")
	}
	return one, audience, nil
}

// verify believes a token that the entry's issuer signed, for the audience and for now.
func (a *Authenticator) verify(ctx context.Context, token string, one *entry, audience string, by *signature) (*identity, error) {
	var names []string
	for _, algorithm := range algorithms {
		names = append(names, string(algorithm))
	}
	verified, err := oidc.NewVerifier(one.Issuer.Issuer, by, &oidc.Config{
		ClientID: audience, SupportedSigningAlgs: names, Now: func() time.Time { return a.now().Add(-leeway) },
	}).Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case by.err != nil:
		return nil, by.err
	case errors.As(err, &expired):
		return nil, refuse(Expired, "the token has expired")
	case err != nil:
		return nil, refuse(Claims, "the token's claims are not those of its issuer and audience at this time")
	}
	var payload claims
	if err := verified.Claims((*rawClaims)(&payload)); err != nil {
		return nil, refuse(Malformed, "the token's claims are not a JSON object")
	}
	if payload.text("iss") != one.Issuer.Issuer || !slices.Contains(payload.audiences(), audience) || payload.text("sub") != verified.Subject {
		return nil, refuse(Claims, "the token has a claim twice, in different letter case")
	}
	if err := payload.checkTimes(a.now()); err != nil {
		return nil, err
	}
	return one.identify(payload)
}

// rawClaims takes the payload as it is.
type rawClaims claims

// UnmarshalJSON implements json.Unmarshaler.
func (c *rawClaims) UnmarshalJSON(payload []byte) error {
	parsed, err := parseClaims(payload)
	*c = rawClaims(parsed)
	return err
}

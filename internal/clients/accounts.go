package clients

import (
	"context"
	"net/url"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
)

// Token is a bearer token of a ServiceAccount.
type Token struct {
	Secret         string
	Issued, Expiry time.Time
}

// String hides the token.
func (Token) String() string { return "[redacted]" }

// GoString hides the token.
func (Token) GoString() string { return "[redacted]" }

// Issuer issues tokens of ServiceAccounts for one audience each. Its errors are
// problems where somebody has to act.
type Issuer interface {
	Issue(ctx context.Context, account types.NamespacedName, audience string) (Token, error)
}

// accounts keeps the tokens of ServiceAccounts while they are good. A token is
// renewed once half of its life is over, so that the last one outlives by minutes
// the ServiceAccount of a namespace that is being deleted.
type accounts struct {
	issuer Issuer
	now    func() time.Time

	mu    sync.Mutex
	known *cache.Expiring // *accountToken by accountKey
}

type accountKey struct {
	account  types.NamespacedName
	audience string
}

// accountToken is the token of one ServiceAccount for one audience.
type accountToken struct {
	mu    sync.Mutex
	token Token
	tried time.Time // when it was to be renewed last
}

// Bounds of what is kept.
const (
	// keepAccount is how long an account is remembered after its last use: longer than
	// the life of a token.
	keepAccount = time.Hour
	// renewPause is how often a renewal that fails is tried again.
	renewPause = 10 * time.Second
	// leastLife is what a token must live on to be sent: a request takes a while.
	leastLife = 30 * time.Second
)

func newAccounts(issuer Issuer) *accounts {
	return &accounts{issuer: issuer, now: time.Now, known: cache.NewExpiring()}
}

// of finds what is known of an account.
func (a *accounts) of(key accountKey) *accountToken {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := &accountToken{}
	if known, ok := a.known.Get(key); ok {
		one = known.(*accountToken)
	}
	a.known.Set(key, one, keepAccount)
	return one
}

// token returns a token that is good for half a minute at least. Where none can be
// issued, the last one serves until it ends.
func (a *accounts) token(ctx context.Context, key accountKey) (string, error) {
	one := a.of(key)
	one.mu.Lock()
	defer one.mu.Unlock()
	now := a.now()
	half := one.token.Issued.Add(one.token.Expiry.Sub(one.token.Issued) / 2)
	good := now.Before(one.token.Expiry.Add(-leastLife))
	if good && (now.Before(half) || now.Before(one.tried.Add(renewPause))) {
		return one.token.Secret, nil
	}
	one.tried = now
	fresh, err := a.issuer.Issue(ctx, key.account, key.audience)
	switch {
	case err == nil:
		one.token = fresh
	case !good:
		return "", err
	}
	return one.token.Secret, nil
}

// drop forgets the token of an account, which was refused.
func (a *accounts) drop(key accountKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.Delete(key)
}

// account is a rest.TokenSource.
type account struct {
	*accounts
	key accountKey
}

func (a account) Token(ctx context.Context) (string, error) { return a.token(ctx, a.key) }

// accountOf makes the source of the tokens of the agent's ServiceAccount. It gets one
// at once, so that the agent says where none is issued.
func (c *Cache) accountOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, permitted policy.Permissions) (*account, error) {
	at, err := url.Parse(agent.Spec.Endpoint)
	if err != nil {
		return nil, problem.NeedsRepair(v1alpha1.ReasonUploadAgentNotReady, "spec.endpoint of ExactMatchUploadAgent %q is not a URL", agent.Name)
	}
	audience, err := permitted.Audience(at.Host)
	if err != nil {
		return nil, problem.NeedsRepair(v1alpha1.ReasonNotPermitted, "%v", err)
	}
	name := types.NamespacedName{Namespace: agent.Namespace, Name: agent.Spec.Auth.ServiceAccount.Name}
	source := &account{c.accounts, accountKey{name, audience}}
	_, err = source.Token(ctx)
	return source, err
}

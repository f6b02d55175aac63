// Package clients keeps, for each upload agent, the client of its service: with its
// credentials and certificate authority out of Secrets and ConfigMaps, below the guard
// of addresses, and within the budget of its endpoint.
package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
)

// Cache keeps one client of the service per upload agent, and one pace per
// endpoint and namespace, so that a Retry-After holds back every object of that
// namespace at that endpoint. A client lives as long as the agent's spec and its
// Secret stay the same.
type Cache struct {
	references
	options  Options
	accounts *accounts

	mu      sync.Mutex
	byAgent map[types.UID]*Client
	budgets map[string]*rest.Pace // by URL: agents that share an endpoint share its budget
	paces   map[tenant]*rest.Pace // and those of one namespace what they are asked to wait
}

// Options are what the clients of every agent are made with.
type Options struct {
	// QPS and Burst are the budget of calls to one endpoint.
	QPS, Burst int
	// Policy is what the administrator permits; nil permits nothing.
	Policy *policy.File
	// Namespace is the manager's own, in which the Secrets of Policy's authorities are.
	Namespace string
	// Issuer issues the tokens of ServiceAccounts.
	Issuer Issuer
	// Proxy is asked for each connection; nil uses none.
	Proxy *dial.Proxy
	// StallTimeout is how long a request may go without any byte moving: default
	// 1 min.
	StallTimeout time.Duration
	// Refused is called with the name of an agent whose status does not say yet that
	// its credentials or its endpoint are refused. It must not block; nil is not called.
	Refused func(agent types.NamespacedName)
	// HTTPClient makes the client below a guard: default dial.Guard.HTTPClient, which
	// only tests change.
	HTTPClient func(dial.Guard) *http.Client
}

// Client is the client of one agent as its spec and Secret were.
type Client struct {
	// Service speaks to the service.
	Service edm.Service
	// HTTP is the guarded client below it, for where the service sends us.
	HTTP *http.Client
	// Authority is what the endpoint is verified against where the administrator's
	// policy says so; nil elsewhere.
	Authority *Authority

	// account is where its tokens come from; nil where they are not a ServiceAccount's.
	account *account

	// spec and version are what it was made of: version names the agent's generation,
	// the resource versions of its Secrets, its authorities, and what is permitted.
	spec    v1alpha1.ExactMatchUploadAgentSpec
	version string

	// The rest belongs to Cache.mu.

	// refused is how the service refused the credentials of this version, and since
	// when; nil where it did not.
	refused error
	since   time.Time
	// told: the agent was woken because its endpoint is not permitted.
	told bool
}

// recheckIdentity is how often a refused identity is tried again that no Secret
// holds: nothing in the cluster changes when somebody grants it access.
const recheckIdentity = 5 * time.Minute

// refusal returns why the credentials must not be sent again, nil where they may.
// Cache.mu is held.
func (c *Client) refusal() error {
	auth := c.spec.Auth
	held := auth.ServiceAccount == nil && auth.WorkloadIdentity == nil && auth.ManagedIdentity == nil
	if held || time.Since(c.since) < recheckIdentity {
		return c.refused
	}
	c.refused = nil
	return nil
}

// New makes a cache without clients. It reads Secrets and ConfigMaps by the reader.
func New(reader client.Reader, o Options) *Cache {
	if o.HTTPClient == nil {
		o.HTTPClient = dial.Guard.HTTPClient
	}
	return &Cache{
		references: newReferences(reader), options: o, accounts: newAccounts(o.Issuer),
		byAgent: map[types.UID]*Client{}, budgets: map[string]*rest.Pace{}, paces: map[tenant]*rest.Pace{},
	}
}

// Open returns the client of an agent, whose Secrets it reads. It fails without
// a call where the service has refused these very credentials before.
func (c *Cache) Open(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *Reader) (*Client, error) {
	permitted := c.options.Policy.For(agent.Namespace) // once: it may change at any time
	options, err := c.optionsOf(ctx, agent, permitted, read)
	if err != nil {
		return nil, err
	}
	version := fmt.Sprintf("%d/%s%s%s", agent.Generation, read.versions, options.trust.version(), permitted.Version())
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.byAgent[agent.UID]; known != nil && known.version == version {
		return known, known.refusal()
	}
	options.Pace = c.paceOf(agent.Namespace, options.Endpoint)
	service, err := rest.New(options.Options)
	if err != nil {
		return nil, problem.NeedsRepair(v1alpha1.ReasonUploadAgentNotReady, "spec of ExactMatchUploadAgent %q: %v", agent.Name, err)
	}
	made := &Client{Service: service, HTTP: options.HTTP, Authority: options.trust.authority, spec: *agent.Spec.DeepCopy(), version: version}
	made.account, _ = options.Token.(*account)
	c.byAgent[agent.UID] = made
	return made, nil
}

// OpenFor opens the client of an agent for an object. While the object is being
// deleted, the last client that this process had of the agent as it is serves
// where a Secret, a ConfigMap or a ServiceAccount is missing: the deletion of a
// namespace takes those first, while the object still owns something at the service.
func (c *Cache) OpenFor(ctx context.Context, object client.Object, agent *v1alpha1.ExactMatchUploadAgent, read *Reader) (*Client, error) {
	opened, err := c.Open(ctx, agent, read)
	if err == nil || object.GetDeletionTimestamp().IsZero() || !isMissing(err) {
		return opened, err
	}
	if last, refusal := c.last(agent); last != nil {
		return last, refusal
	}
	return nil, err
}

// isMissing reports whether a Secret, a ConfigMap or a key of one is missing, or a
// ServiceAccount.
func isMissing(err error) bool {
	switch problem.Of(err).Reason {
	case v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonConfigMapNotFound, v1alpha1.ReasonAccountNotFound:
		return true
	}
	return false
}

// last is the client that was opened last for an agent, and why its credentials must
// not be sent again; nil where that had another spec, or there was none. The
// generation would not do: a deletion raises it.
func (c *Cache) last(agent *v1alpha1.ExactMatchUploadAgent) (*Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.byAgent[agent.UID]
	if known == nil || !equality.Semantic.DeepEqual(known.spec, agent.Spec) {
		return nil, nil
	}
	return known, known.refusal()
}

// paceOf is the pace of an endpoint for the agents of a namespace. All namespaces
// share the endpoint's budget; what one of them is asked to wait, under its own
// credentials, holds back no other. c.mu is held.
func (c *Cache) paceOf(namespace, url string) *rest.Pace {
	url = strings.TrimSuffix(url, "/")
	if c.budgets[url] == nil {
		c.budgets[url] = rest.NewPace(c.options.QPS, c.options.Burst)
	}
	tenant := tenant{namespace, url}
	if c.paces[tenant] == nil {
		c.paces[tenant] = c.budgets[url].Apart()
	}
	return c.paces[tenant]
}

// tenant is who calls an endpoint.
type tenant struct{ namespace, url string }

// Failed remembers that the service refused the credentials of a client, so that
// they are not tried again until a Secret changes, and wakes the agent, which says
// so. A refusal that comes late, to a call under an earlier Secret, says nothing of
// the present one.
//
// An endpoint that is not permitted any more wakes the agent, too; its name may
// resolve to another address soon, so it is dialled again.
func (c *Cache) Failed(agent *v1alpha1.ExactMatchUploadAgent, client *Client, err error) {
	var refused *dial.RefusedError
	notPermitted := errors.As(err, &refused)
	if agent == nil || edm.ClassOf(err) != edm.Credentials && !notPermitted {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.byAgent[agent.UID]
	switch {
	case known == nil || known != client:
		return
	case notPermitted:
		if !known.told {
			known.told = true
			c.wake(agent)
		}
		return
	}
	if known.refused == nil {
		c.wake(agent)
	}
	known.refused, known.since = err, time.Now()
	if known.account != nil {
		c.accounts.drop(known.account.key) // the next one may be taken
	}
}

// wake has the agent's reconciler look at it.
func (c *Cache) wake(agent *v1alpha1.ExactMatchUploadAgent) {
	if c.options.Refused != nil {
		c.options.Refused(types.NamespacedName{Namespace: agent.Namespace, Name: agent.Name})
	}
}

// Forget drops the client of a deleted agent.
func (c *Cache) Forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byAgent, uid)
}

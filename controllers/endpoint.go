package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// endpoints keeps one client of the service per upload agent, and one pace per
// endpoint and namespace, so that a Retry-After holds back every object of that
// namespace at that endpoint. A client lives as long as the agent's spec and its
// Secret stay the same.
type endpoints struct {
	references *references
	options    endpointOptions

	mu      sync.Mutex
	byAgent map[types.UID]*endpoint
	budgets map[string]*rest.Pace // by URL: agents that share an endpoint share its budget
	paces   map[tenant]*rest.Pace // and those of one namespace what they are asked to wait
}

// endpointOptions are what the clients of every agent are made with.
type endpointOptions struct {
	// QPS and Burst are the budget of calls to one endpoint.
	QPS, Burst int
	// Policy is what the administrator permits: default nothing.
	Policy *policy.File
	// Proxy is used where it is not nil.
	Proxy *dial.Proxy
	// StallTimeout is how long a request may go without any byte moving: default
	// 1 min.
	StallTimeout time.Duration
	// Refused is told the name of an agent whose status does not say yet that its
	// credentials or its endpoint are refused; it must not block. Default nobody is.
	Refused func(agent types.NamespacedName)
}

// endpoint is the client of one agent as its spec and Secret were.
type endpoint struct {
	service edm.Service
	http    *http.Client
	spec    v1alpha1.ExactMatchUploadAgentSpec
	version string // the agent's generation, its Secrets' resource versions, and what is permitted
	refused error  // the service refused the credentials of this version
	since   time.Time
	told    bool // the agent was woken because its endpoint is not permitted
}

// recheckIdentity is how often a refused identity is tried again that no Secret
// holds: nothing in the cluster changes when somebody grants it access.
const recheckIdentity = 5 * time.Minute

// judge returns why the endpoint must not be called, nil where it may.
func (e *endpoint) judge(auth v1alpha1.Auth) error {
	if auth.WorkloadIdentity == nil && auth.ManagedIdentity == nil || time.Since(e.since) < recheckIdentity {
		return e.refused
	}
	e.refused = nil
	return nil
}

func newEndpoints(from *references, o endpointOptions) *endpoints {
	return &endpoints{
		references: from, options: o,
		byAgent: map[types.UID]*endpoint{}, budgets: map[string]*rest.Pace{}, paces: map[tenant]*rest.Pace{},
	}
}

// open returns the client of an agent, whose Secrets it reads. It fails without
// a call where the service has refused these very credentials before.
func (e *endpoints) open(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader) (*endpoint, error) {
	options, err := e.optionsOf(ctx, agent, read)
	if err != nil {
		return nil, err
	}
	version := fmt.Sprintf("%d/%s%s", agent.Generation, read.versions, e.options.Policy.For(agent.Namespace).Version())
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.byAgent[agent.UID]; known != nil && known.version == version {
		return known, known.judge(agent.Spec.Auth)
	}
	options.Pace = e.paceOf(agent.Namespace, options.Endpoint)
	service, err := rest.New(*options)
	if err != nil {
		return nil, problem.NeedsRepair(v1alpha1.ReasonUploadAgentNotReady, "spec of ExactMatchUploadAgent %q: %v", agent.Name, err)
	}
	made := &endpoint{service: service, http: options.HTTP, spec: *agent.Spec.DeepCopy(), version: version}
	e.byAgent[agent.UID] = made
	return made, nil
}

// openFor opens the client of an agent for an object. While the object is being
// deleted, the last client that this process had of the agent as it is serves
// where a Secret or ConfigMap is missing: the deletion of a namespace takes those
// first, while the object still owns something at the service.
func (e *endpoints) openFor(ctx context.Context, object client.Object, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader) (*endpoint, error) {
	point, err := e.open(ctx, agent, read)
	if err == nil || object.GetDeletionTimestamp().IsZero() || !isMissing(err) {
		return point, err
	}
	if last := e.last(agent.UID, agent.Spec); last != nil {
		return last, last.judge(agent.Spec.Auth)
	}
	return nil, err
}

// isMissing reports whether a Secret or ConfigMap, or a key of it, is missing.
func isMissing(err error) bool {
	switch problem.Of(err).Reason {
	case v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonConfigMapNotFound:
		return true
	}
	return false
}

// last is the client that was opened last for an agent; nil where that had another
// spec, or there was none. The generation would not do: a deletion raises it.
func (e *endpoints) last(uid types.UID, spec v1alpha1.ExactMatchUploadAgentSpec) *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.byAgent[uid]
	if known == nil || !equality.Semantic.DeepEqual(known.spec, spec) {
		return nil
	}
	return known
}

// paceOf is the pace of an endpoint for the agents of a namespace. All namespaces
// share the endpoint's budget; what one of them is asked to wait, under its own
// credentials, holds back no other. e.mu is held.
func (e *endpoints) paceOf(namespace, url string) *rest.Pace {
	url = strings.TrimSuffix(url, "/")
	if e.budgets[url] == nil {
		e.budgets[url] = rest.NewPace(e.options.QPS, e.options.Burst)
	}
	tenant := tenant{namespace, url}
	if e.paces[tenant] == nil {
		e.paces[tenant] = e.budgets[url].Apart()
	}
	return e.paces[tenant]
}

// tenant is who calls an endpoint.
type tenant struct{ namespace, url string }

// note remembers that the service refused the credentials of a client, so that
// they are not tried again until a Secret changes, and wakes the agent, which says
// so. A refusal that comes late, to a call under an earlier Secret, says nothing of
// the present one.
//
// An endpoint that is not permitted any more wakes the agent, too; its name may
// resolve to another address soon, so it is dialled again.
func (e *endpoints) note(agent *v1alpha1.ExactMatchUploadAgent, point *endpoint, err error) {
	var refused *dial.RefusedError
	notPermitted := errors.As(err, &refused)
	if agent == nil || edm.ClassOf(err) != edm.Credentials && !notPermitted {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.byAgent[agent.UID]
	switch {
	case known == nil || known != point:
		return
	case notPermitted:
		if !known.told {
			known.told = true
			e.wake(agent)
		}
		return
	}
	if known.refused == nil {
		e.wake(agent)
	}
	known.refused, known.since = err, time.Now()
}

// wake has the agent's reconciler look at it.
func (e *endpoints) wake(agent *v1alpha1.ExactMatchUploadAgent) {
	if e.options.Refused != nil {
		e.options.Refused(types.NamespacedName{Namespace: agent.Namespace, Name: agent.Name})
	}
}

// forget drops the client of a deleted agent.
func (e *endpoints) forget(uid types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byAgent, uid)
}

// guard is the rule of addresses that the agent's spec.allow makes below the
// administrator's policy.
func (e *endpoints) guard(agent *v1alpha1.ExactMatchUploadAgent) dial.Guard {
	o := e.options
	allow := agent.Spec.Allow
	guard := dial.NewGuard(dial.Allow{Hosts: allow.Hosts, PlainHTTP: allow.PlainHTTP}, o.Policy.For(agent.Namespace).Network)
	guard.Proxy, guard.StallTimeout = o.Proxy, o.StallTimeout
	return guard
}

// optionsOf makes the client's options out of the agent's spec.
func (e *endpoints) optionsOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader) (*rest.Options, error) {
	roots, err := rootsOf(ctx, agent, read)
	if err != nil {
		return nil, err
	}
	guard := e.guard(agent)
	guard.RootCAs = roots
	guarded := guard.HTTPClient()
	token, err := e.tokenOf(ctx, agent, read, guarded)
	if err != nil {
		return nil, err
	}
	return &rest.Options{Endpoint: agent.Spec.Endpoint, Token: token, HTTP: guarded}, nil
}

// rootsOf returns the certificates of the agent's private authority, nil where
// the system's are meant.
func rootsOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader) (*x509.CertPool, error) {
	ref := agent.Spec.CABundleConfigMapRef
	if ref == nil {
		return nil, nil
	}
	pem, err := read.configMap(ctx, ref.Name, ref.Key)
	if err != nil {
		return nil, err
	}
	pool, err := dial.Authorities(pem)
	if err != nil {
		return nil, problem.NeedsRepair(v1alpha1.ReasonUploadAgentNotReady, "ConfigMap %q has no PEM certificate in key %q; add it", ref.Name, ref.Key)
	}
	return pool, nil
}

// tokenOf makes the source of bearer tokens that spec.auth names; nil where the
// service asks for none.
func (e *endpoints) tokenOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader, c *http.Client) (rest.TokenSource, error) {
	auth := agent.Spec.Auth
	if err := e.identityPermitted(agent); err != nil {
		return nil, err
	}
	switch {
	case auth.BearerTokenSecretRef != nil:
		value, err := read.secret(ctx, auth.BearerTokenSecretRef.Name, auth.BearerTokenSecretRef.Key)
		if err != nil {
			return nil, err
		}
		return rest.StaticToken(string(value)), nil
	case auth.ClientSecret != nil:
		value, err := read.secret(ctx, auth.ClientSecret.SecretRef.Name, auth.ClientSecret.SecretRef.Key)
		if err != nil {
			return nil, err
		}
		return rest.NewClientSecret(auth.ClientSecret.TenantID, auth.ClientSecret.ClientID, string(value), auth.Scope, c)
	case auth.WorkloadIdentity != nil:
		return rest.NewWorkloadIdentity(auth.WorkloadIdentity.TenantID, auth.WorkloadIdentity.ClientID, auth.Scope, c)
	case auth.ManagedIdentity != nil:
		return rest.NewManagedIdentity(auth.ManagedIdentity.ClientID, auth.Scope, e.options.Proxy.ProcessClient())
	default:
		return nil, nil
	}
}

// identityPermitted refuses an agent that would have the manager's own identity
// sign for its endpoint, unless the administrator permits that.
func (e *endpoints) identityPermitted(agent *v1alpha1.ExactMatchUploadAgent) error {
	auth := agent.Spec.Auth
	want := policy.AmbientIdentity{Audience: auth.Scope}
	switch {
	case auth.WorkloadIdentity != nil:
		want.TenantID, want.ClientID = auth.WorkloadIdentity.TenantID, auth.WorkloadIdentity.ClientID
	case auth.ManagedIdentity != nil:
		want.ClientID = auth.ManagedIdentity.ClientID
	default:
		return nil
	}
	if at, err := url.Parse(agent.Spec.Endpoint); err == nil {
		want.Endpoint = at.Host
	}
	if err := e.options.Policy.For(agent.Namespace).Endpoint(want); err != nil {
		return problem.NeedsRepair(v1alpha1.ReasonNotPermitted, "%v", err)
	}
	return nil
}

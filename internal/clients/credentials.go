package clients

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm/entra"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
)

// Guard is the rule of addresses that the agent's spec.allow makes below the
// administrator's policy.
func (c *Cache) Guard(agent *v1alpha1.ExactMatchUploadAgent) dial.Guard {
	return c.guardBelow(c.options.Policy.For(agent.Namespace), agent)
}

func (c *Cache) guardBelow(permitted policy.Permissions, agent *v1alpha1.ExactMatchUploadAgent) dial.Guard {
	allow := agent.Spec.Allow
	guard := dial.NewGuard(dial.Allow{Hosts: allow.Hosts, PlainHTTP: allow.PlainHTTP}, permitted.Network)
	guard.Proxy, guard.StallTimeout = c.options.Proxy, c.options.StallTimeout
	return guard
}

// clientOptions are what one client is made with.
type clientOptions struct {
	rest.Options
	trust trust
}

// optionsOf makes the client's options out of the agent's spec and what is permitted.
func (c *Cache) optionsOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, permitted policy.Permissions, read *Reader) (*clientOptions, error) {
	trusted, err := c.trustOf(ctx, agent, permitted, read)
	if err != nil {
		return nil, err
	}
	guard := c.guardBelow(permitted, agent)
	guard.RootCAs, guard.HostRoots = trusted.roots, trusted.hostRoots
	guarded := c.options.HTTPClient(guard)
	token, err := c.tokenOf(ctx, agent, permitted, read, guarded)
	if err != nil {
		return nil, err
	}
	return &clientOptions{rest.Options{Endpoint: agent.Spec.Endpoint, Token: token, HTTP: guarded}, trusted}, nil
}

// authoritiesOf returns the certificates of the agent's private authority.
func authoritiesOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *Reader) (*x509.CertPool, error) {
	ref := agent.Spec.CABundleConfigMapRef
	pem, err := read.ConfigMap(ctx, ref.Name, ref.Key)
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
func (c *Cache) tokenOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, permitted policy.Permissions, read *Reader, guarded *http.Client) (rest.TokenSource, error) {
	auth := agent.Spec.Auth
	if err := checkIdentity(agent, permitted); err != nil {
		return nil, err
	}
	switch {
	case auth.ServiceAccount != nil:
		return c.accountOf(ctx, agent, permitted)
	case auth.BearerTokenSecretRef != nil:
		value, err := read.Secret(ctx, auth.BearerTokenSecretRef.Name, auth.BearerTokenSecretRef.Key)
		if err != nil {
			return nil, err
		}
		return rest.StaticToken(string(value)), nil
	case auth.ClientSecret != nil:
		value, err := read.Secret(ctx, auth.ClientSecret.SecretRef.Name, auth.ClientSecret.SecretRef.Key)
		if err != nil {
			return nil, err
		}
		return entra.ClientSecret(auth.ClientSecret.TenantID, auth.ClientSecret.ClientID, string(value), auth.Scope, guarded)
	case auth.WorkloadIdentity != nil:
		return entra.WorkloadIdentity(auth.WorkloadIdentity.TenantID, auth.WorkloadIdentity.ClientID, auth.Scope, guarded)
	case auth.ManagedIdentity != nil:
		return entra.ManagedIdentity(auth.ManagedIdentity.ClientID, auth.Scope, c.options.Proxy.ProcessClient())
	default:
		return nil, nil
	}
}

// checkIdentity refuses an agent that would have the manager's own identity
// sign for its endpoint, unless the administrator permits that.
func checkIdentity(agent *v1alpha1.ExactMatchUploadAgent, permitted policy.Permissions) error {
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
	if err := permitted.Endpoint(want); err != nil {
		return problem.NeedsRepair(v1alpha1.ReasonNotPermitted, "%v", err)
	}
	return nil
}

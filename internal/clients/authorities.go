package clients

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/url"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
)

// Authority is what one host is verified against in place of the system's authorities.
type Authority struct {
	// Host is that of the agent's endpoint, as written there.
	Host string
	// PEM is certificates and nothing else.
	PEM string
}

// trust is what servers are verified against.
type trust struct {
	// roots are the agent's own, for every host; nil means the system's.
	roots *x509.CertPool
	// authority and hostRoots are the administrator's, for the endpoint's host alone.
	authority *Authority
	hostRoots *dial.HostRoots
}

// version differs where what the administrator's Secret holds does.
func (t trust) version() string {
	if t.authority == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(t.authority.PEM))
	return "authority@" + hex.EncodeToString(sum[:8]) + " "
}

// maxAuthorities bounds the certificates of an endpoint: they are copied into tasks.
const maxAuthorities = 256 << 10

// trustOf finds what the agent's endpoint is verified against: what the agent names or,
// where it names nothing, what the administrator's policy does.
func (c *Cache) trustOf(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, permitted policy.Permissions, read *Reader) (trust, error) {
	if agent.Spec.CABundleConfigMapRef != nil {
		roots, err := authoritiesOf(ctx, agent, read)
		return trust{roots: roots}, err
	}
	at, err := url.Parse(agent.Spec.Endpoint)
	if err != nil {
		return trust{}, nil //nolint:nilerr // the client says so
	}
	ref, named := permitted.Authority(at.Host)
	if !named {
		return trust{}, nil
	}
	text, err := c.authority(ctx, ref, at.Host, read)
	if err != nil {
		return trust{}, err
	}
	roots, err := dial.Authorities(text)
	switch {
	case err != nil:
		return trust{}, c.badAuthority(ref, at.Host, "has no PEM certificate")
	case len(text) > maxAuthorities:
		return trust{}, c.badAuthority(ref, at.Host, "has more than 256 KiB of certificates")
	}
	return trust{authority: &Authority{Host: at.Host, PEM: string(text)}, hostRoots: &dial.HostRoots{Host: at.Host, RootCAs: roots}}, nil
}

// authority reads the certificates of a Secret in the manager's own namespace.
func (c *Cache) authority(ctx context.Context, ref policy.SecretKey, host string, read *Reader) ([]byte, error) {
	if c.options.Namespace == "" {
		return nil, problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
			"the operator does not know its own namespace, in which the Secret of authorities for endpoint %q is; have the administrator set its variable POD_NAMESPACE", host)
	}
	own := &Reader{references: read.references, namespace: c.options.Namespace, fresh: read.fresh}
	text, err := own.Secret(ctx, ref.Name, ref.Key)
	var missing *problem.Problem
	if errors.As(err, &missing) && missing.Reason == v1alpha1.ReasonSecretNotFound {
		return nil, problem.Absent(missing.Reason, "the authorities of endpoint %q are missing: key %q of Secret %q in the operator's namespace %q; have the administrator create it, or change authorities of the operator's policy file",
			host, ref.Key, ref.Name, c.options.Namespace)
	}
	if err != nil {
		return nil, err
	}
	return certificatesOf(text), nil
}

func (c *Cache) badAuthority(ref policy.SecretKey, host, what string) error {
	return problem.NeedsRepair(v1alpha1.ReasonUploadAgentNotReady, "key %q of Secret %q in the operator's namespace %q, which has the authorities of endpoint %q, %s; have the administrator correct it",
		ref.Key, ref.Name, c.options.Namespace, host, what)
}

// certificatesOf leaves out what is no certificate: a file may hold a key as well, and
// the certificates go into the namespaces of agents.
func certificatesOf(text []byte) []byte {
	var out []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
		}
	}
	return out
}

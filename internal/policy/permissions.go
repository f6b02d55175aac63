package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/dial"
)

// Permissions are what the policy permits in one namespace.
type Permissions struct {
	// Network bounds which addresses are dialled, and how.
	Network dial.Policy

	tokens      []ServiceAccountToken
	authorities []Authority
	identities  []AmbientIdentity
}

// NotPermittedError is a use of the manager's identity that no entry of the policy permits.
type NotPermittedError struct{ Message string }

// Error names the entry that is missing.
func (e *NotPermittedError) Error() string { return e.Message }

// Endpoint reports, as a *NotPermittedError, that the manager's identity must not sign requests to an endpoint of a host: with
// tokens for an audience, of a tenant and a client ("" where the environment's are meant).
func (p Permissions) Endpoint(want AmbientIdentity) error {
	host := canonicalHost(want.Endpoint)
	for _, entry := range p.identities {
		found := entry
		found.Endpoint, want.Endpoint = canonicalHost(entry.Endpoint), host
		if entry.Bucket == "" && found == want {
			return nil
		}
	}
	entry := fmt.Sprintf("endpoint %q, audience %q", host, want.Audience)
	if want.TenantID != "" {
		entry += fmt.Sprintf(", tenantID %q", want.TenantID)
	}
	if want.ClientID != "" {
		entry += fmt.Sprintf(", clientID %q", want.ClientID)
	}
	return p.refuse("the operator's own identity is not used here", "ambientIdentities", entry, "or use spec.auth.clientSecret or spec.auth.bearerTokenSecretRef")
}

// Bucket reports, as a *NotPermittedError, that the manager's identity must not read a key of a bucket; account is the
// storage account that the credentials name, "" for none. Else it returns the account to use, "" for the environment's. It is
// a source.Identity.
func (p Permissions) Bucket(scheme, bucket, key, account string) (string, error) {
	uri := scheme + "://" + bucket
	for _, entry := range p.identities {
		if entry.Bucket == uri && within(key, entry.Prefix) && (account == "" || account == entry.Account) {
			return entry.Account, nil
		}
	}
	entry := fmt.Sprintf("bucket %q", uri)
	if account != "" {
		entry += fmt.Sprintf(", account %q", account)
	}
	if folder, _, found := strings.Cut(key, "/"); found {
		entry += fmt.Sprintf(" and prefix %q", folder+"/")
	}
	return "", p.refuse("the operator's own identity is not used here", "ambientIdentities", entry, "or name a Secret in spec.source.credentialsSecretRef, or use spec.workers.mode Job with a ServiceAccount that has access")
}

// within reports whether a key lies below a prefix. One with a dot segment may come to lie elsewhere.
func within(key, prefix string) bool {
	if prefix != "" && slices.ContainsFunc(strings.Split(key, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return false
	}
	return strings.HasPrefix(key, prefix)
}

// Audience is that of the tokens of ServiceAccounts which may be sent to an endpoint of a host; a *NotPermittedError where
// none may.
func (p Permissions) Audience(endpoint string) (string, error) {
	host := canonicalHost(endpoint)
	for _, entry := range p.tokens {
		if canonicalHost(entry.Endpoint) == host {
			return entry.Audience, nil
		}
	}
	return "", p.refuse("no token of a ServiceAccount is sent there", "serviceAccountTokens", fmt.Sprintf("endpoint %q and its audience", host),
		"or use spec.auth.bearerTokenSecretRef")
}

// refuse says what does not happen, and which entry of a list would permit it.
func (p Permissions) refuse(what, list, entry, instead string) error {
	text := fmt.Sprintf("%s: have the administrator add an entry to %s of a rule for namespace %q in the operator's policy file (%s), %s",
		what, list, p.Network.Namespace, entry, instead)
	if p.Network.Note != "" {
		text += "; " + p.Network.Note
	}
	return &NotPermittedError{Message: text}
}

// Version names what is permitted: it differs where anything of that does.
func (p Permissions) Version() string {
	network := p.Network
	network.Note = ""
	text, err := json.Marshal([]any{network, p.tokens, p.authorities, p.identities})
	if err != nil {
		panic(err) // strings and ranges marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// AmbientIdentity is one use of the manager's own cloud identity: at an endpoint of the service, with a fixed audience,
// or for the reading of a bucket.
type AmbientIdentity struct {
	// Endpoint is the host of spec.endpoint, with its port if it has one.
	Endpoint string `json:"endpoint,omitempty"`
	// Audience is the scope that tokens for the endpoint are issued for, as in spec.auth.scope.
	Audience string `json:"audience,omitempty"`
	// TenantID and ClientID are those that upload agents may name; empty where the environment's are meant.
	TenantID string `json:"tenantID,omitempty"`
	ClientID string `json:"clientID,omitempty"`
	// Bucket is s3://name, gs://name or azblob://container.
	Bucket string `json:"bucket,omitempty"`
	// Prefix that keys begin with, up to and with a slash; empty for the whole bucket.
	Prefix string `json:"prefix,omitempty"`
	// Account is the storage account of a container; empty where the environment's is meant.
	Account string `json:"account,omitempty"`
}

// ServiceAccountToken is an endpoint to which tokens of ServiceAccounts are sent.
type ServiceAccountToken struct {
	// Endpoint is the host of spec.endpoint, with its port if it has one.
	Endpoint string `json:"endpoint"`
	// Audience of the tokens. One of the API server's is never used.
	Audience string `json:"audience"`
}

func (t ServiceAccountToken) check() error {
	if t.Endpoint == "" || strings.ContainsAny(t.Endpoint, "/@?#* ") {
		return fmt.Errorf("endpoint: give a host, with its port if it has one")
	}
	if strings.TrimSpace(t.Audience) == "" {
		return fmt.Errorf("audience: give the one that the service takes tokens for")
	}
	return nil
}

// canonicalHost is a host as hosts are compared: lower case, without a final dot and without the port of https.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	if name, port, err := net.SplitHostPort(host); err == nil && port == "443" {
		host = name
	}
	return strings.TrimSuffix(host, ".")
}

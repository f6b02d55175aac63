// Package policy is what the administrator permits that objects of a namespace may make the operator do: which private
// hosts it reaches, where plain HTTP is good enough, and what its own cloud identity signs. It is pure but for File, which
// reads it from a file and again when that changes.
package policy

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/internal/dial"
)

// The type of the file.
const (
	APIVersion = "policy.exactmatch.dev/v1alpha1"
	Kind       = "OperatorPolicy"
)

// Policy is the file. The zero value permits nothing: public hosts over https need no entry.
type Policy struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Rules add up: what any rule of a namespace permits is permitted there.
	Rules []Rule `json:"rules"`
}

// Rule permits things in namespaces.
type Rule struct {
	// Namespaces are names or patterns of path.Match, such as "team-*"; "*" is every namespace.
	Namespaces []string `json:"namespaces"`
	// Hosts may have a loopback, private or other special address: "host", "host:port", "*.domain". An upload agent
	// lists the host in spec.allow.hosts, too.
	Hosts []string `json:"hosts,omitempty"`
	// CIDRs are special ranges that the hosts of spec.allow.hosts may lie in. Metadata and link-local addresses need one.
	CIDRs []string `json:"cidrs,omitempty"`
	// PlainHTTP are the hosts, in the form of Hosts, that may be reached by http where spec.allow.plainHTTP of the upload
	// agent is true.
	PlainHTTP []string `json:"plainHTTP,omitempty"`
	// ServiceAccountTokens are the endpoints to which tokens of ServiceAccounts of the namespaces are sent.
	ServiceAccountTokens []ServiceAccountToken `json:"serviceAccountTokens,omitempty"`
	// Authorities are what endpoints are verified against in place of the system's authorities.
	Authorities []Authority `json:"authorities,omitempty"`
	// AmbientIdentities is where the manager's own cloud identity may sign requests.
	AmbientIdentities []AmbientIdentity `json:"ambientIdentities,omitempty"`
}

// Parse reads and checks the file. Unknown fields are errors: a misspelt one would silently permit nothing.
func Parse(text []byte) (*Policy, error) {
	p := &Policy{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		return nil, err
	}
	if p.APIVersion != APIVersion || p.Kind != Kind {
		return nil, fmt.Errorf("apiVersion and kind must be %s and %s", APIVersion, Kind)
	}
	audiences, authorities := map[string]string{}, map[string]SecretKey{}
	for i, rule := range p.Rules {
		err := rule.check()
		if err == nil {
			err = checkAudiences(audiences, rule.ServiceAccountTokens)
		}
		if err == nil {
			err = checkAuthorities(authorities, rule.Authorities)
		}
		if err != nil {
			return nil, fmt.Errorf("rules[%d].%w", i, err)
		}
	}
	return p, nil
}

// checkAudiences refuses a second audience of an endpoint: a token for both would open more than the one that is asked.
func checkAudiences(known map[string]string, tokens []ServiceAccountToken) error {
	for i, one := range tokens {
		host := canonicalHost(one.Endpoint)
		if before, found := known[host]; found && before != one.Audience {
			return fmt.Errorf("serviceAccountTokens[%d].audience: %q has the audience %q already; give an endpoint the same one in every rule", i, one.Endpoint, before)
		}
		known[host] = one.Audience
	}
	return nil
}

// check names the first field that cannot be.
func (r Rule) check() error {
	if len(r.Namespaces) == 0 {
		return fmt.Errorf("namespaces: name at least one; \"*\" is every namespace")
	}
	for i, pattern := range r.Namespaces {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("namespaces[%d]: %q is neither a name nor a pattern", i, pattern)
		}
	}
	for i, cidr := range r.CIDRs {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return fmt.Errorf("cidrs[%d]: %q is not a range such as 10.20.0.0/16", i, cidr)
		}
	}
	if err := checkHosts("hosts", r.Hosts); err != nil {
		return err
	}
	if err := checkHosts("plainHTTP", r.PlainHTTP); err != nil {
		return err
	}
	for i, token := range r.ServiceAccountTokens {
		if err := token.check(); err != nil {
			return fmt.Errorf("serviceAccountTokens[%d].%w", i, err)
		}
	}
	for i, authority := range r.Authorities {
		if err := authority.check(); err != nil {
			return fmt.Errorf("authorities[%d].%w", i, err)
		}
	}
	for i, identity := range r.AmbientIdentities {
		if err := identity.check(); err != nil {
			return fmt.Errorf("ambientIdentities[%d].%w", i, err)
		}
	}
	return nil
}

func checkHosts(field string, entries []string) error {
	for i, entry := range entries {
		host := strings.TrimPrefix(entry, "*.")
		if host == "" || strings.ContainsAny(host, "/@?#*") && entry != "*" || strings.TrimSpace(entry) != entry {
			return fmt.Errorf("%s[%d]: %q is not a host, host:port, *.domain or *", field, i, entry)
		}
	}
	return nil
}

func (a AmbientIdentity) check() error {
	switch {
	case (a.Endpoint == "") == (a.Bucket == ""):
		return fmt.Errorf("endpoint, bucket: give exactly one of them")
	case a.Endpoint != "" && (a.Prefix != "" || a.Account != ""):
		return fmt.Errorf("prefix, account: allowed only with bucket")
	case a.Endpoint != "" && (strings.ContainsAny(a.Endpoint, "/@?#* ") || a.Audience == ""):
		return fmt.Errorf("endpoint: give a host, with its port if it has one, and audience")
	case a.Endpoint != "":
		return nil
	case a.Audience != "" || a.TenantID != "" || a.ClientID != "":
		return fmt.Errorf("audience, tenantID, clientID: allowed only with endpoint")
	}
	return a.checkBucket()
}

func (a AmbientIdentity) checkBucket() error {
	scheme, name, _ := strings.Cut(a.Bucket, "://")
	switch {
	case !slices.Contains([]string{"s3", "gs", "azblob"}, scheme) || name == "" || strings.ContainsAny(name, "/*?#@"):
		return fmt.Errorf("bucket: %q is not s3://bucket, gs://bucket or azblob://container", a.Bucket)
	case a.Prefix != "" && !strings.HasSuffix(a.Prefix, "/"):
		return fmt.Errorf("prefix: %q does not end with a slash, so it would also permit keys beside the folder", a.Prefix)
	case a.Account != "" && scheme != "azblob":
		return fmt.Errorf("account: only azblob has one")
	}
	return nil
}

// of are the rules of a namespace.
func (p *Policy) of(namespace string) []Rule {
	return slices.DeleteFunc(slices.Clone(p.Rules), func(r Rule) bool {
		return !slices.ContainsFunc(r.Namespaces, func(pattern string) bool {
			matched, _ := path.Match(pattern, namespace) // checked when it was read
			return matched
		})
	})
}

// For is what the policy permits in a namespace.
func (p *Policy) For(namespace string) Permissions {
	permitted := Permissions{Network: dial.Policy{Namespace: namespace}}
	for _, rule := range p.of(namespace) {
		permitted.Network.Hosts = append(permitted.Network.Hosts, rule.Hosts...)
		permitted.Network.PlainHTTP = append(permitted.Network.PlainHTTP, rule.PlainHTTP...)
		permitted.tokens = append(permitted.tokens, rule.ServiceAccountTokens...)
		permitted.authorities = append(permitted.authorities, rule.Authorities...)
		permitted.identities = append(permitted.identities, rule.AmbientIdentities...)
		for _, cidr := range rule.CIDRs {
			permitted.Network.CIDRs = append(permitted.Network.CIDRs, netip.MustParsePrefix(cidr).Masked()) // checked when it was read
		}
	}
	return permitted
}

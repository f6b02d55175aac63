package authn

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// APIVersion is that of every file of this package.
const APIVersion = "service.exactmatch.dev/v1alpha1"

// The kinds of the files.
const (
	ConfigurationKind = "AuthenticationConfiguration"
	PolicyKind        = "CallerPolicy"
	StaticTokensKind  = "StaticTokens"
)

// StaticEntry is the entry that the tokens of --static-token-file count as, in rules and in
// the names of callers. No issuer may have this name.
const StaticEntry = "static-tokens"

// What the files may hold.
const (
	maxFile      = 1 << 20 // bytes
	maxIssuers   = 100
	maxAudiences = 16
	maxName      = 63  // bytes, as a DNS label
	maxIdentity  = 512 // bytes of an issuer, an audience or a URL
)

// IssuerKind says what an issuer's tokens stand for.
type IssuerKind string

const (
	// Kubernetes issues tokens of ServiceAccounts: their namespace is their tenant.
	Kubernetes IssuerKind = "Kubernetes"
	// OIDC is any OpenID Connect issuer: each subject needs a rule with a tenant.
	OIDC IssuerKind = "OIDC"
)

// Configuration is the file of --authentication-config.
type Configuration struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Issuers    []Issuer `json:"issuers"`
}

// Issuer is one whose tokens are accepted.
type Issuer struct {
	// Name is that of the entry: the first part of a ServiceAccount's tenant, and what rules name.
	Name string     `json:"name"`
	Kind IssuerKind `json:"kind"`
	// Issuer is the claim "iss" of its tokens, to the byte. With TokenFile it may be left out: that token's issuer is meant.
	Issuer string `json:"issuer,omitempty"`
	// Audiences are those of this service: a token must be for one of them.
	Audiences []string `json:"audiences"`
	// JWKSURL and JWKSFile say where the issuer's keys are. Without either they are discovered at the issuer.
	JWKSURL  string `json:"jwksURL,omitempty"`
	JWKSFile string `json:"jwksFile,omitempty"`
	// CAFile has the authorities that the issuer's server is verified against; the system's without it.
	CAFile string `json:"caFile,omitempty"`
	// TokenFile has a bearer token that is sent for the keys, as an API server wants one. It is sent to the host
	// of JWKSURL, or of Issuer, and no other.
	TokenFile string `json:"tokenFile,omitempty"`
}

// labelPattern is a DNS label: what has no colon, slash or dot in it.
var labelPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

func isLabel(text string) bool { return len(text) <= maxName && labelPattern.MatchString(text) }

// ParseConfiguration reads and checks the file. An unknown field is an error.
func ParseConfiguration(text []byte) (*Configuration, error) {
	c := &Configuration{}
	if err := decode(text, c); err != nil {
		return nil, err
	}
	if c.APIVersion != APIVersion || c.Kind != ConfigurationKind {
		return nil, wrongType(ConfigurationKind)
	}
	if len(c.Issuers) == 0 || len(c.Issuers) > maxIssuers {
		return nil, fmt.Errorf("issuers: it has %d entries and must have 1 to %d", len(c.Issuers), maxIssuers)
	}
	names := map[string]bool{}
	for i, one := range c.Issuers {
		err := one.check()
		if err == nil && names[one.Name] {
			err = fmt.Errorf("name: %q stands twice", one.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("issuers[%d].%w", i, err)
		}
		names[one.Name] = true
	}
	return c, c.checkPairs()
}

// checkPairs refuses two entries that a token could match: they share an issuer and an audience.
func (c *Configuration) checkPairs() error {
	owner := map[[2]string]string{}
	for i, one := range c.Issuers {
		for j, audience := range one.Audiences {
			pair := [2]string{one.Issuer, audience}
			if other, taken := owner[pair]; taken && one.Issuer != "" {
				return fmt.Errorf("issuers[%d].audiences[%d]: the entry %q has the issuer %q and the audience %q too: give each entry an audience of its own", i, j, other, one.Issuer, audience)
			}
			owner[pair] = one.Name
		}
	}
	return nil
}

// decode reads YAML strictly.
func decode(text []byte, into any) error {
	if len(text) > maxFile {
		return fmt.Errorf("the file has %d bytes and must have at most %d", len(text), maxFile)
	}
	return yaml.UnmarshalStrict(text, into)
}

func wrongType(kind string) error {
	return fmt.Errorf("apiVersion and kind must be %s and %s", APIVersion, kind)
}

// check names the first field that cannot be.
func (i Issuer) check() error {
	switch {
	case !isLabel(i.Name):
		return fmt.Errorf("name: %q is not 1 to %d lower-case letters, digits and hyphens", i.Name, maxName)
	case i.Name == StaticEntry:
		return fmt.Errorf("name: %q stands for the tokens of --static-token-file", i.Name)
	case i.Kind != Kubernetes && i.Kind != OIDC:
		return fmt.Errorf("kind: %q is neither %s nor %s", i.Kind, Kubernetes, OIDC)
	case i.TokenFile != "" && i.Kind != Kubernetes:
		return fmt.Errorf("tokenFile: allowed only with kind %s", Kubernetes)
	case i.Issuer == "" && i.TokenFile == "":
		return errors.New("issuer: give the claim \"iss\" of the tokens")
	case len(i.Issuer) > maxIdentity:
		return fmt.Errorf("issuer: it has %d bytes and must have at most %d", len(i.Issuer), maxIdentity)
	}
	if err := i.checkAudiences(); err != nil {
		return err
	}
	return i.checkKeys()
}

func (i Issuer) checkAudiences() error {
	if len(i.Audiences) == 0 || len(i.Audiences) > maxAudiences {
		return fmt.Errorf("audiences: it has %d entries and must have 1 to %d, which are this service's own", len(i.Audiences), maxAudiences)
	}
	for j, audience := range i.Audiences {
		if audience == "" || len(audience) > maxIdentity {
			return fmt.Errorf("audiences[%d]: it must have 1 to %d bytes", j, maxIdentity)
		}
		if slices.Contains(i.Audiences[:j], audience) {
			return fmt.Errorf("audiences[%d]: %q stands twice", j, audience)
		}
	}
	return nil
}

func (i Issuer) checkKeys() error {
	switch {
	case i.JWKSURL != "" && i.JWKSFile != "":
		return errors.New("jwksURL, jwksFile: give one of them at most")
	case i.JWKSFile != "" && (i.CAFile != "" || i.TokenFile != ""):
		return errors.New("caFile, tokenFile: nothing is fetched with jwksFile")
	case i.JWKSFile != "":
		return nil
	case i.JWKSURL != "":
		return checkURL("jwksURL", i.JWKSURL)
	case i.Issuer != "":
		return checkURL("issuer", i.Issuer)
	}
	return nil
}

// checkURL wants https, or a loopback host.
func checkURL(field, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(text) > maxIdentity {
		return fmt.Errorf("%s: it must be a URL with a host, and without user, query and fragment", field)
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s: %q is not https; http is for this machine alone", field, u.Host)
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

package authn

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	maxRules  = 10_000
	maxClaims = 16 // of a rule
)

// Policy is the file of --policy-file: which subjects may do what, and for which tenant. What no rule permits is refused.
type Policy struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Rules      []Rule `json:"rules"`
}

// Rule gives roles to ServiceAccounts of an entry of kind Kubernetes, or a tenant and roles to a subject of any other
// entry. The roles of all rules of a subject add up, and they must name the same tenant.
type Rule struct {
	// Entry is the name of an issuer, or "static-tokens".
	Entry string `json:"entry"`
	// ServiceAccount is whom a rule of an entry of kind Kubernetes is for. Its tenant is <entry>/<namespace>, always.
	ServiceAccount *ServiceAccount `json:"serviceAccount,omitempty"`
	// Subject is the claim "sub", or the name of a static token, to the byte. Claims have to be there too, each a string
	// or a boolean that equals the claim, or one of its values where that is a list. Everything that a rule names must hold.
	Subject string         `json:"subject,omitempty"`
	Claims  map[string]any `json:"claims,omitempty"`
	// Tenant of the subject. "" is that of what was made before there were tenants: of administrators alone.
	Tenant *string `json:"tenant,omitempty"`
	// NamespaceTenant permits a Tenant with a slash, which is the form of the tenant of a namespace: the subject shares
	// it with the ServiceAccounts there.
	NamespaceTenant bool   `json:"namespaceTenant,omitempty"`
	Roles           []Role `json:"roles"`
}

// ServiceAccount names ServiceAccounts: in one namespace, or in every one of the cluster.
type ServiceAccount struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// tenantPattern is what a rule may name. No segment begins with a dot, so that none is a folder's own or parent's name.
var tenantPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,62})?$`)

// CheckTenant refuses a name that no tenant has.
func CheckTenant(name string) error {
	if !tenantPattern.MatchString(name) {
		return fmt.Errorf("%q is not the name of a tenant: 1 to 63 letters, digits, dots, underscores and hyphens, which begin with no dot, or two such names with a slash between them", name)
	}
	return nil
}

// ParsePolicy reads and checks the file. An unknown field is an error.
func ParsePolicy(text []byte) (*Policy, error) {
	p := &Policy{}
	if err := decode(text, p); err != nil {
		return nil, err
	}
	if p.APIVersion != APIVersion || p.Kind != PolicyKind {
		return nil, wrongType(PolicyKind)
	}
	if len(p.Rules) > maxRules {
		return nil, fmt.Errorf("rules: it has %d entries and must have at most %d", len(p.Rules), maxRules)
	}
	for i := range p.Rules {
		if err := p.Rules[i].check(); err != nil {
			return nil, fmt.Errorf("rules[%d].%w", i, err)
		}
	}
	return p, nil
}

// check names the first field that cannot be.
func (r *Rule) check() error {
	if !isLabel(r.Entry) {
		return fmt.Errorf("entry: %q is not the name of an entry", r.Entry)
	}
	if len(r.Roles) == 0 {
		return errors.New("roles: name at least one")
	}
	for i, role := range r.Roles {
		if role != Uploader && role != Reader && role != Admin {
			return fmt.Errorf("roles[%d]: %q is none of %s, %s and %s", i, role, Uploader, Reader, Admin)
		}
	}
	if r.ServiceAccount != nil {
		return r.checkServiceAccount()
	}
	if err := r.checkSubject(); err != nil {
		return err
	}
	return r.checkTenant()
}

func (r *Rule) checkServiceAccount() error {
	switch {
	case r.Entry == StaticEntry:
		return errors.New("serviceAccount: a static token is of none")
	case r.Subject != "" || len(r.Claims) > 0 || r.Tenant != nil || r.NamespaceTenant:
		return errors.New("serviceAccount: its tenant is its namespace's; leave out subject, claims, tenant and namespaceTenant")
	case !isSubject(r.ServiceAccount.Name):
		return errors.New("serviceAccount.name: give the exact name of a ServiceAccount")
	case r.ServiceAccount.Namespace != "" && !isLabel(r.ServiceAccount.Namespace):
		return fmt.Errorf("serviceAccount.namespace: %q is not the name of a namespace", r.ServiceAccount.Namespace)
	}
	return nil
}

func (r *Rule) checkSubject() error {
	switch {
	case r.Subject == "" && len(r.Claims) == 0:
		return errors.New("subject, claims, serviceAccount: say whom the rule is for")
	case r.Subject != "" && !isSubject(r.Subject):
		return fmt.Errorf("subject: it must have 1 to %d bytes and no control character", maxSubject)
	case len(r.Claims) > 0 && r.Entry == StaticEntry:
		return errors.New("claims: a static token has none")
	case len(r.Claims) > maxClaims:
		return fmt.Errorf("claims: it has %d entries and must have at most %d", len(r.Claims), maxClaims)
	}
	for name, value := range r.Claims {
		switch v := value.(type) {
		case bool:
		case string:
			if v == "" {
				return fmt.Errorf("claims[%q]: it must not be empty", name)
			}
		default:
			return fmt.Errorf("claims[%q]: it must be a string or a boolean", name)
		}
	}
	return nil
}

func (r *Rule) checkTenant() error {
	switch {
	case r.Tenant == nil:
		return errors.New("tenant: name one; \"\" is that of what was made before there were tenants")
	case *r.Tenant == "" && !slices.Contains(r.Roles, Admin):
		return fmt.Errorf("tenant: \"\" is only for the role %s", Admin)
	case *r.Tenant == "":
		return nil
	case strings.Contains(*r.Tenant, "/") && !r.NamespaceTenant:
		return fmt.Errorf("tenant: %q has the form of a namespace's, <entry>/<namespace>: set namespaceTenant where the subject may share what its ServiceAccounts have", *r.Tenant)
	}
	if err := CheckTenant(*r.Tenant); err != nil {
		return fmt.Errorf("tenant: %w", err)
	}
	return nil
}

// checkEntries refuses rules of entries that are not there, or are of another kind.
func (p *Policy) checkEntries(kinds map[string]IssuerKind) error {
	for i := range p.Rules {
		r := &p.Rules[i]
		kind, known := kinds[r.Entry]
		switch {
		case !known:
			return fmt.Errorf("rules[%d].entry: there is no entry %q", i, r.Entry)
		case (kind == Kubernetes) != (r.ServiceAccount != nil):
			return fmt.Errorf("rules[%d].serviceAccount: it is for entries of kind %s, which take nothing else", i, Kubernetes)
		}
	}
	return nil
}

// matches reports whether a rule is for a subject.
func (r *Rule) matches(who *identity) bool {
	if r.Entry != who.entry || (r.ServiceAccount != nil) != (who.account != "") {
		return false
	}
	if of := r.ServiceAccount; of != nil {
		return of.Name == who.account && (of.Namespace == "" || of.Namespace == who.namespace)
	}
	if r.Subject != "" && r.Subject != who.subject {
		return false
	}
	for name, want := range r.Claims {
		if !who.claims.has(name, want) {
			return false
		}
	}
	return true
}

// tenantOf is the tenant that a rule gives to a subject that it matches.
func (r *Rule) tenantOf(who *identity) string {
	if who.account != "" {
		return who.entry + "/" + who.namespace
	}
	return *r.Tenant
}

// caller is what the rules make of a subject.
func (p *Policy) caller(who *identity) (Caller, error) {
	out, found := Caller{Name: who.name()}, false
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.matches(who) {
			continue
		}
		tenant := r.tenantOf(who)
		if found && tenant != out.Tenant {
			return Caller{}, refuse(TwoTenants, "the rules of the caller name two tenants: have the administrator leave it one")
		}
		out.Tenant, found = tenant, true
		for _, role := range r.Roles {
			if !out.Is(role) {
				out.Roles = append(out.Roles, role)
			}
		}
	}
	if !found {
		return Caller{}, refuse(NoRule, "no rule of the service's policy file is for the caller: have the administrator add one")
	}
	return out, nil
}

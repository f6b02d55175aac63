package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// Authority says which authorities sign for an endpoint: those of a Secret in the manager's own namespace, and no others.
type Authority struct {
	// Endpoint is the host of spec.endpoint, with its port if it has one.
	Endpoint string `json:"endpoint"`
	// SecretRef is where their certificates are, in PEM.
	SecretRef SecretKey `json:"secretRef"`
}

// SecretKey is a key of a Secret.
type SecretKey struct {
	Name string `json:"name"`
	// Key is ca.crt where it is empty.
	Key string `json:"key,omitempty"`
}

// defaultKey is where cert-manager and the manager's own keeper write the authorities.
const defaultKey = "ca.crt"

func (k SecretKey) withDefault() SecretKey { return SecretKey{k.Name, cmp.Or(k.Key, defaultKey)} }

func (a Authority) check() error {
	if a.Endpoint == "" || strings.ContainsAny(a.Endpoint, "/@?#* ") {
		return fmt.Errorf("endpoint: give a host, with its port if it has one")
	}
	if a.SecretRef.Name == "" {
		return fmt.Errorf("secretRef.name: name a Secret of the operator's own namespace")
	}
	return nil
}

// checkAuthorities refuses a second Secret for an endpoint: which of them applies would depend on the order of the rules.
func checkAuthorities(known map[string]SecretKey, authorities []Authority) error {
	for i, one := range authorities {
		host, ref := canonicalHost(one.Endpoint), one.SecretRef.withDefault()
		if before, found := known[host]; found && before != ref {
			return fmt.Errorf("authorities[%d].secretRef: %q has key %q of Secret %q already; give an endpoint the same one in every rule", i, one.Endpoint, before.Key, before.Name)
		}
		known[host] = ref
	}
	return nil
}

// Authority is where the authorities of an endpoint are; false where the system's are meant.
func (p Permissions) Authority(endpoint string) (SecretKey, bool) {
	host := canonicalHost(endpoint)
	for _, entry := range p.authorities {
		if canonicalHost(entry.Endpoint) == host {
			return entry.SecretRef.withDefault(), true
		}
	}
	return SecretKey{}, false
}

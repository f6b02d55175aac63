package dial

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Policy is what the administrator lets upload agents of a namespace allow. The zero value permits public addresses over
// https, which needs no entry, and nothing else.
type Policy struct {
	// Namespace that the policy is of, for messages; "" where there is none.
	Namespace string `json:"namespace,omitempty"`
	// Hosts are those whose loopback, private or other special address may be dialled: "host", "host:port", "*.domain", or "*".
	// Link-local and metadata addresses are never dialled because of a name.
	Hosts []string `json:"hosts,omitempty"`
	// CIDRs are special ranges that may be dialled, whatever the host's name.
	CIDRs []netip.Prefix `json:"cidrs,omitempty"`
	// PlainHTTP are the hosts that may be reached by http, in the form of Hosts.
	PlainHTTP []string `json:"plainHTTP,omitempty"`
	// Note is added to refusals: why the policy may be older than its file.
	Note string `json:"note,omitempty"`
}

// Anything is the policy where who runs the process chose the host: a command line, a benchmark or a test.
var Anything = Policy{Hosts: []string{"*"}, PlainHTTP: []string{"*"}}

// permits reports whether addr, special and of a kind, may be dialled for host ("host:port").
func (p Policy) permits(host string, addr netip.Addr, kind string) bool {
	for _, form := range forms(addr) {
		if slices.ContainsFunc(p.CIDRs, func(c netip.Prefix) bool { return c.Contains(form) }) {
			return true
		}
	}
	return !needsCIDR(kind) && matchesAny(p.Hosts, host)
}

// permitsLoopbackName reports whether the policy has an entry for a loopback host that is written as such.
func (p Policy) permitsLoopbackName(host string) bool {
	name, _, _ := net.SplitHostPort(host)
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return matchesAny(p.Hosts, host)
	}
	return p.permits(host, addr, kindLoopback)
}

// needsCIDR reports whether only a range allows addresses of a kind: a name could be pointed there by its owner.
func needsCIDR(kind string) bool { return kind == kindMetadata || kind == kindLinkLocal }

// missing is the entry that would permit a special address.
func (p Policy) missing(host, kind string) string {
	if needsCIDR(kind) {
		return p.entry("the address's range", "cidrs")
	}
	return p.entry(strconv.Quote(host), "hosts")
}

func (p Policy) entry(value, field string) string {
	of := ""
	if p.Namespace != "" {
		of = fmt.Sprintf(" of a rule for namespace %q", p.Namespace)
	}
	text := fmt.Sprintf("have the administrator add %s to %s%s in the operator's policy file", value, field, of)
	if p.Note != "" {
		text += " (" + p.Note + ")"
	}
	return text
}

// matchesAny reports whether an entry matches addr, which is always "host:port".
func matchesAny(entries []string, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	host = canonical(host)
	return slices.ContainsFunc(entries, func(entry string) bool {
		entryHost, entryPort := splitEntry(entry)
		return (entryPort == "" || entryPort == port) && matches(canonical(entryHost), host)
	})
}

func matches(entry, host string) bool {
	if domain, wild := strings.CutPrefix(entry, "*."); wild {
		return strings.HasSuffix(host, "."+domain)
	}
	return entry == "*" || entry == host
}

func splitEntry(entry string) (host, port string) {
	entry = strings.TrimSpace(entry)
	if addr, err := netip.ParseAddr(entry); err == nil {
		return addr.String(), ""
	}
	if host, port, err := net.SplitHostPort(entry); err == nil {
		return host, port
	}
	return strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]"), ""
}

func canonical(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().WithZone("").String()
	}
	return host
}

func isLoopbackName(host string) bool {
	if canonical(host) == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && kindOf(addr) == kindLoopback
}

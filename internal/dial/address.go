package dial

import (
	"fmt"
	"net/netip"
)

// Reason says why a host was refused.
type Reason string

// The reasons of a RefusedError.
const (
	// AddressNotAllowed: the host resolved to an address that is not a public one.
	AddressNotAllowed Reason = "AddressNotAllowed"
	// PlainHTTPNotAllowed: http where https is required.
	PlainHTTPNotAllowed Reason = "PlainHTTPNotAllowed"
	// SchemeNotHTTP: neither https nor http.
	SchemeNotHTTP Reason = "SchemeNotHTTP"
	// UserInfo: the URL carries a user name or password.
	UserInfo Reason = "UserInfo"
	// NoHost: the URL names no host.
	NoHost Reason = "NoHost"
)

// RefusedError is a connection that the guard does not allow. Trying again does not help: somebody has to change the
// URL or the upload agent.
type RefusedError struct {
	// Host is the host as the URL writes it, with its port if it has one.
	Host string
	// Kind is the kind of address, such as "loopback" or "private"; empty unless Reason is AddressNotAllowed.
	Kind string
	// Reason says which rule refused it.
	Reason Reason
}

// Error names the host and what to set.
func (e *RefusedError) Error() string {
	switch e.Reason {
	case AddressNotAllowed:
		return fmt.Sprintf("host %q has a %s address: add it to spec.allow.hosts of the upload agent to allow that", e.Host, e.Kind)
	case PlainHTTPNotAllowed:
		return fmt.Sprintf("host %q would be reached by plain http: use https, or set spec.allow.plainHTTP of the upload agent"+
			" (a loopback host needs only an entry in spec.allow.hosts)", e.Host)
	case UserInfo:
		return fmt.Sprintf("the URL of host %q carries user info: put credentials into a Secret", e.Host)
	case SchemeNotHTTP:
		return fmt.Sprintf("the URL of host %q is not an https URL", e.Host)
	default:
		return "the URL names no host"
	}
}

// special lists the ranges that netip has no predicate for and that no public service answers on.
var special = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared (carrier or cloud internal)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
}

// embedded lists the ranges of IPv6 that carry an IPv4 address, with the place of its first byte.
var embedded = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// judge refuses address ("ip:port", about to be dialled for host) unless it is public.
func judge(host, address string) error {
	addrPort, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Host: host, Kind: "unreadable", Reason: AddressNotAllowed}
	}
	if kind := kindOf(addrPort.Addr()); kind != "" {
		return &RefusedError{Host: host, Kind: kind, Reason: AddressNotAllowed}
	}
	return nil
}

// kindOf names what keeps an address from being public; "" means that it is public.
func kindOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.IsLoopback():
		return "loopback"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsPrivate():
		return "private"
	case addr.IsUnspecified():
		return "unspecified"
	case addr.IsMulticast():
		return "multicast"
	}
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return s.kind
		}
	}
	return kindOfEmbedded(addr)
}

func kindOfEmbedded(addr netip.Addr) string {
	for _, e := range embedded {
		if e.prefix.Contains(addr) {
			b := addr.As16()
			return kindOf(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return ""
}

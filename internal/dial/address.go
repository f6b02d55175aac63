package dial

import "net/netip"

// Kinds of addresses that hosts and the policy treat apart from the rest.
const (
	kindLoopback  = "loopback"
	kindLinkLocal = "link-local"
	kindMetadata  = "cloud metadata"
)

// special lists IANA's special-purpose address registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry), whole, also where they say
// "globally reachable": no exact data match service and no table lies there. The multicast ranges, deprecated ones
// and the clouds' own addresses outside the registries come with them. The first range that contains an address
// names its kind.
var special = []struct {
	prefix netip.Prefix
	kind   string
}{
	// Clouds' metadata endpoints, first since most of them lie within other ranges.
	{netip.MustParsePrefix("169.254.169.254/32"), kindMetadata}, // AWS, Azure, Google Cloud, OpenStack, Oracle
	{netip.MustParsePrefix("169.254.170.2/32"), kindMetadata},   // AWS: credentials of ECS tasks
	{netip.MustParsePrefix("169.254.170.23/32"), kindMetadata},  // AWS: EKS Pod Identity
	{netip.MustParsePrefix("fd00:ec2::/32"), kindMetadata},      // AWS
	{netip.MustParsePrefix("fd20:ce::/32"), kindMetadata},       // Google Cloud
	{netip.MustParsePrefix("168.63.129.16/32"), kindMetadata},   // Azure's WireServer: a public address
	{netip.MustParsePrefix("100.100.100.200/32"), kindMetadata}, // Alibaba Cloud
	{netip.MustParsePrefix("192.0.0.192/32"), kindMetadata},     // Oracle Cloud

	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared (carrier or cloud internal)"},
	{netip.MustParsePrefix("127.0.0.0/8"), kindLoopback},
	{netip.MustParsePrefix("169.254.0.0/16"), kindLinkLocal},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT relay"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), kindLoopback},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "locally translated"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "dummy"},
	{netip.MustParsePrefix("2001::/23"), "IETF protocol"}, // with Teredo, benchmarking, AMT, AS112, ORCHID and DRIP
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), kindLinkLocal},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// embedded lists the ranges of IPv6 whose last four bytes are the IPv4 address that answers: they are what that
// address is. Mapped addresses (::ffff:0:0/96) are unmapped before.
var embedded = []netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64
	netip.MustParsePrefix("::/96"),        // IPv4-compatible, deprecated
}

// forms are the addresses that addr stands for: itself without its zone, which netip's prefixes never contain, and
// the IPv4 address that it carries.
func forms(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range embedded {
		if prefix.Contains(addr) {
			b := addr.As16()
			return []netip.Addr{addr, netip.AddrFrom4([4]byte(b[12:]))}
		}
	}
	return []netip.Addr{addr}
}

// kindOf names what keeps an address from being public; "" means that it is public.
func kindOf(addr netip.Addr) string {
	for _, form := range forms(addr) {
		for _, s := range special {
			if s.prefix.Contains(form) {
				return s.kind
			}
		}
	}
	return ""
}

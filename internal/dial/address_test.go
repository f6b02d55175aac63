package dial

import (
	"net/netip"
	"testing"
)

// registries are IANA's two special-purpose registries as of 2026, the multicast ranges, what is deprecated and the clouds'
// metadata addresses: the first and the last address of each range, and the addresses beside it.
var registries = []struct{ prefix, kind string }{
	{"0.0.0.0/8", "unspecified"}, {"10.0.0.0/8", "private"}, {"100.64.0.0/10", "shared (carrier or cloud internal)"},
	{"127.0.0.0/8", "loopback"}, {"169.254.0.0/16", "link-local"}, {"172.16.0.0/12", "private"},
	{"192.0.0.0/24", "reserved"}, {"192.0.2.0/24", "documentation"},
	{"192.31.196.0/24", "AS112"}, {"192.52.193.0/24", "AMT relay"}, {"192.88.99.0/24", "6to4 relay"}, {"192.168.0.0/16", "private"},
	{"192.175.48.0/24", "AS112"}, {"198.18.0.0/15", "benchmarking"}, {"198.51.100.0/24", "documentation"}, {"203.0.113.0/24", "documentation"},
	{"224.0.0.0/4", "multicast"}, {"240.0.0.0/4", "reserved"},
	{"::/128", "unspecified"}, {"::1/128", "loopback"}, {"64:ff9b:1::/48", "locally translated"}, {"100::/64", "discard-only"},
	{"100:0:0:1::/64", "dummy"}, {"2001::/23", "IETF protocol"}, {"2001:db8::/32", "documentation"}, {"2002::/16", "6to4"},
	{"2620:4f:8000::/48", "AS112"}, {"3fff::/20", "documentation"}, {"5f00::/16", "segment routing"}, {"fc00::/7", "private"},
	{"fe80::/10", "link-local"}, {"fec0::/10", "site-local"}, {"ff00::/8", "multicast"},
	{"169.254.169.254/32", "cloud metadata"}, {"169.254.170.2/32", "cloud metadata"}, {"168.63.129.16/32", "cloud metadata"},
	{"100.100.100.200/32", "cloud metadata"}, {"fd00:ec2::254/128", "cloud metadata"}, {"fd20:ce::254/128", "cloud metadata"},
	{"192.0.0.192/32", "cloud metadata"}, {"169.254.170.23/32", "cloud metadata"}, {"fd00:ec2::23/128", "cloud metadata"},
}

func TestRegistriesAreSpecialWhole(t *testing.T) {
	for _, r := range registries {
		prefix := netip.MustParsePrefix(r.prefix)
		for _, addr := range []netip.Addr{prefix.Addr(), lastOf(prefix)} {
			if kind := kindOf(addr); kind != r.kind {
				t.Errorf("%s of %s is %q, want %q", addr, prefix, kind, r.kind)
			}
		}
	}
	t.Logf("ranges: %d", len(registries))
}

func TestAddressesBesideTheRegistriesArePublic(t *testing.T) {
	for _, addr := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "168.63.129.15", "168.63.129.17", "8.8.8.8",
		"2606:4700::1111", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2620:4f:7fff::1", "3ffe:ffff::1", "3fff:1000::1", "5eff::1", "64:ff9b::808:808", "::808:808",
	} {
		if kind := kindOf(netip.MustParseAddr(addr)); kind != "" {
			t.Errorf("%s is %s", addr, kind)
		}
	}
}

// An address may come mapped, translated or with a zone: it stays what it is.
func TestFormsOfAnAddressAreTheAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"::ffff:127.0.0.1": "loopback", "::ffff:169.254.169.254": "cloud metadata", "::ffff:168.63.129.16": "cloud metadata",
		"64:ff9b::a9fe:a9fe": "cloud metadata", "64:ff9b::10.1.2.3": "private", "::10.1.2.3": "private", "64:ff9b::a83f:8110": "cloud metadata",
		"fe80::1%eth0": "link-local", "fec0::1%eth0": "site-local", "fd00:ec2::254%eth0": "cloud metadata", "::1%lo": "loopback",
		"64:ff9b::a9fe:a9fe%eth0": "cloud metadata", "2002:a9fe:a9fe::1": "6to4", "2001:0:a9fe:a9fe::1": "IETF protocol",
	} {
		if kind := kindOf(netip.MustParseAddr(addr)); kind != want {
			t.Errorf("%s is %q, want %q", addr, kind, want)
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

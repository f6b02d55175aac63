package dial

import (
	"net/netip"
	"testing"
)

func TestPublicAddressesPass(t *testing.T) {
	for _, addr := range []string{"8.8.8.8", "100.63.0.1", "100.128.0.1", "172.32.0.1", "169.253.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"} {
		if kind := kindOf(netip.MustParseAddr(addr)); kind != "" {
			t.Errorf("%s is %s", addr, kind)
		}
	}
}

func TestUnreadableAddressIsRefused(t *testing.T) {
	if err := judge("example.com:443", "not an address"); err == nil {
		t.Error("accepted")
	}
}

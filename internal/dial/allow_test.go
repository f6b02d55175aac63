package dial_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"exactmatch.dev/operator/internal/dial"
)

func TestAGuardIsMadeOfWhatIsAllowed(t *testing.T) {
	hosts, below := []string{"edm.example.com"}, dial.Policy{Namespace: "ns"}
	for plain, want := range map[bool]dial.PlainHTTP{false: dial.PlainHTTPLoopback, true: dial.PlainHTTPAnywhere} {
		got := dial.NewGuard(dial.Allow{Hosts: hosts, PlainHTTP: plain}, below)
		if !slices.Equal(got.AllowHosts, hosts) || got.Policy.Namespace != "ns" || got.PlainHTTP != want || got.RootCAs != nil || got.Proxy != nil {
			t.Errorf("plain HTTP %t makes %+v", plain, got)
		}
	}
}

func TestPrivateAuthoritiesAreRead(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	guard := dial.NewGuard(dial.Allow{Hosts: []string{"127.0.0.1"}}, dial.Anything)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	var err error
	if guard.RootCAs, err = dial.Authorities(text); err != nil {
		t.Fatal(err)
	}
	response, err := guard.HTTPClient().Get(server.URL)
	if err != nil {
		t.Fatalf("the server of the authority is refused: %v", err)
	}
	_ = response.Body.Close()
	for _, text := range []string{"", "not a certificate", "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"} {
		if pool, err := dial.Authorities([]byte(text)); !errors.Is(err, dial.ErrNoCertificate) || pool != nil {
			t.Errorf("%q is read as %v, %v", text, pool, err)
		}
	}
}

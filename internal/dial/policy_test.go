package dial

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

const team = "team-a"

// What is dialled needs the agent's entry and the administrator's; a refusal names those that are missing.
func TestJudge(t *testing.T) {
	const agent, administrator = "spec.allow.hosts of the upload agent", "operator's policy file"
	hosts := func(entries ...string) Policy { return Policy{Namespace: team, Hosts: entries} }
	cidrs := func(entry string) Policy {
		return Policy{Namespace: team, CIDRs: []netip.Prefix{netip.MustParsePrefix(entry)}}
	}
	for _, tc := range []struct {
		name          string
		allow         string
		policy        Policy
		host, address string
		missing       []string
	}{
		{"public", "", Policy{}, "example.com:443", "8.8.8.8:443", nil},
		{"nobody's entry", "", Policy{}, "db:80", "10.0.0.1:80", []string{agent, administrator}},
		{"the agent's entry alone", "db", Policy{}, "db:80", "10.0.0.1:80", []string{administrator}},
		{"the administrator's entry alone", "", hosts("db"), "db:80", "10.0.0.1:80", []string{agent}},
		{"both", "db", hosts("db"), "db:80", "10.0.0.1:80", nil},
		{"another port of the agent's", "db:81", hosts("db"), "db:80", "10.0.0.1:80", []string{agent}},
		{"another port of the administrator's", "db", hosts("db:81"), "db:80", "10.0.0.1:80", []string{administrator}},
		{"a domain", "db.corp", hosts("*.corp"), "db.corp:80", "10.0.0.1:80", nil},
		{"a domain itself", "corp", hosts("*.corp"), "corp:80", "10.0.0.1:80", []string{administrator}},
		{"a name that ends alike", "xcorp", hosts("*.corp"), "xcorp:80", "10.0.0.1:80", []string{administrator}},
		{"a wildcard of the agent's", "*", hosts("*"), "db:80", "10.0.0.1:80", []string{agent}},
		{"a range", "db", cidrs("10.0.0.0/24"), "db:80", "10.0.0.1:80", nil},
		{"a range beside it", "db", cidrs("10.0.1.0/24"), "db:80", "10.0.0.1:80", []string{administrator}},
		{"a range, mapped", "db", cidrs("10.0.0.0/24"), "db:80", "[::ffff:10.0.0.1]:80", nil},
		{"a range, translated", "db", cidrs("10.0.0.0/24"), "db:80", "[64:ff9b::10.0.0.1]:80", nil},
		{"a range, with a zone", "db", cidrs("fe80::/10"), "db:80", "[fe80::1%eth0]:80", nil},
		{"metadata by name", "db", hosts("*"), "db:80", "169.254.169.254:80", []string{administrator}},
		{"metadata as itself", "168.63.129.16", hosts("168.63.129.16"), "168.63.129.16:80", "168.63.129.16:80", []string{administrator}},
		{"metadata, translated", "db", hosts("*"), "db:80", "[64:ff9b::a83f:8110]:80", []string{administrator}},
		{"metadata by range", "168.63.129.16", cidrs("168.63.129.16/32"), "168.63.129.16:80", "168.63.129.16:80", nil},
		{"link-local by name", "db", hosts("*"), "db:80", "169.254.1.1:80", []string{administrator}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			guard := Guard{AllowHosts: []string{tc.allow}, Policy: tc.policy}
			checkMissing(t, guard.judge(tc.host, tc.address), AddressNotAllowed, tc.missing)
		})
	}
}

func checkMissing(t *testing.T, err error, reason Reason, missing []string) {
	t.Helper()
	if err == nil && missing == nil {
		return
	}
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != reason || len(refused.Missing) != len(missing) {
		t.Fatalf("got %v, want what is missing: %q", err, missing)
	}
	for _, what := range missing {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name %q", err, what)
		}
	}
}

func TestPlainHTTPNeedsBoth(t *testing.T) {
	const agent, administrator = "spec.allow.plainHTTP of the upload agent", "plainHTTP of a rule for namespace"
	permitted := Policy{Namespace: team, PlainHTTP: []string{"example.com"}}
	for _, tc := range []struct {
		name    string
		guard   Guard
		url     string
		missing []string
	}{
		{"nobody's entry", Guard{}, "http://example.com/", []string{agent, "plainHTTP"}},
		{"the agent's alone", Guard{PlainHTTP: PlainHTTPAnywhere, Policy: Policy{Namespace: team}}, "http://example.com/", []string{administrator}},
		{"the administrator's alone", Guard{Policy: permitted}, "http://example.com/", []string{agent}},
		{"both", Guard{PlainHTTP: PlainHTTPAnywhere, Policy: permitted}, "http://example.com/", nil},
		{"another host", Guard{PlainHTTP: PlainHTTPAnywhere, Policy: permitted}, "http://example.org/", []string{administrator}},
		{"loopback by both", Guard{AllowHosts: []string{"127.0.0.1"}, Policy: Policy{Hosts: []string{"127.0.0.1"}}}, "http://127.0.0.1:1/", nil},
		{"loopback by range", Guard{AllowHosts: []string{"127.0.0.1"}, Policy: Policy{CIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}, "http://127.0.0.1:1/", nil},
		{"loopback by the agent alone", Guard{AllowHosts: []string{"127.0.0.1"}}, "http://127.0.0.1:1/", []string{"hosts in the operator's policy"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			checkMissing(t, tc.guard.CheckURL(u), PlainHTTPNotAllowed, tc.missing)
		})
	}
}

func TestRefusalsSayThatThePolicyMayBeOld(t *testing.T) {
	policy := Policy{Namespace: team, Note: "its last change does not load"}
	err := Guard{AllowHosts: []string{"db"}, Policy: policy}.judge("db:80", "10.0.0.1:80")
	if err == nil || !strings.Contains(err.Error(), policy.Note) || !strings.Contains(err.Error(), team) {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableAddressIsRefused(t *testing.T) {
	if err := (Guard{Policy: Anything}).judge("example.com:443", "not an address"); err == nil {
		t.Error("accepted")
	}
}

package policy_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/policy"
)

const head = "apiVersion: policy.exactmatch.dev/v1alpha1\nkind: OperatorPolicy\n"

const example = head + `rules:
- namespaces: ["*"]
  hosts: [exactmatch-service.exactmatch-system.svc]
  plainHTTP: [exactmatch-service.exactmatch-system.svc]
- namespaces: [team-a, lab-*]
  cidrs: [10.1.2.3/16]
  ambientIdentities:
  - {endpoint: graph.microsoft.com, audience: "https://graph.microsoft.com/.default"}
  - {endpoint: "graph.example:8443", audience: a, tenantID: t, clientID: c}
  - {bucket: "s3://exports", prefix: team-a/}
  - {bucket: "azblob://tables", account: corpdata}
`

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRulesOfANamespaceAddUp(t *testing.T) {
	p := parse(t, example)
	for namespace, cidrs := range map[string]int{"team-a": 1, "lab-7": 1, "team-b": 0, "xlab-7": 0} {
		network := p.For(namespace).Network
		if len(network.CIDRs) != cidrs || len(network.Hosts) != 1 || len(network.PlainHTTP) != 1 || network.Namespace != namespace {
			t.Errorf("%s: %+v", namespace, network)
		}
	}
	if got := p.For("team-a").Network.CIDRs[0].String(); got != "10.1.0.0/16" {
		t.Errorf("the range is %s", got)
	}
}

func TestEndpointsOfTheOwnIdentity(t *testing.T) {
	const scope = "https://graph.microsoft.com/.default"
	p := parse(t, example)
	for _, tc := range []struct {
		name      string
		namespace string
		want      policy.AmbientIdentity
		permitted bool
	}{
		{"as it stands", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com", Audience: scope}, true},
		{"in another spelling", "team-a", policy.AmbientIdentity{Endpoint: "Graph.Microsoft.com.:443", Audience: scope}, true},
		{"of another namespace", "team-b", policy.AmbientIdentity{Endpoint: "graph.microsoft.com", Audience: scope}, false},
		{"another host", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com.evil.example", Audience: scope}, false},
		{"another port", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com:8443", Audience: scope}, false},
		{"another audience", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com", Audience: "https://vault.azure.net/.default"}, false},
		{"no audience", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com"}, false},
		{"another client", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com", Audience: scope, ClientID: "c"}, false},
		{"another tenant", "team-a", policy.AmbientIdentity{Endpoint: "graph.microsoft.com", Audience: scope, TenantID: "t"}, false},
		{"tenant and client", "team-a", policy.AmbientIdentity{Endpoint: "graph.example:8443", Audience: "a", TenantID: "t", ClientID: "c"}, true},
		{"without the client", "team-a", policy.AmbientIdentity{Endpoint: "graph.example:8443", Audience: "a", TenantID: "t"}, false},
		{"nothing", "team-a", policy.AmbientIdentity{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := p.For(tc.namespace).Endpoint(tc.want)
			var refused *policy.NotPermittedError
			if (err == nil) != tc.permitted || err != nil && !errors.As(err, &refused) {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), "ambientIdentities") || !strings.Contains(err.Error(), tc.namespace)) {
				t.Errorf("%q does not name the entry", err)
			}
		})
	}
}

func TestBucketsOfTheOwnIdentity(t *testing.T) {
	p := parse(t, example)
	for _, tc := range []struct {
		namespace, scheme, bucket, key string
		account                        string
		permitted                      bool
		asked                          string
	}{
		{"team-a", "s3", "exports", "team-a/patients.csv", "", true, ""},
		{"team-a", "s3", "exports", "team-a/2026/patients.csv", "", true, ""},
		{"team-a", "s3", "exports", "team-b/patients.csv", "", false, ""},
		{"team-a", "s3", "exports", "team-a", "", false, ""},
		{"team-a", "s3", "exports", "team-a-secret/patients.csv", "", false, ""},
		{"team-a", "s3", "exports", "team-a/../team-b/patients.csv", "", false, ""},
		{"team-a", "s3", "exports2", "team-a/patients.csv", "", false, ""},
		{"team-a", "gs", "exports", "team-a/patients.csv", "", false, ""},
		{"team-b", "s3", "exports", "team-a/patients.csv", "", false, ""},
		{"team-a", "azblob", "tables", "patients.csv", "corpdata", true, ""},
		{"team-a", "azblob", "tables", "patients.csv", "corpdata", true, "corpdata"},
		{"team-a", "azblob", "tables", "patients.csv", "", false, "victim"},
		{"team-a", "", "", "", "", false, ""},
	} {
		account, err := p.For(tc.namespace).Bucket(tc.scheme, tc.bucket, tc.key, tc.asked)
		if (err == nil) != tc.permitted || account != tc.account {
			t.Errorf("%+v: %q, %v", tc, account, err)
		}
	}
}

func TestBadFilesNameTheField(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "apiVersion and kind",
		"kind: OperatorPolicy\n":         "apiVersion and kind",
		head + "rule: []\n":              `unknown field "rule"`,
		head + "rules: [{hosts: [a]}]\n": "rules[0].namespaces",
		head + "rules: [{namespaces: [\"[\"]}]\n":                                                             "rules[0].namespaces[0]",
		head + "rules: [{namespaces: [\"\"]}]\n":                                                              "rules[0].namespaces[0]",
		head + "rules: [{namespaces: [a], hosts: [\"https://a\"]}]\n":                                         "rules[0].hosts[0]",
		head + "rules: [{namespaces: [a], hosts: [\"a.*\"]}]\n":                                               "rules[0].hosts[0]",
		head + "rules: [{namespaces: [a], plainHTTP: [\"\"]}]\n":                                              "rules[0].plainHTTP[0]",
		head + "rules: [{namespaces: [a], cidrs: [10.0.0.1]}]\n":                                              "rules[0].cidrs[0]",
		head + "rules: [{namespaces: [a], serviceAccountTokens: [{audience: a}]}]\n":                          "rules[0].serviceAccountTokens[0].endpoint",
		head + "rules: [{namespaces: [a], serviceAccountTokens: [{endpoint: \"https://h\", audience: a}]}]\n": "rules[0].serviceAccountTokens[0].endpoint",
		head + "rules: [{namespaces: [a], serviceAccountTokens: [{endpoint: h}]}]\n":                          "rules[0].serviceAccountTokens[0].audience",
		head + "rules:\n- {namespaces: [a], serviceAccountTokens: [{endpoint: h, audience: a}]}\n" +
			"- {namespaces: [b], serviceAccountTokens: [{endpoint: \"H:443\", audience: b}]}\n": "rules[1].serviceAccountTokens[0].audience",
		head + "rules: [{namespaces: [a], authorities: [{secretRef: {name: s}}]}]\n":                          "rules[0].authorities[0].endpoint",
		head + "rules: [{namespaces: [a], authorities: [{endpoint: \"https://h\", secretRef: {name: s}}]}]\n": "rules[0].authorities[0].endpoint",
		head + "rules: [{namespaces: [a], authorities: [{endpoint: h}]}]\n":                                   "rules[0].authorities[0].secretRef.name",
		head + "rules:\n- {namespaces: [a], authorities: [{endpoint: h, secretRef: {name: s}}]}\n" +
			"- {namespaces: [b], authorities: [{endpoint: \"H:443\", secretRef: {name: s, key: ca.crt}}, {endpoint: \"H:443\", secretRef: {name: s, key: other}}]}\n": "rules[1].authorities[1].secretRef",
		head + "rules: [{namespaces: [a], ambientIdentities: [{}]}]\n":                                             "rules[0].ambientIdentities[0].endpoint, bucket",
		head + "rules: [{namespaces: [a], ambientIdentities: [{endpoint: h}]}]\n":                                  "rules[0].ambientIdentities[0].endpoint",
		head + "rules: [{namespaces: [a], ambientIdentities: [{endpoint: \"https://h\", audience: a}]}]\n":         "rules[0].ambientIdentities[0].endpoint",
		head + "rules: [{namespaces: [a], ambientIdentities: [{endpoint: h, audience: a, prefix: p/}]}]\n":         "rules[0].ambientIdentities[0].prefix",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"s3://b\", audience: a}]}]\n":              "rules[0].ambientIdentities[0].audience",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"https://b\"}]}]\n":                        "rules[0].ambientIdentities[0].bucket",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"s3://b/k\"}]}]\n":                         "rules[0].ambientIdentities[0].bucket",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"s3://b\", prefix: p}]}]\n":                "rules[0].ambientIdentities[0].prefix",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"s3://b\", account: x}]}]\n":               "rules[0].ambientIdentities[0].account",
		head + "rules: [{namespaces: [a], ambientIdentities: [{bucket: \"s3://b\", endpoint: h, audience: a}]}]\n": "rules[0].ambientIdentities[0].endpoint, bucket",
	} {
		if _, err := policy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAudiencesOfServiceAccounts(t *testing.T) {
	p := parse(t, head+`rules:
- {namespaces: ["*"], serviceAccountTokens: [{endpoint: "exactmatch-service.exactmatch-system.svc:8765", audience: edm}]}
- {namespaces: [team-a], serviceAccountTokens: [{endpoint: edm.example.com, audience: team}]}
`)
	for _, tc := range []struct{ namespace, endpoint, want string }{
		{"team-a", "exactmatch-service.exactmatch-system.svc:8765", "edm"},
		{"team-b", "Exactmatch-Service.exactmatch-system.svc.:8765", ""},
		{"team-b", "Exactmatch-Service.exactmatch-system.svc:8765", "edm"},
		{"team-b", "exactmatch-service.exactmatch-system.svc", ""},
		{"team-a", "edm.example.com:443", "team"},
		{"team-b", "edm.example.com", ""},
		{"team-a", "", ""},
	} {
		got, err := p.For(tc.namespace).Audience(tc.endpoint)
		var refused *policy.NotPermittedError
		if got != tc.want || (tc.want == "") != errors.As(err, &refused) {
			t.Errorf("%s, %s: %q, %v", tc.namespace, tc.endpoint, got, err)
		}
	}
}

func TestAuthoritiesOfEndpoints(t *testing.T) {
	p := parse(t, head+`rules:
- {namespaces: ["*"], authorities: [{endpoint: "exactmatch-service.exactmatch-system.svc:8765", secretRef: {name: exactmatch-service-tls}}]}
- {namespaces: [team-a], authorities: [{endpoint: edm.example.com, secretRef: {name: corp, key: bundle}}]}
`)
	service, corp := policy.SecretKey{Name: "exactmatch-service-tls", Key: "ca.crt"}, policy.SecretKey{Name: "corp", Key: "bundle"}
	for _, tc := range []struct {
		namespace, endpoint string
		want                policy.SecretKey
	}{
		{"team-b", "Exactmatch-Service.exactmatch-system.svc:8765", service},
		{"team-b", "exactmatch-service.exactmatch-system.svc", policy.SecretKey{}},
		{"team-b", "exactmatch-service.exactmatch-system.svc:8766", policy.SecretKey{}},
		{"team-b", "exactmatch-service.exactmatch-system.svc.evil.example:8765", policy.SecretKey{}},
		{"team-a", "edm.example.com:443", corp},
		{"team-b", "edm.example.com", policy.SecretKey{}},
		{"team-a", "", policy.SecretKey{}},
	} {
		got, found := p.For(tc.namespace).Authority(tc.endpoint)
		if got != tc.want || found != (tc.want != policy.SecretKey{}) {
			t.Errorf("%s, %s: %+v, %t", tc.namespace, tc.endpoint, got, found)
		}
	}
	if p.For("team-a").Version() == p.For("team-b").Version() {
		t.Error("a change of an authority keeps the version")
	}
}

func TestVersionNamesWhatIsPermitted(t *testing.T) {
	p := parse(t, example)
	if again := parse(t, example); p.For("team-a").Version() != again.For("team-a").Version() || p.For("team-a").Version() == p.For("team-b").Version() {
		t.Error("versions do not tell permissions apart")
	}
	more := parse(t, strings.Replace(example, "prefix: team-a/", "prefix: team-b/", 1))
	if p.For("team-a").Version() == more.For("team-a").Version() {
		t.Error("a change of an identity keeps the version")
	}
}

func TestWithoutAFileNothingIsPermitted(t *testing.T) {
	f, err := policy.Open("", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	permitted := f.For("team-a")
	if n := permitted.Network; len(n.Hosts)+len(n.CIDRs)+len(n.PlainHTTP) != 0 {
		t.Errorf("permitted: %+v", n)
	}
	if _, err := permitted.Bucket("s3", "exports", "team-a/x", ""); err == nil {
		t.Error("the identity may read a bucket")
	}
}

// While the file is bad the last good policy applies and says so; a mended one applies again.
func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(head + "rules: [{namespaces: [a], hosts: [one]}]\n")
	var outcomes []bool
	f, err := policy.Open(path, slog.New(slog.DiscardHandler), func(err error) { outcomes = append(outcomes, err == nil) })
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want func(dial.Policy) bool) {
		t.Helper()
		f.LookAgain()
		if network := f.For("a").Network; !want(network) {
			t.Fatalf("%s: %+v", what, network)
		}
	}
	write(head + "rules: [{namespaces: [a], hosts: [two, three]}]\n")
	expect("a change is not seen", func(n dial.Policy) bool { return len(n.Hosts) == 2 && n.Note == "" })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("a missing file is not told", func(n dial.Policy) bool { return len(n.Hosts) == 2 && strings.Contains(n.Note, "no such file") })
	write(head + "rules: [{namespaces: [a], hosts: [two, three]}]\n")
	expect("the same file is not seen again", func(n dial.Policy) bool { return len(n.Hosts) == 2 && n.Note == "" })
	write(head + "rules: [{namespaces: [a], host: [four]}]\n")
	expect("a bad file is not told", func(n dial.Policy) bool {
		return len(n.Hosts) == 2 && strings.Contains(n.Note, `unknown field "host"`)
	})
	write(head + "rules: [{namespaces: [a], hosts: [two, three]}]\n")
	expect("the mended file is not seen", func(n dial.Policy) bool { return len(n.Hosts) == 2 && n.Note == "" })
	if want := []bool{true, true, false, true, false, true}; !slices.Equal(outcomes, want) {
		t.Errorf("told %v, want %v", outcomes, want)
	}
}

func TestABadFileAtTheStartIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	for _, text := range []string{"", "rules: []\n", head + "rules: [{}]\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Open(path, slog.New(slog.DiscardHandler), nil); err == nil || !strings.Contains(err.Error(), "--policy-file") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := policy.Open(path+".missing", slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("a missing file is taken")
	}
}

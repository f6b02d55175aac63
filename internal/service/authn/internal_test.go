package authn

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestAlgorithmsAreAsymmetric(t *testing.T) {
	for _, one := range algorithms {
		if one != jose.EdDSA && !strings.ContainsAny(string(one[:1]), "RPE") || len(algorithms) != 10 {
			t.Errorf("%s of %d is taken", one, len(algorithms))
		}
	}
}

// What a key set has beside public keys for signatures is left out; a private key's public half is for the issuer to show.
func TestKeysOfASet(t *testing.T) {
	const point = `"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	set := `{"keys":[{"kid":"good",` + point + `},{"kid":"sig","use":"sig",` + point + `},{"kid":"enc","use":"enc",` + point + `},
		{"kid":"oct","kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
		{"kid":"private",` + point + `,"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"},
		{"kid":"off the curve","kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"},
		{"kid":"new","kty":"of another time"}]}`
	keys, err := parseKeys([]byte(set))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range keys {
		ids = append(ids, one.KeyID)
	}
	if got := strings.Join(ids, " "); got != "good sig" {
		t.Errorf("the keys are %s", got)
	}
}

// The token for an API server is sent to the host that the entry names, by https.
func TestTheTokenGoesToItsHostAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		entry Issuer
		to    string
		sent  bool
	}{
		"discovery":                {Issuer{Issuer: "https://a.example.com/x"}, "https://a.example.com/x" + discoveryPath, true},
		"its keys":                 {Issuer{Issuer: "https://a.example.com"}, "https://a.example.com/keys", true},
		"keys of another host":     {Issuer{Issuer: "https://a.example.com"}, "https://b.example.com/keys", false},
		"keys of another port":     {Issuer{Issuer: "https://a.example.com"}, "https://a.example.com:8443/keys", false},
		"keys without TLS":         {Issuer{Issuer: "https://127.0.0.1"}, "http://127.0.0.1/keys", false},
		"a URL of keys":            {Issuer{Issuer: "https://a.example.com", JWKSURL: "https://b.example.com/keys"}, "https://b.example.com/keys", true},
		"the issuer beside a URL":  {Issuer{Issuer: "https://a.example.com", JWKSURL: "https://b.example.com/keys"}, "https://a.example.com/keys", false},
		"an entry without a token": {Issuer{Issuer: "https://a.example.com", TokenFile: "none"}, "https://a.example.com/keys", false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.entry.TokenFile = path; strings.HasSuffix(name, "without a token") {
				tc.entry.TokenFile = ""
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tc.to, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.entry.authorize(r); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization") == "Bearer own"; got != tc.sent {
				t.Errorf("it is sent: %t", got)
			}
		})
	}
}

// Names of subjects are those of an entry: the same name in another one is somebody else.
func TestRulesAreOfTheirEntry(t *testing.T) {
	tenant := "people"
	p := &Policy{Rules: []Rule{{Entry: "corp", Subject: "alice", Tenant: &tenant, Roles: []Role{Reader}}, {Entry: "prod", ServiceAccount: &ServiceAccount{Name: "x"}, Roles: []Role{Reader}}}}
	for name, tc := range map[string]struct {
		who  identity
		want string
	}{
		"its subject":                    {identity{entry: "corp", subject: "alice"}, "people"},
		"another entry's":                {identity{entry: "other", subject: "alice"}, ""},
		"a static token":                 {identity{entry: StaticEntry, subject: "alice"}, ""},
		"its account":                    {identity{entry: "prod", subject: "s", namespace: "hr", account: "x"}, "prod/hr"},
		"another cluster's account":      {identity{entry: "dev", subject: "s", namespace: "hr", account: "x"}, ""},
		"an account called as a subject": {identity{entry: "corp", subject: "alice", namespace: "hr", account: "alice"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.caller(&tc.who)
			if got.Tenant != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("the tenant is %q (%v), want %q", got.Tenant, err, tc.want)
			}
		})
	}
}

package authn_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
	"exactmatch.dev/operator/internal/testkit"
)

// A file that cannot be is refused with the first field that is wrong, and without a token.
func TestFilesThatAreRefused(t *testing.T) {
	const secret = "a-token-that-no-error-repeats-at-all"
	configs := func(text string) error { _, err := authn.ParseConfiguration([]byte(text)); return err }
	policies := func(text string) error { _, err := authn.ParsePolicy([]byte(text)); return err }
	statics := func(text string) error { _, err := authn.ParseStaticTokens([]byte(text)); return err }
	issuer := func(fields string) string { return configHead + "- {" + fields + "}\n" }
	const k8s = "name: prod, kind: Kubernetes, issuer: https://issuer.example.com"
	rule := func(fields string) string { return policyHead + "- {" + fields + "}\n" }
	token := func(fields string) string { return staticsOf + "- {" + fields + "}\n" }
	for name, tc := range map[string]struct {
		parse func(string) error
		text  string
		says  string
	}{
		"no issuers":              {configs, strings.TrimSuffix(configHead, "issuers:\n"), "issuers: "},
		"another kind":            {configs, strings.Replace(configHead, "AuthenticationConfiguration", "Issuers", 1), "AuthenticationConfiguration"},
		"no YAML":                 {configs, "{", "yaml"},
		"an unknown field":        {configs, issuer(k8s + ", audiences: [a], audience: b"), "audience"},
		"a field twice":           {configs, issuer(k8s + ", audiences: [a], kind: OIDC"), "kind"},
		"too large":               {configs, configHead + strings.Repeat("#", 1<<20), "at most 1048576"},
		"no audience":             {configs, issuer(k8s), "issuers[0].audiences"},
		"no audiences":            {configs, issuer(k8s + ", audiences: []"), "issuers[0].audiences"},
		"an empty audience":       {configs, issuer(k8s + `, audiences: [a, ""]`), "issuers[0].audiences[1]"},
		"an audience twice":       {configs, issuer(k8s + `, audiences: [a, a]`), "issuers[0].audiences[1]"},
		"a name with a slash":     {configs, issuer("name: a/b, kind: OIDC, issuer: https://x, audiences: [a]"), "issuers[0].name"},
		"a name with a colon":     {configs, issuer(`name: "a:b", kind: OIDC, issuer: "https://x", audiences: [a]`), "issuers[0].name"},
		"a name too long":         {configs, issuer("name: " + strings.Repeat("a", 64) + ", kind: OIDC, issuer: https://x, audiences: [a]"), "issuers[0].name"},
		"the static tokens' name": {configs, issuer("name: static-tokens, kind: OIDC, issuer: https://x, audiences: [a]"), "issuers[0].name"},
		"no kind":                 {configs, issuer("name: a, issuer: https://x, audiences: [a]"), "issuers[0].kind"},
		"no issuer":               {configs, issuer("name: a, kind: OIDC, audiences: [a]"), "issuers[0].issuer"},
		"plain HTTP":              {configs, issuer("name: a, kind: OIDC, issuer: http://issuer.example.com, audiences: [a]"), "issuers[0].issuer"},
		"plain HTTP for keys":     {configs, issuer(k8s + ", jwksURL: http://issuer.example.com/keys, audiences: [a]"), "issuers[0].jwksURL"},
		"another scheme for keys": {configs, issuer(k8s + ", jwksURL: file:///keys, audiences: [a]"), "issuers[0].jwksURL"},
		"a user in a URL":         {configs, issuer(k8s + ", jwksURL: https://a:b@example.com/keys, audiences: [a]"), "issuers[0].jwksURL"},
		"two sources of keys":     {configs, issuer(k8s + ", jwksURL: https://x/keys, jwksFile: keys, audiences: [a]"), "issuers[0].jwksURL, jwksFile"},
		"a CA and a file":         {configs, issuer(k8s + ", caFile: ca, jwksFile: keys, audiences: [a]"), "issuers[0].caFile"},
		"a token for OIDC":        {configs, issuer("name: a, kind: OIDC, issuer: https://x, audiences: [a], tokenFile: token"), "issuers[0].tokenFile"},
		"a name twice":            {configs, issuer(k8s+", audiences: [a]") + "- {" + k8s + ", audiences: [b]}", "issuers[1].name"},
		"issuer and audience twice": {configs, issuer(k8s+", audiences: [a, b]") + "- {name: other, kind: OIDC, issuer: https://issuer.example.com, audiences: [c, b]}",
			`issuers[1].audiences[1]: the entry "prod"`},

		"a rule of nobody":            {policies, rule("entry: corp, tenant: a, roles: [reader]"), "rules[0].subject, claims, serviceAccount"},
		"a rule of no entry":          {policies, rule("subject: a, tenant: a, roles: [reader]"), "rules[0].entry"},
		"no roles":                    {policies, rule("entry: corp, subject: a, tenant: a"), "rules[0].roles"},
		"an unknown role":             {policies, rule("entry: corp, subject: a, tenant: a, roles: [reader, scanner]"), "rules[0].roles[1]"},
		"an unknown field of a rule":  {policies, rule("entry: corp, subjects: [a], tenant: a, roles: [reader]"), "subjects"},
		"no tenant":                   {policies, rule("entry: corp, subject: a, roles: [admin]"), "rules[0].tenant"},
		"no tenant, no administrator": {policies, rule(`entry: corp, subject: a, tenant: "", roles: [reader, uploader]`), "rules[0].tenant"},
		"a namespace's tenant":        {policies, rule("entry: corp, subject: a, tenant: prod/hr, roles: [reader]"), "rules[0].tenant"},
		"three segments":              {policies, rule("entry: corp, subject: a, tenant: a/b/c, namespaceTenant: true, roles: [reader]"), "rules[0].tenant"},
		"an empty segment":            {policies, rule("entry: corp, subject: a, tenant: a/, namespaceTenant: true, roles: [reader]"), "rules[0].tenant"},
		"a parent folder":             {policies, rule("entry: corp, subject: a, tenant: .., roles: [reader]"), "rules[0].tenant"},
		"a tenant with a space":       {policies, rule("entry: corp, subject: a, tenant: a b, roles: [reader]"), "rules[0].tenant"},
		"a tenant of 64 characters":   {policies, rule("entry: corp, subject: a, roles: [reader], tenant: " + strings.Repeat("a", 64)), "rules[0].tenant"},
		"an account with a tenant":    {policies, rule("entry: prod, serviceAccount: {name: a}, tenant: a, roles: [reader]"), "rules[0].serviceAccount"},
		"an account and a subject":    {policies, rule("entry: prod, serviceAccount: {name: a}, subject: a, roles: [reader]"), "rules[0].serviceAccount"},
		"an account of static tokens": {policies, rule("entry: static-tokens, serviceAccount: {name: a}, roles: [reader]"), "rules[0].serviceAccount"},
		"an account without a name":   {policies, rule("entry: prod, serviceAccount: {namespace: a}, roles: [reader]"), "rules[0].serviceAccount.name"},
		"a namespace that is none":    {policies, rule("entry: prod, serviceAccount: {name: a, namespace: a/b}, roles: [reader]"), "rules[0].serviceAccount.namespace"},
		"a claim that is a list":      {policies, rule("entry: corp, claims: {groups: [a]}, tenant: a, roles: [reader]"), `rules[0].claims["groups"]`},
		"an empty claim":              {policies, rule(`entry: corp, claims: {groups: ""}, tenant: a, roles: [reader]`), `rules[0].claims["groups"]`},
		"a claim that is null":        {policies, rule(`entry: corp, claims: {groups: }, tenant: a, roles: [reader]`), `rules[0].claims["groups"]`},
		"claims of a static token":    {policies, rule(`entry: static-tokens, claims: {a: b}, tenant: a, roles: [reader]`), "rules[0].claims"},
		"a subject with a line break": {policies, rule(`entry: corp, subject: "a\nb", tenant: a, roles: [reader]`), "rules[0].subject"},

		"a token without a name": {statics, token("token: " + secret), "tokens[0]: name"},
		"neither of the two":     {statics, token("name: a"), "tokens[0]: give exactly one"},
		"both of the two":        {statics, token("name: a, token: " + secret + ", sha256: " + sumOf(secret)), "tokens[0]: give exactly one"},
		"a short token":          {statics, token("name: a, token: secret-short"), "tokens[0]: token must have at least 32"},
		"a sum that is none":     {statics, token("name: a, sha256: " + secret), "tokens[0]: sha256"},
		"a token twice":          {statics, token("name: a, token: "+secret) + "- {name: b, sha256: " + sumOf(secret) + "}", "tokens[1]: it is the token of an earlier entry"},
		"an unknown field of it": {statics, token("name: a, tokn: " + secret), "a field is unknown"},
		"a token that is a list": {statics, token("name: a, token: [" + secret + "]"), "another type"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.parse(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("it says %v, want %q", err, tc.says)
			}
			for _, one := range []string{secret, "secret-short"} {
				if strings.Contains(err.Error(), one) {
					t.Errorf("the error repeats a token: %v", err)
				}
			}
		})
	}
}

func TestAStartWithFilesThatDoNotFit(t *testing.T) {
	for name, tc := range map[string]struct{ file, text, says string }{
		"an entry that is not there":  {"policy", policyHead + "- {entry: pord, serviceAccount: {name: a}, roles: [reader]}", `--policy-file: FILE: rules[0].entry: there is no entry "pord"`},
		"an account of OIDC":          {"policy", policyHead + "- {entry: corp, serviceAccount: {name: a}, roles: [reader]}", "rules[0].serviceAccount"},
		"a subject of Kubernetes":     {"policy", policyHead + "- {entry: prod, subject: a, tenant: a, roles: [reader]}", "rules[0].serviceAccount"},
		"a bad policy":                {"policy", "{}", "--policy-file"},
		"a bad configuration":         {"config", "{}", "--authentication-config"},
		"bad tokens":                  {"tokens", "{}", "--static-token-file"},
		"a token file that is absent": {"config", configHead + "- {name: prod, kind: Kubernetes, audiences: [a], tokenFile: absent}", "issuers[0].tokenFile"},
	} {
		t.Run(name, func(t *testing.T) {
			d := begun(t)
			d.write(tc.file, tc.text)
			err := d.open()
			if err == nil || !strings.Contains(strings.Replace(err.Error(), d.path(tc.file), "FILE", 1), tc.says) {
				t.Errorf("it says %v, want %q", err, tc.says)
			}
			testkit.Must(t, os.Remove(d.path(tc.file)))
			if err := d.open(); err == nil {
				t.Error("it starts without the file")
			}
		})
	}
	if _, err := authn.Open(authn.Files{StaticTokens: "tokens"}); err == nil || !strings.Contains(err.Error(), "--policy-file") {
		t.Errorf("it starts without a policy: %v", err)
	}
}

// A file is read again where it changed. While it is bad the last good one applies, and the log says so once.
func TestFilesAreReadAgain(t *testing.T) {
	d := begun(t)
	reader := authn.Caller{Name: "corp:carol", Tenant: "people", Roles: []authn.Role{authn.Reader}}
	carol := d.corp.Sign(d.corp.Base("carol", "edm", d.now))
	d.refuses(carol, authn.NoRule)
	d.write("policy", policyText+"- {entry: corp, subject: carol, tenant: people, roles: [reader]}\n")
	d.passes(2 * time.Second)
	d.accepts(carol, reader)
	d.write("policy", policyText+"- {entry: corp, subject: carol, tenant: people, roles: [owner]}\n")
	for range 3 {
		d.passes(2 * time.Second)
		d.accepts(carol, reader)
	}
	if n := strings.Count(d.log.String(), "the last good one applies"); n != 1 || !strings.Contains(d.log.String(), "roles[0]") {
		t.Errorf("the log says %d times what is wrong: %s", n, d.log.String())
	}
	testkit.Must(t, os.Remove(d.path("policy")))
	d.passes(2 * time.Second)
	d.accepts(carol, reader)
	d.write("policy", policyText)
	d.passes(2 * time.Second)
	d.refuses(carol, authn.NoRule)
}

// While the policy is bad, a token that was taken away is away.
func TestABadPolicyKeepsNoToken(t *testing.T) {
	d := begun(t)
	const next = "another static token that is long enough for a file"
	ci := authn.Caller{Name: "static-tokens:ci", Roles: []authn.Role{authn.Admin, authn.Reader}}
	d.accepts(ciToken, ci)
	d.refuses(next, authn.Malformed, authn.Unknown)
	d.write("policy", "{}")
	d.write("tokens", staticsOf+"- {name: ci, token: "+ciToken+"}\n- {name: ci, sha256: "+sumOf(next)+"}\n")
	d.passes(2 * time.Second)
	d.accepts(ciToken, ci)
	d.accepts(next, ci)
	d.write("tokens", staticsOf+"- {name: ci, sha256: "+strings.ToUpper(sumOf(next))+"}\n")
	d.passes(2 * time.Second)
	d.refuses(ciToken, authn.Malformed)
	d.accepts(next, ci)
	d.write("tokens", strings.TrimSuffix(staticsOf, "\n")+" []\n")
	d.passes(2 * time.Second)
	d.refuses(next, authn.Malformed)
}

// An entry that stays keeps its keys; one that is new has rules at once, in whatever order the files are written.
func TestTheConfigurationIsReadAgain(t *testing.T) {
	d := begun(t)
	caller := authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads}
	account := d.account("hr", "exactmatch")
	d.accepts(account, caller)
	d.prod.Away(true)
	other := authntest.New(t)
	d.write("policy", policyText+"- {entry: third, subject: eve, tenant: people, roles: [reader]}\n")
	d.passes(2 * time.Second)
	d.accepts(account, caller) // the policy names an entry that is not there yet
	d.write("config", d.configuration()+fmt.Sprintf("- {name: third, kind: OIDC, issuer: %q, audiences: [edm], caFile: %q}\n", other.URL, other.CAFile))
	d.passes(2 * time.Second)
	d.accepts(account, caller)
	d.accepts(other.Sign(other.Base("eve", "edm", d.now)), authn.Caller{Name: "third:eve", Tenant: "people", Roles: []authn.Role{authn.Reader}})
	d.write("config", strings.Replace(d.configuration(), "audiences: [exactmatch]", "audiences: [another]", 1))
	d.passes(2 * time.Second)
	d.refuses(account, authn.Unknown)
	d.write("config", strings.ReplaceAll(d.configuration(), "kind: OIDC", "kind: Kubernetes"))
	d.passes(2 * time.Second)
	claims := d.corp.ServiceAccount("hr", "exactmatch", "edm", d.now)
	d.refuses(d.corp.Sign(claims), authn.NoRule) // its rules are those of another kind
}

// An issuer's key set may hold what is not for us: nothing of it signs.
func TestKeysThatSignNothing(t *testing.T) {
	d := begun(t)
	key := d.prod.Key()
	for name, set := range map[string]string{
		"a symmetric key":      `{"keys":[{"kty":"oct","kid":"` + key.KeyID + `","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}`,
		"a key for encryption": strings.Replace(string(d.prod.KeySet()), `"use":"sig"`, `"use":"enc"`, 1),
		"another algorithm":    strings.Replace(string(d.prod.KeySet()), `"ES256"`, `"ES384"`, 1),
		"too many":             `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{},`, 51), ",") + `]}`,
	} {
		d.run(name, func() {
			d.prod.Answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte(set)) })
			d.write("config", strings.Replace(d.configuration(), "kind: Kubernetes,", fmt.Sprintf("kind: Kubernetes, jwksURL: %q,", d.prod.URL+"/keys"), 1))
			testkit.Must(d.T, d.open())
			d.refuses(d.account("hr", "exactmatch"), authn.Signature, authn.KeysUnavailable)
		})
	}
	both := strings.Replace(string(d.prod.KeySet()), `{"keys":[`, `{"keys":[{"kty":"new"},{"kty":"oct","kid":"x","k":"c2VjcmV0"},`, 1)
	d.prod.Answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte(both)) })
	testkit.Must(t, d.open())
	d.accepts(d.account("hr", "exactmatch"), authn.Caller{Name: "prod:system:serviceaccount:hr:exactmatch", Tenant: "prod/hr", Roles: uploads})
}

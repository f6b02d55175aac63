package clients

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/testkit"
)

// dataOf is an API server that has the data of each Secret and ConfigMap.
type dataOf map[string]map[string][]byte

func (d dataOf) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	data, ok := d[key.String()]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	switch into := into.(type) {
	case *corev1.Secret:
		into.Data = data
	case *corev1.ConfigMap:
		into.BinaryData = data
	}
	return nil
}

func (d dataOf) List(context.Context, client.ObjectList, ...client.ListOption) error {
	panic("a reader of references lists nothing")
}

const (
	home     = "exactmatch-system"
	tlsName  = "exactmatch-service-tls"
	tlsEntry = home + "/" + tlsName
)

// trusting is a cache whose policy names the authority of one endpoint.
type trusting struct {
	*testing.T
	server dataOf
	cache  *Cache
	agent  *v1alpha1.ExactMatchUploadAgent
}

func newAuthority(t *testing.T) certificate.Pair {
	t.Helper()
	authority, err := certificate.NewAuthority(time.Now())
	testkit.Must(t, err)
	return authority
}

// signed serves under a certificate for localhost, and returns where.
func signed(t *testing.T, authority certificate.Pair) string {
	t.Helper()
	pair, err := certificate.Issue(authority, []string{"localhost"}, time.Now())
	testkit.Must(t, err)
	keyed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	testkit.Must(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{keyed}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.Replace(strings.TrimPrefix(s.URL, "https://"), "127.0.0.1", "localhost", 1)
}

func newTrusting(t *testing.T, host string, secret map[string][]byte) *trusting {
	t.Helper()
	rule := policy.Rule{Namespaces: []string{"hr"}, Hosts: []string{"localhost"}, Authorities: []policy.Authority{{Endpoint: host, SecretRef: policy.SecretKey{Name: tlsName}}}}
	server := dataOf{tlsEntry: secret}
	if secret == nil {
		delete(server, tlsEntry)
	}
	agent := &v1alpha1.ExactMatchUploadAgent{ObjectMeta: metav1.ObjectMeta{Namespace: "hr", Name: "agent", UID: "agent"}}
	agent.Spec.Endpoint, agent.Spec.Allow.Hosts = "https://"+host+"/beta", []string{"localhost"}
	return &trusting{T: t, server: server, agent: agent,
		cache: New(server, Options{Policy: policy.Fixed(policy.Policy{Rules: []policy.Rule{rule}}), Namespace: home})}
}

func (s *trusting) opens() *Client {
	s.Helper()
	opened, err := s.cache.Open(s.Context(), s.agent, s.cache.Fresh("hr"))
	testkit.Must(s.T, err)
	return opened
}

func (s *trusting) reaches(c *Client, host string) error {
	s.Helper()
	s.Cleanup(c.HTTP.CloseIdleConnections)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "https://"+host+"/upload", nil)
	testkit.Must(s.T, err)
	answer, err := c.HTTP.Do(r)
	if err == nil {
		testkit.Must(s.T, answer.Body.Close())
	}
	return err
}

// TestAuthoritiesOfThePolicy: what the administrator's Secret holds signs for the
// endpoint, uploads included, and for no other host.
func TestAuthoritiesOfThePolicy(t *testing.T) {
	authority := newAuthority(t)
	host, imitated := signed(t, authority), signed(t, authority)
	s := newTrusting(t, host, map[string][]byte{"ca.crt": authority.Certificate})
	opened := s.opens()
	testkit.Must(t, s.reaches(opened, host))
	if err := s.reaches(opened, imitated); err == nil {
		t.Error("the authority signs for another host")
	}
	if opened.Authority == nil || opened.Authority.Host != host || opened.Authority.PEM != string(authority.Certificate) {
		t.Errorf("pods are told %+v", opened.Authority)
	}
	elsewhere := signed(t, newAuthority(t))
	s.agent.Spec.Endpoint, s.agent.Generation = "https://"+elsewhere+"/beta", 2
	if other := s.opens(); other.Authority != nil || s.reaches(other, elsewhere) == nil {
		t.Error("another endpoint has the authority, too")
	}
}

// A change of the authorities makes another client, and nothing else of the Secret does.
func TestAChangeOfTheAuthoritiesMakesAnotherClient(t *testing.T) {
	old, fresh := newAuthority(t), newAuthority(t)
	host := signed(t, fresh)
	s := newTrusting(t, host, map[string][]byte{"ca.crt": old.Certificate, "tls.crt": []byte("one")})
	first := s.opens()
	if s.reaches(first, host) == nil {
		t.Error("an authority that has not signed is trusted")
	}
	s.server[tlsEntry] = map[string][]byte{"ca.crt": old.Certificate, "tls.crt": []byte("another")}
	if s.opens() != first {
		t.Error("a renewal makes another client")
	}
	s.server[tlsEntry] = map[string][]byte{"ca.crt": append(fresh.Certificate, old.Certificate...)}
	second := s.opens()
	if second == first {
		t.Fatal("it is not seen")
	}
	testkit.Must(t, s.reaches(second, host))
}

// What the agent names wins over what the policy does.
func TestTheAgentsOwnAuthorityWins(t *testing.T) {
	own, of := newAuthority(t), newAuthority(t)
	host := signed(t, own)
	s := newTrusting(t, host, map[string][]byte{"ca.crt": of.Certificate})
	s.server["hr/ca"] = map[string][]byte{"ca.crt": own.Certificate}
	s.agent.Spec.CABundleConfigMapRef = &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}
	opened := s.opens()
	testkit.Must(t, s.reaches(opened, host))
	if opened.Authority != nil {
		t.Errorf("pods are told %+v", opened.Authority)
	}
}

func TestBadAuthoritiesAreTold(t *testing.T) {
	certificates := newAuthority(t).Certificate
	for name, tc := range map[string]struct {
		secret map[string][]byte
		change func(*Cache)
		reason string
		absent bool
		wants  string
	}{
		"no Secret":      {reason: v1alpha1.ReasonSecretNotFound, absent: true, wants: "create it"},
		"no key":         {secret: map[string][]byte{"tls.crt": certificates}, reason: v1alpha1.ReasonSecretNotFound, absent: true, wants: "create it"},
		"no certificate": {secret: map[string][]byte{"ca.crt": []byte("none")}, reason: v1alpha1.ReasonUploadAgentNotReady, wants: "no PEM certificate"},
		"a key alone":    {secret: map[string][]byte{"ca.crt": newAuthority(t).Key}, reason: v1alpha1.ReasonUploadAgentNotReady, wants: "no PEM certificate"},
		"too much":       {secret: map[string][]byte{"ca.crt": []byte(strings.Repeat(string(certificates), 500))}, reason: v1alpha1.ReasonUploadAgentNotReady, wants: "256 KiB"},
		"no namespace":   {secret: map[string][]byte{"ca.crt": certificates}, change: func(c *Cache) { c.options.Namespace = "" }, reason: v1alpha1.ReasonNotPermitted, wants: "POD_NAMESPACE"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTrusting(t, "edm.example.com", tc.secret)
			if tc.change != nil {
				tc.change(s.cache)
			}
			_, err := s.cache.Open(t.Context(), s.agent, s.cache.Fresh("hr"))
			p := problem.Of(err)
			if p.Reason != tc.reason || p.Absent != tc.absent || !strings.Contains(p.Message, tc.wants) || !strings.Contains(p.Message, `"edm.example.com"`) {
				t.Fatalf("got %s: %v", p.Reason, err)
			}
			if name != "no namespace" && (!strings.Contains(p.Message, `"ca.crt"`) || !strings.Contains(p.Message, `"`+tlsName+`"`) || !strings.Contains(p.Message, `"`+home+`"`)) {
				t.Errorf("it names neither Secret nor key: %v", err)
			}
		})
	}
}

// A file of certificates may hold a key as well, which does not leave the manager's
// namespace.
func TestKeysAmongAuthoritiesStayHome(t *testing.T) {
	authority := newAuthority(t)
	s := newTrusting(t, "edm.example.com", map[string][]byte{"ca.crt": append(append([]byte("a comment\n"), authority.Key...), authority.Certificate...)})
	if got := s.opens().Authority.PEM; got != string(authority.Certificate) {
		t.Errorf("pods are told %d bytes, the certificate has %d", len(got), len(authority.Certificate))
	}
}

// While the namespace of the manager goes, deletions are served by the last client.
func TestADeletionIsServedWithoutTheAuthorities(t *testing.T) {
	s := newTrusting(t, "edm.example.com", map[string][]byte{"ca.crt": newAuthority(t).Certificate})
	first := s.opens()
	delete(s.server, tlsEntry)
	going := s.agent.DeepCopy()
	going.DeletionTimestamp = new(metav1.Now())
	if last, err := s.cache.OpenFor(t.Context(), going, s.agent, s.cache.Fresh("hr")); last != first || err != nil {
		t.Errorf("got %p, %v; the last client is %p", last, err, first)
	}
}

package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/testkit"
)

// fakeIssuer numbers its tokens, which live for a quarter of an hour.
type fakeIssuer struct {
	now    time.Time
	issued int
	err    error
}

func (f *fakeIssuer) Issue(_ context.Context, account types.NamespacedName, audience string) (Token, error) {
	if f.err != nil {
		return Token{}, f.err
	}
	f.issued++
	return Token{fmt.Sprintf("%s for %s, %d", account, audience, f.issued), f.now, f.now.Add(tokenLife)}, nil
}

func TestTokensOfAServiceAccount(t *testing.T) {
	missing := problem.Absent(v1alpha1.ReasonAccountNotFound, "it is gone")
	issuer := &fakeIssuer{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	began := issuer.now
	known := newAccounts(issuer)
	known.now = func() time.Time { return issuer.now }
	key := accountKey{types.NamespacedName{Namespace: "hr", Name: "exactmatch"}, "edm"}
	for _, step := range []struct {
		at     time.Duration
		fails  error
		want   string
		reason string
	}{
		{at: 0, want: "hr/exactmatch for edm, 1"},
		{at: 7 * time.Minute, want: "hr/exactmatch for edm, 1"},
		{at: 8 * time.Minute, want: "hr/exactmatch for edm, 2"}, // past half of its life
		{at: 15 * time.Minute, want: "hr/exactmatch for edm, 2"},
		{at: 16 * time.Minute, fails: missing, want: "hr/exactmatch for edm, 2"}, // the last one serves
		{at: 22 * time.Minute, fails: missing, want: "hr/exactmatch for edm, 2"},
		{at: 22*time.Minute + 31*time.Second, fails: missing, reason: v1alpha1.ReasonAccountNotFound}, // until it ends
		{at: 23 * time.Minute, want: "hr/exactmatch for edm, 3"},
	} {
		issuer.now, issuer.err = began.Add(step.at), step.fails
		got, err := known.token(t.Context(), key)
		if got != step.want || step.reason != "" && problem.Of(err).Reason != step.reason || (step.reason == "") != (err == nil) {
			t.Errorf("after %s: %q, %v; want %q", step.at, got, err, step.want)
		}
	}
	other, err := known.token(t.Context(), accountKey{key.account, "another"})
	if other != "hr/exactmatch for another, 4" || err != nil {
		t.Errorf("another audience gets %q, %v", other, err)
	}
}

// A renewal that fails is not tried at each call.
func TestARenewalThatFailsPauses(t *testing.T) {
	issuer := &fakeIssuer{now: time.Now()}
	began := issuer.now
	known := newAccounts(issuer)
	known.now = func() time.Time { return issuer.now }
	key := accountKey{types.NamespacedName{Namespace: "hr", Name: "exactmatch"}, "edm"}
	ask := func(after time.Duration) string {
		t.Helper()
		issuer.now = began.Add(after)
		got, err := known.token(t.Context(), key)
		testkit.Must(t, err)
		return got
	}
	first := ask(0)
	issuer.err = errors.New("no connection")
	if got := ask(8 * time.Minute); got != first {
		t.Errorf("got %q", got)
	}
	issuer.err = nil
	if got := ask(8*time.Minute + renewPause - time.Second); got != first {
		t.Errorf("it was renewed within the pause: %q", got)
	}
	if got := ask(8*time.Minute + renewPause); got == first {
		t.Error("it is not renewed after the pause")
	}
}

func accountAgent(endpoint string) *v1alpha1.ExactMatchUploadAgent {
	agent := &v1alpha1.ExactMatchUploadAgent{}
	agent.Namespace, agent.Name, agent.UID, agent.Spec.Endpoint = "hr", "agent", "agent", endpoint
	agent.Spec.Auth.ServiceAccount = &v1alpha1.ServiceAccountAuth{Name: "exactmatch"}
	return agent
}

func permitting(tokens ...policy.ServiceAccountToken) *policy.File {
	return policy.Fixed(policy.Policy{Rules: []policy.Rule{{Namespaces: []string{"hr"}, ServiceAccountTokens: tokens}}})
}

// TestTokensGoWhereThePolicySays: the audience is that of the endpoint's host, and a
// host without one gets no token.
func TestTokensGoWhereThePolicySays(t *testing.T) {
	permitted := permitting(policy.ServiceAccountToken{Endpoint: "edm.example.com:8765", Audience: "edm"}, policy.ServiceAccountToken{Endpoint: "other.example.com", Audience: "other"})
	for endpoint, want := range map[string]string{
		"https://edm.example.com:8765/beta":  "hr/exactmatch for edm, 1",
		"https://other.example.com/beta":     "hr/exactmatch for other, 1",
		"https://Other.Example.com:443/beta": "hr/exactmatch for other, 1",
		"https://edm.example.com/beta":       "",
		"https://edm.example.com.evil/beta":  "",
		"https://edm.example.com:8766/beta":  "",
	} {
		issuer := &fakeIssuer{now: time.Now()}
		cache := New(nil, Options{Policy: permitted, Issuer: issuer})
		opened, err := cache.Open(t.Context(), accountAgent(endpoint), cache.Fresh("hr"))
		if want == "" {
			if p := problem.Of(err); p.Reason != v1alpha1.ReasonNotPermitted || !strings.Contains(p.Message, "serviceAccountTokens") || issuer.issued > 0 {
				t.Errorf("%s: %v, and %d tokens were issued", endpoint, err, issuer.issued)
			}
			continue
		}
		testkit.Must(t, err)
		if got, err := opened.account.Token(t.Context()); got != want || err != nil {
			t.Errorf("%s: %q, %v", endpoint, got, err)
		}
	}
}

// A ServiceAccount that is missing is told as such, and the deletion of its namespace
// is served by the last client.
func TestAMissingServiceAccount(t *testing.T) {
	issuer := &fakeIssuer{now: time.Now()}
	cache := New(nil, Options{Policy: permitting(policy.ServiceAccountToken{Endpoint: "edm.example.com", Audience: "edm"}), Issuer: issuer})
	agent := accountAgent("https://edm.example.com/beta")
	first, err := cache.Open(t.Context(), agent, cache.Fresh("hr"))
	testkit.Must(t, err)
	issuer.err = problem.Absent(v1alpha1.ReasonAccountNotFound, "it is gone")
	cache.accounts.drop(first.account.key)
	if _, err := cache.Open(t.Context(), agent, cache.Fresh("hr")); problem.Of(err).Reason != v1alpha1.ReasonAccountNotFound {
		t.Errorf("got %v", err)
	}
	going := agent.DeepCopy()
	now := metav1.Now()
	going.DeletionTimestamp = &now
	if last, err := cache.OpenFor(t.Context(), going, agent, cache.Fresh("hr")); last != first || err != nil {
		t.Errorf("a deletion is served by %p, %v; the last client is %p", last, err, first)
	}
}

// The service's refusal drops the token, so that what is sent after a while is another.
func TestARefusedTokenIsNotSentAgain(t *testing.T) {
	issuer := &fakeIssuer{now: time.Now()}
	cache := New(nil, Options{Policy: permitting(policy.ServiceAccountToken{Endpoint: "edm.example.com", Audience: "edm"}), Issuer: issuer})
	agent := accountAgent("https://edm.example.com/beta")
	first, err := cache.Open(t.Context(), agent, cache.Fresh("hr"))
	testkit.Must(t, err)
	cache.Failed(agent, first, &edm.Error{Op: "get session", Status: 401, Class: edm.Credentials})
	if _, err := cache.Open(t.Context(), agent, cache.Fresh("hr")); err == nil {
		t.Error("it is tried again at once")
	}
	first.since = first.since.Add(-recheckIdentity)
	again, err := cache.Open(t.Context(), agent, cache.Fresh("hr"))
	testkit.Must(t, err)
	if got, err := again.account.Token(t.Context()); got != "hr/exactmatch for edm, 2" || err != nil {
		t.Errorf("what is sent is %q, %v", got, err)
	}
}

func TestATokenPrintsNothing(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, Token{Secret: "eyJh"}); strings.Contains(text, "eyJh") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

package clients

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/testkit"
)

// Credentials that the service refused are not sent again until a Secret changes,
// and a refusal of an earlier Secret says nothing of the present one.
func TestRefusedCredentialsAreNotSentAgain(t *testing.T) {
	refused := &edm.Error{Op: "get session", Status: 401, Class: edm.Credentials}
	agent := &v1alpha1.ExactMatchUploadAgent{}
	agent.Namespace, agent.Name, agent.UID, agent.Spec.Endpoint = "ns", "agent", "agent", "https://edm.example.com/beta"
	told := 0
	begin := func(t *testing.T) (*Cache, *Client) {
		t.Helper()
		cache := New(nil, Options{Policy: policy.Fixed(policy.ThisMachine), Refused: func(types.NamespacedName) { told++ }})
		client, err := cache.Open(t.Context(), agent, cache.Recent("ns"))
		testkit.Must(t, err)
		return cache, client
	}
	t.Run("the same ones", func(t *testing.T) {
		cache, client := begin(t)
		cache.Failed(agent, client, refused)
		if _, err := cache.Open(t.Context(), agent, cache.Recent("ns")); !errors.Is(err, error(refused)) {
			t.Errorf("they are sent again: %v", err)
		}
		if told != 1 {
			t.Errorf("the agent is told %d times", told)
		}
	})
	t.Run("an outage is no refusal", func(t *testing.T) {
		cache, client := begin(t)
		cache.Failed(agent, client, &edm.Error{Status: 503, Class: edm.Transient})
		_, err := cache.Open(t.Context(), agent, cache.Recent("ns"))
		testkit.Must(t, err)
	})
	t.Run("a late refusal of earlier ones", func(t *testing.T) {
		cache, client := begin(t)
		agent := agent.DeepCopy()
		agent.Generation = 7
		_, err := cache.Open(t.Context(), agent, cache.Recent("ns"))
		testkit.Must(t, err)
		cache.Failed(agent, client, refused)
		_, err = cache.Open(t.Context(), agent, cache.Recent("ns"))
		testkit.Must(t, err)
	})
	t.Run("an identity that may have been granted access", func(t *testing.T) {
		identity := v1alpha1.ExactMatchUploadAgentSpec{Auth: v1alpha1.Auth{ManagedIdentity: &v1alpha1.ManagedIdentity{}}}
		if err := (&Client{spec: identity, refused: refused, since: time.Now()}).refusal(); err == nil {
			t.Error("it is tried again at once")
		}
		if err := (&Client{spec: identity, refused: refused, since: time.Now().Add(-recheckIdentity)}).refusal(); err != nil {
			t.Errorf("it is never tried again: %v", err)
		}
		if err := (&Client{refused: refused, since: time.Now().Add(-recheckIdentity)}).refusal(); err == nil {
			t.Error("a token is tried again although no Secret changed")
		}
	})
}

// TestTenantsShareABudgetAndNoHold: the agents of one namespace share what they are
// asked to wait; another namespace's agent of the same endpoint does not.
func TestTenantsShareABudgetAndNoHold(t *testing.T) {
	c := New(nil, Options{QPS: 1, Burst: 1})
	one, same, other := c.paceOf("a", "https://s/beta"), c.paceOf("a", "https://s/beta/"), c.paceOf("b", "https://s/beta")
	if one != same {
		t.Error("two agents of a namespace have two paces of one endpoint")
	}
	if one == other {
		t.Error("a Retry-After crosses namespaces")
	}
}

// TestTheLastClientServesADeletion: the deletion of a namespace takes Secrets first.
// Passes of other objects learn at the same time that the credentials are refused.
func TestTheLastClientServesADeletion(t *testing.T) {
	now := metav1.Now()
	agent := &v1alpha1.ExactMatchUploadAgent{}
	agent.Namespace, agent.Name, agent.UID, agent.Spec.Endpoint = "ns", "agent", "agent", "https://edm.example.com/beta"
	agent.Spec.Auth.BearerTokenSecretRef = &v1alpha1.TokenReference{Name: "token", Key: "value"}
	secrets := secretsOf{"ns/token": "secret"}
	cache := New(secrets, Options{})
	first, err := cache.Open(t.Context(), agent, cache.Fresh("ns"))
	testkit.Must(t, err)
	delete(secrets, "ns/token")
	kept, going := agent.DeepCopy(), agent.DeepCopy()
	going.DeletionTimestamp = &now
	if _, err := cache.OpenFor(t.Context(), kept, agent, cache.Fresh("ns")); problem.Of(err).Reason != v1alpha1.ReasonSecretNotFound {
		t.Errorf("an object that stays is served without its Secret: %v", err)
	}
	refused := &edm.Error{Op: "get session", Status: 401, Class: edm.Credentials}
	var passes sync.WaitGroup
	passes.Go(func() { cache.Failed(agent, first, refused) })
	last, err := cache.OpenFor(t.Context(), going, agent, cache.Fresh("ns"))
	passes.Wait()
	if last != first || err != nil && !errors.Is(err, error(refused)) {
		t.Errorf("it is served by %p, %v; the last client is %p", last, err, first)
	}
	if _, err := cache.OpenFor(t.Context(), going, agent, cache.Fresh("ns")); !errors.Is(err, error(refused)) {
		t.Errorf("refused credentials are sent again: %v", err)
	}
	agent.Spec.Endpoint = "https://other.example.com/beta"
	if _, err := cache.OpenFor(t.Context(), going, agent, cache.Fresh("ns")); problem.Of(err).Reason != v1alpha1.ReasonSecretNotFound {
		t.Errorf("the client of another endpoint serves: %v", err)
	}
}

// changingSecrets calls a function at each reading.
type changingSecrets struct {
	secretsOf
	at func()
}

func (s changingSecrets) Get(ctx context.Context, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
	s.at()
	return s.secretsOf.Get(ctx, key, into, o...)
}

// TestAPolicyThatChangesInAPass: a client that was made below one policy does not serve
// below the next one.
func TestAPolicyThatChangesInAPass(t *testing.T) {
	const head = "apiVersion: policy.exactmatch.dev/v1alpha1\nkind: OperatorPolicy\n"
	path := filepath.Join(t.TempDir(), "policy.yaml")
	testkit.Must(t, os.WriteFile(path, []byte(head), 0o600))
	file, err := policy.Open(path, slog.New(slog.DiscardHandler), nil)
	testkit.Must(t, err)
	before := file.For("ns").Version()
	change := sync.OnceFunc(func() {
		testkit.Must(t, os.WriteFile(path, []byte(head+"rules: [{namespaces: [ns], hosts: [edm.internal]}]\n"), 0o600))
		for file.For("ns").Version() == before { // it looks at the file once a second
			runtime.Gosched()
		}
	})
	cache := New(changingSecrets{secretsOf{"ns/token": "secret"}, change}, Options{Policy: file})
	agent := &v1alpha1.ExactMatchUploadAgent{}
	agent.Namespace, agent.Name, agent.UID, agent.Spec.Endpoint = "ns", "agent", "agent", "https://edm.internal/beta"
	agent.Spec.Auth.BearerTokenSecretRef = &v1alpha1.TokenReference{Name: "token", Key: "value"}
	first, err := cache.Open(t.Context(), agent, cache.Fresh("ns"))
	testkit.Must(t, err)
	second, err := cache.Open(t.Context(), agent, cache.Fresh("ns"))
	testkit.Must(t, err)
	if first == second {
		t.Error("the client of the policy before serves below the new one")
	}
}

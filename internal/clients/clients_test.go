package clients

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/policy"
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
		auth := v1alpha1.Auth{ManagedIdentity: &v1alpha1.ManagedIdentity{}}
		if err := (&Client{refused: refused, since: time.Now()}).judge(auth); err == nil {
			t.Error("it is tried again at once")
		}
		if err := (&Client{refused: refused, since: time.Now().Add(-recheckIdentity)}).judge(auth); err != nil {
			t.Errorf("it is never tried again: %v", err)
		}
		if err := (&Client{refused: refused, since: time.Now().Add(-recheckIdentity)}).judge(v1alpha1.Auth{}); err == nil {
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

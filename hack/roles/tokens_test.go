package roles_test

import (
	"fmt"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/testkit"
)

// issuerOf issues tokens under the rights that an install gives its manager.
func issuerOf(t *testing.T, install, home, place string) clients.Issuer {
	t.Helper()
	s := newScene(t, home, place)
	all := manifests(t, install)
	apply(t, all)
	s.mayDo(granted(t, all))
	as := rest.CopyConfig(admin)
	as.Impersonate = rest.ImpersonationConfig{UserName: s.account, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	issuer, err := clients.KubernetesIssuer(as)
	testkit.Must(t, err)
	for _, name := range []string{"exactmatch", "other"} {
		testkit.Must(t, kube.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: s.named(name)}))
	}
	return issuer
}

// TestTokensOfOneServiceAccountAlone: the manager gets short-lived tokens of the
// ServiceAccounts called exactmatch, for another audience than the API server's.
func TestTokensOfOneServiceAccountAlone(t *testing.T) {
	const place = "tokens"
	issuer := issuerOf(t, "default", "exactmatch-system", place)
	for name, tc := range map[string]struct{ account, audience, reason string }{
		"of exactmatch":                  {account: "exactmatch", audience: audience},
		"of another ServiceAccount":      {account: "other", audience: audience, reason: v1alpha1.ReasonNotPermitted},
		"of default":                     {account: "default", audience: audience, reason: v1alpha1.ReasonNotPermitted},
		"for an audience of the cluster": {account: "exactmatch", audience: clusterAudience(t), reason: v1alpha1.ReasonNotPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := issuer.Issue(t.Context(), types.NamespacedName{Namespace: place, Name: tc.account}, tc.audience)
			if tc.reason != "" {
				if p := problem.Of(err); p.Reason != tc.reason || !p.Stalls() {
					t.Fatalf("got %v", err)
				}
				return
			}
			testkit.Must(t, err)
			if life := token.Expiry.Sub(token.Issued); life > 15*time.Minute+time.Second || life < 10*time.Minute {
				t.Errorf("it lives for %s", life)
			}
			as := rest.AnonymousClientConfig(admin)
			as.BearerToken = token.Secret
			if _, err := kubernetes.NewForConfigOrDie(as).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
				t.Errorf("the API server takes it: %v", err)
			}
		})
	}
	t.Run("of none", func(t *testing.T) {
		_, err := issuer.Issue(t.Context(), types.NamespacedName{Namespace: "default", Name: "exactmatch"}, audience)
		if p := problem.Of(err); p.Reason != v1alpha1.ReasonAccountNotFound || !p.Absent {
			t.Errorf("got %v", err)
		}
	})
}

// clusterAudience is one of the API server's: that of a token for which none is asked.
func clusterAudience(t *testing.T) string {
	t.Helper()
	made := &authenticationv1.TokenRequest{}
	testkit.Must(t, kube.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "tokens", Name: "exactmatch"}}, made))
	if len(made.Spec.Audiences) == 0 {
		t.Fatal(fmt.Errorf("the API server names no audience of its own"))
	}
	return made.Spec.Audiences[0]
}

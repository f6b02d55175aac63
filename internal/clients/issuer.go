package clients

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// tokenLife is the life of the tokens that are asked for, and the longest that is
// taken: a stolen one is good for no longer.
const tokenLife = 15 * time.Minute

// kubernetesIssuer is the API server's TokenRequest API.
type kubernetesIssuer struct {
	client kubernetes.Interface
	config *rest.Config
}

// KubernetesIssuer issues tokens by the API server's TokenRequest API. It returns
// none that the API server itself would take.
func KubernetesIssuer(config *rest.Config) (Issuer, error) {
	config = rest.CopyConfig(config)
	if config.QPS == 0 {
		config.QPS = -1 // the API server's priority and fairness is the limit
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("a client for tokens of ServiceAccounts: %w", err)
	}
	return &kubernetesIssuer{client, config}, nil
}

// Issue asks for a token. See https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/.
func (k *kubernetesIssuer) Issue(ctx context.Context, account types.NamespacedName, audience string) (Token, error) {
	seconds, began := int64(tokenLife/time.Second), time.Now()
	made, err := k.client.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return Token{}, notIssued(account, err)
	}
	token := Token{Secret: made.Status.Token, Issued: began, Expiry: made.Status.ExpirationTimestamp.Time}
	if life := time.Until(token.Expiry); life > tokenLife {
		return Token{}, problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
			"the API server issued a token of ServiceAccount %q for %s, longer than the %s that were asked for; it is not used", account.Name, life.Round(time.Second), tokenLife)
	}
	if err := k.checkForeign(ctx, token, account, audience); err != nil {
		return Token{}, err
	}
	return token, nil
}

// notIssued turns an error of the TokenRequest API into what to do about it.
func notIssued(account types.NamespacedName, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return problem.Absent(v1alpha1.ReasonAccountNotFound, "ServiceAccount %q does not exist in namespace %q; create it", account.Name, account.Namespace)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return problem.Absent(v1alpha1.ReasonAccountNotFound, "namespace %q is being deleted, so no token of ServiceAccount %q is issued", account.Namespace, account.Name)
	case apierrors.IsForbidden(err):
		return problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
			"the operator may not request tokens of ServiceAccount %q: use the ServiceAccount exactmatch, or have the administrator allow it to create serviceaccounts/token of that name", account.Name)
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return problem.NeedsRepair(v1alpha1.ReasonNotPermitted, "the API server issues no token of ServiceAccount %q: %v", account.Name, err)
	}
	return fmt.Errorf("request a token of ServiceAccount %q: %w", account.Name, err)
}

// checkForeign refuses a token that opens the API server: the service could use it
// there. The API server alone knows its audiences, so it is asked with the token.
func (k *kubernetesIssuer) checkForeign(ctx context.Context, token Token, account types.NamespacedName, audience string) error {
	config := rest.AnonymousClientConfig(k.config)
	config.BearerToken = token.Secret
	as, err := kubernetes.NewForConfig(config)
	if err != nil {
		return errors.New("a client for a token's review cannot be made") // the error may repeat the token
	}
	_, err = as.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	switch {
	case apierrors.IsUnauthorized(err):
		return nil
	case err == nil || apierrors.IsForbidden(err):
		return problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
			"tokens of ServiceAccount %q for the audience %q open the API server of this cluster, so none is sent: have the administrator give the endpoint another audience in serviceAccountTokens of the operator's policy file",
			account.Name, audience)
	}
	return fmt.Errorf("find out whether the API server takes a token for the audience %q: %w", audience, err)
}

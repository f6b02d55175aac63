package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// TokenSource gives the bearer token of the next request.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// StaticToken is a token as it stands in a Secret; white space around it is
// dropped. It never prints itself.
func StaticToken(token string) TokenSource { return static{strings.TrimSpace(token)} }

type static struct{ secret string }

func (s static) Token(context.Context) (string, error) {
	if s.secret == "" {
		return "", errors.New("the token is empty")
	}
	return s.secret, nil
}

// String hides the token.
func (static) String() string { return "[redacted]" }

// GoString hides the token.
func (static) GoString() string { return "[redacted]" }

// NewClientSecret gets tokens for an application of Microsoft Entra ID.
func NewClientSecret(tenantID, clientID, secret, scope string, c *http.Client) (TokenSource, error) {
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, strings.TrimSpace(secret),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: c}})
	return entra(credential, scope, err)
}

// NewWorkloadIdentity gets tokens for a federated service account. Empty ids
// come from the environment that the workload identity webhook sets.
func NewWorkloadIdentity(tenantID, clientID, scope string, c *http.Client) (TokenSource, error) {
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: c}, TenantID: tenantID, ClientID: clientID,
	})
	return entra(credential, scope, err)
}

// NewManagedIdentity gets tokens for the identity of the Azure machine. The
// metadata endpoint is link-local, so no guarded client is used for it.
func NewManagedIdentity(clientID, scope string) (TokenSource, error) {
	options := &azidentity.ManagedIdentityCredentialOptions{}
	if clientID != "" {
		options.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(options)
	return entra(credential, scope, err)
}

// entra caches and refreshes tokens inside the SDK's credential.
func entra(credential azcore.TokenCredential, scope string, err error) (TokenSource, error) {
	if err != nil {
		return nil, errors.New("spec.auth cannot be used: " + bounded(err.Error(), maxMessage))
	}
	return &entraToken{credential: credential, scope: scope}, nil
}

type entraToken struct {
	credential azcore.TokenCredential
	scope      string
}

func (e *entraToken) Token(ctx context.Context) (string, error) {
	token, err := e.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{e.scope}})
	var refused *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &refused) && refused.RawResponse != nil:
		// The SDK's text repeats the answer's body; only its status is told.
		_, _ = io.Copy(io.Discard, refused.RawResponse.Body)
		return "", errors.New("Microsoft Entra ID answered " + refused.RawResponse.Status)
	case err != nil:
		return "", errors.New("Microsoft Entra ID did not issue a token") //nolint:staticcheck // a name
	}
	return token.Token, nil
}

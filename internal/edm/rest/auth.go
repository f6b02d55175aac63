package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"exactmatch.dev/operator/internal/edm"
)

// TokenSource gives the bearer token of the next request. Its errors hold no
// secret. One that is a *RefusedError stays until the credentials change; any
// other passes.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// RefusedError says that no token is issued for these credentials.
type RefusedError struct{ Message string }

func (e *RefusedError) Error() string { return e.Message }

// StaticToken is a token as it stands in a Secret; white space around it is
// dropped. It never prints itself.
func StaticToken(token string) TokenSource { return static{strings.TrimSpace(token)} }

type static struct{ secret string }

func (s static) Token(context.Context) (string, error) {
	if s.secret == "" {
		return "", &RefusedError{"the token is empty"}
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
		&azidentity.ClientSecretCredentialOptions{ClientOptions: entraOptions(c)})
	return entra(credential, scope, err)
}

// NewWorkloadIdentity gets tokens for a federated service account. Empty ids
// come from the environment that the workload identity webhook sets.
func NewWorkloadIdentity(tenantID, clientID, scope string, c *http.Client) (TokenSource, error) {
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: entraOptions(c), TenantID: tenantID, ClientID: clientID,
	})
	return entra(credential, scope, err)
}

// NewManagedIdentity gets tokens for the identity of the Azure machine. The
// metadata endpoint is link-local, so c must not be a guarded client.
func NewManagedIdentity(clientID, scope string, c *http.Client) (TokenSource, error) {
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: entraOptions(c)}
	if clientID != "" {
		options.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(options)
	return entra(credential, scope, err)
}

// entraOptions send through c, and repeat a failed call once: whoever needs the
// token backs off by itself.
func entraOptions(c *http.Client) azcore.ClientOptions {
	return azcore.ClientOptions{Transport: c, Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: 300 * time.Millisecond}}
}

// entra caches and refreshes tokens inside the SDK's credential.
func entra(credential azcore.TokenCredential, scope string, err error) (TokenSource, error) {
	if err != nil {
		return nil, errors.New("spec.auth cannot be used: " + truncate(err.Error(), maxMessage))
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
		return "", answeredByEntra(refused.RawResponse)
	case err != nil:
		return "", errors.New("Microsoft Entra ID did not issue a token") //nolint:staticcheck // a name
	}
	return token.Token, nil
}

// answeredByEntra tells the status of a refusal: the SDK's text repeats the
// answer's body. One that is not in OAuth's form is a stranger's, and passes.
func answeredByEntra(answer *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxError))
	if err != nil || !isJSON(answer.Header) || json.Unmarshal(body, &said) != nil || said.Error == "" {
		return fmt.Errorf("a response with status %d came that is not from Microsoft Entra ID; check the proxies on the way to it", answer.StatusCode)
	}
	message := fmt.Sprintf("Microsoft Entra ID responded with %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	if edm.ClassOfStatus(answer.StatusCode) == edm.Transient {
		return errors.New(message)
	}
	return &RefusedError{message}
}

// Package entra gets bearer tokens of Microsoft Entra ID, by Azure's SDK: it stands
// apart so that clients of the contract need no SDK.
package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
)

// Bounds of what is read and of what is told, in bytes.
const (
	maxAnswer  = 256 << 10
	maxMessage = 512
)

// ClientSecret gets tokens for an application of Microsoft Entra ID.
func ClientSecret(tenantID, clientID, secret, scope string, c *http.Client) (rest.TokenSource, error) {
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, strings.TrimSpace(secret),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(c)})
	return source(credential, scope, err)
}

// WorkloadIdentity gets tokens for a federated service account. Empty ids
// come from the environment that the workload identity webhook sets.
func WorkloadIdentity(tenantID, clientID, scope string, c *http.Client) (rest.TokenSource, error) {
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options(c), TenantID: tenantID, ClientID: clientID,
	})
	return source(credential, scope, err)
}

// ManagedIdentity gets tokens for the identity of the Azure machine. The
// metadata endpoint is link-local, so c must not be a guarded client.
func ManagedIdentity(clientID, scope string, c *http.Client) (rest.TokenSource, error) {
	managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options(c)}
	if clientID != "" {
		managed.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(managed)
	return source(credential, scope, err)
}

// options send through c, and repeat a failed call once: the caller backs off by
// itself.
func options(c *http.Client) azcore.ClientOptions {
	return azcore.ClientOptions{Transport: c, Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: 300 * time.Millisecond}}
}

// source caches and refreshes tokens inside the SDK's credential.
func source(credential azcore.TokenCredential, scope string, err error) (rest.TokenSource, error) {
	if err != nil {
		return nil, errors.New("spec.auth cannot be used: " + problemOf(err))
	}
	return &token{credential: credential, scope: scope}, nil
}

type token struct {
	credential azcore.TokenCredential
	scope      string
}

func (e *token) Token(ctx context.Context) (string, error) {
	got, err := e.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{e.scope}})
	var refused *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &refused) && refused.RawResponse != nil:
		return "", refusal(refused.RawResponse)
	case err != nil:
		return "", errors.New("Microsoft Entra ID did not issue a token") //nolint:staticcheck // a name
	}
	return got.Token, nil
}

// refusal tells the status of a refusal: the SDK's text repeats the
// answer's body. One that is not in OAuth's form is a stranger's, and passes.
func refusal(answer *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil || !isJSON(answer.Header) || json.Unmarshal(body, &said) != nil || said.Error == "" {
		return fmt.Errorf("a response with status %d came that is not from Microsoft Entra ID; check the proxies on the way to it", answer.StatusCode)
	}
	message := fmt.Sprintf("Microsoft Entra ID responded with %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	if edm.ClassOfStatus(answer.StatusCode) == edm.Transient {
		return errors.New(message)
	}
	return &rest.RefusedError{Message: message}
}

func isJSON(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// problemOf is what the SDK says of ids that cannot be used, on one line.
func problemOf(err error) string {
	text := err.Error()
	return strings.Join(strings.Fields(strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")), " ")
}

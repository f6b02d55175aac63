package source

import (
	"context"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"

	"exactmatch.dev/operator/internal/failure"
)

var accountNames = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

func openAzure(ctx context.Context, c Config, u *url.URL) (Source, error) {
	name, key, where, err := objectURI(u)
	if err != nil {
		return nil, err
	}
	client, err := azureClient(c, where, name, key)
	if err != nil {
		return nil, err
	}
	bucket, err := azureblob.OpenBucket(ctx, client, nil)
	if err != nil {
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the container cannot be opened: check its name"}
	}
	return &object{bucket: bucket, key: key, where: where}, nil
}

func azureClient(c Config, where, name, key string) (*container.Client, error) {
	options := &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: strictClient(c, where),
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}}
	invalid := func(what string) error { return &Error{Reason: failure.SourceInvalid, Source: where, Message: what} }
	if connection := c.credential("connectionString"); connection != "" {
		client, err := container.NewClientFromConnectionString(connection, name, options)
		if err != nil {
			return nil, invalid("connectionString in the credentials cannot be used")
		}
		return client, nil
	}
	account, err := azureAccount(c, where, name, key)
	if err != nil {
		return nil, err
	}
	address, err := azureAddress(c, where, account, name)
	if err != nil {
		return nil, err
	}
	client, err := azureSigned(c, where, account, address, options)
	if err != nil {
		return nil, err
	}
	return client, nil
}

// azureAccount is the storage account that the credentials name; without anything that signs, the one that the process' own identity is
// permitted for.
func azureAccount(c Config, where, name, key string) (account string, err error) {
	account = c.credential("accountName")
	if c.anonymous() || c.credential("accountKey") != "" || c.credential("sasToken") != "" {
		return account, nil
	}
	if account, err = c.ambient("azblob", name, key, where); err == nil && account == "" {
		account = os.Getenv("AZURE_STORAGE_ACCOUNT")
	}
	return account, err
}

// azureAddress is the URL of the container.
func azureAddress(c Config, where, account, name string) (string, error) {
	endpoint, err := checkEndpoint(c, where)
	if err != nil {
		return "", err
	}
	switch {
	case account == "" && endpoint == "":
		return "", &Error{Reason: failure.SourceInvalid, Source: where, Message: "the storage account is not known: set accountName or connectionString in the credentials"}
	case account != "" && !accountNames.MatchString(account):
		return "", &Error{Reason: failure.SourceInvalid, Source: where, Message: "accountName in the credentials is not the name of a storage account"}
	case endpoint == "":
		endpoint = "https://" + account + ".blob.core.windows.net"
	}
	return endpoint + "/" + url.PathEscape(name), nil
}

func azureSigned(c Config, where, account, address string, options *container.ClientOptions) (client *container.Client, err error) {
	key, signature := c.credential("accountKey"), strings.TrimPrefix(c.credential("sasToken"), "?")
	switch {
	case key != "":
		var shared *container.SharedKeyCredential
		if shared, err = container.NewSharedKeyCredential(account, key); err == nil {
			client, err = container.NewClientWithSharedKeyCredential(address, shared, options)
		}
	case signature != "":
		client, err = container.NewClientWithNoCredential(address+"?"+signature, options)
	case c.anonymous():
		client, err = container.NewClientWithNoCredential(address, options)
	default:
		var identity azcore.TokenCredential
		if identity, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: c.process()}}); err != nil {
			return nil, noIdentity(where)
		}
		client, err = container.NewClient(address, processIdentity{identity, where}, options)
	}
	if err != nil {
		// The error may repeat the key.
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "no client can be created from the credentials: check accountKey and sasToken"}
	}
	return client, nil
}

// processIdentity gives the tokens of the process, and an error that tells nothing about how it gets them.
type processIdentity struct {
	azcore.TokenCredential
	where string
}

func (p processIdentity) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := p.TokenCredential.GetToken(ctx, options)
	if err != nil {
		return azcore.AccessToken{}, noIdentity(p.where)
	}
	return token, nil
}

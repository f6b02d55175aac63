package source

import (
	"context"
	"net/http"
	"net/url"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob/gcsblob"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"exactmatch.dev/operator/internal/failure"
)

func openGS(ctx context.Context, c Config, u *url.URL) (Source, error) {
	name, key, where, err := objectURI(u)
	if err != nil {
		return nil, err
	}
	endpoint, err := checkEndpoint(c, where)
	if err != nil {
		return nil, err
	}
	client, err := gsClient(ctx, c, where, name, key)
	if err != nil {
		return nil, err
	}
	options := []option.ClientOption{option.WithHTTPClient(client), storage.WithJSONReads()}
	if endpoint != "" {
		options = append(options, option.WithEndpoint(endpoint+"/storage/v1/"))
	}
	service, err := storage.NewClient(context.WithoutCancel(ctx), options...)
	if err != nil {
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "no client can be created from the credentials"}
	}
	service.SetRetry(storage.WithPolicy(storage.RetryNever))
	bucket, err := gcsblob.OpenBucket(ctx, nil, name, &gcsblob.Options{Client: service})
	if err != nil {
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the bucket cannot be opened: check its name"}
	}
	return &object{bucket: bucket, key: key, where: where}, nil
}

// gsClient signs requests with the service account of the Secret, else with the identity of the process.
func gsClient(ctx context.Context, c Config, where, bucket, key string) (*http.Client, error) {
	guarded := strictClient(c, where)
	if c.anonymous() {
		return guarded, nil
	}
	// Tokens are fetched again long after ctx has ended, and through the guard: token_uri is what the Secret says.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, guarded)
	var found *google.Credentials
	var err error
	if account := c.credential("serviceAccountJSON"); account != "" {
		// Other types of credentials name files and programs to run: none of them is taken from a Secret.
		found, err = google.CredentialsFromJSONWithType(ctx, []byte(account), google.ServiceAccount, storage.ScopeReadOnly)
		if err != nil {
			return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "serviceAccountJSON is not the key of a service account"}
		}
	} else if found, err = gsIdentity(ctx, c, where, bucket, key); err != nil {
		return nil, err
	}
	signed := *guarded
	signed.Transport = &oauth2.Transport{Source: found.TokenSource, Base: guarded.Transport}
	return &signed, nil
}

// gsIdentity is that of the process.
func gsIdentity(ctx context.Context, c Config, where, bucket, key string) (*google.Credentials, error) {
	if _, err := c.ambient("gs", bucket, key, where); err != nil {
		return nil, err
	}
	found, err := google.FindDefaultCredentials(context.WithValue(ctx, oauth2.HTTPClient, c.process()), storage.ScopeReadOnly)
	if err != nil {
		return nil, noIdentity(where)
	}
	return found, nil
}

package source

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob/s3blob"

	"exactmatch.dev/operator/internal/failure"
)

const defaultRegion = "us-east-1"

func openS3(ctx context.Context, c Config, u *url.URL) (Source, error) {
	name, key, where, err := objectURI(u)
	if err != nil {
		return nil, err
	}
	options, err := s3Options(ctx, c, where, name, key)
	if err != nil {
		return nil, err
	}
	bucket, err := s3blob.OpenBucket(ctx, s3.New(options), name, nil)
	if err != nil {
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the bucket cannot be opened: check its name"}
	}
	return &object{bucket: bucket, key: key, where: where}, nil
}

func s3Options(ctx context.Context, c Config, where, bucket, key string) (s3.Options, error) {
	endpoint, err := checkEndpoint(c, where)
	if err != nil {
		return s3.Options{}, err
	}
	options := s3.Options{
		HTTPClient:                 strictClient(c, where),
		Region:                     c.credential("region"),
		Retryer:                    aws.NopRetryer{},
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if endpoint != "" {
		options.BaseEndpoint, options.UsePathStyle = aws.String(endpoint), true
		if options.Region == "" {
			options.Region = defaultRegion
		}
	}
	if err := s3Identity(ctx, c, where, bucket, key, &options); err != nil {
		return s3.Options{}, err
	}
	if options.Region == "" && c.Elsewhere {
		options.Region = defaultRegion
	}
	if options.Region == "" {
		return s3.Options{}, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the region of the bucket is not known: set region in the credentials"}
	}
	return options, nil
}

func s3Identity(ctx context.Context, c Config, where, bucket, key string, options *s3.Options) error {
	id, secret := c.credential("accessKeyID"), c.credential("secretAccessKey")
	switch {
	case c.anonymous():
		options.Credentials = aws.AnonymousCredentials{}
		return nil
	case id != "" && secret != "":
		options.Credentials = credentials.NewStaticCredentialsProvider(id, secret, c.credential("sessionToken"))
		return nil
	case id != "" || secret != "":
		return &Error{Reason: failure.SourceInvalid, Source: where, Message: "the credentials need both accessKeyID and secretAccessKey"}
	}
	if _, err := c.ambient("s3", bucket, key, where); err != nil {
		return err
	}
	process, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient().
		WithTransportOptions(func(t *http.Transport) { t.Proxy = c.Guard.Proxy.For })))
	if err != nil || process.Credentials == nil {
		return noIdentity(where)
	}
	if options.Region == "" {
		options.Region = process.Region
	}
	options.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		got, err := process.Credentials.Retrieve(ctx)
		if err != nil {
			return aws.Credentials{}, noIdentity(where)
		}
		return got, nil
	}))
	return nil
}

func noIdentity(where string) *Error {
	return &Error{Reason: failure.SourceRefused, Source: where, Message: "there are no credentials, and the process has no identity of its own: name a Secret in spec.source.credentialsSecretRef"}
}

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"exactmatch.dev/operator/internal/failure"
)

// object is one object of a bucket.
type object struct {
	bucket     *blob.Bucket
	key, where string
	pin        pin
}

// objectURI splits scheme://bucket/key.
func objectURI(u *url.URL) (bucket, key, where string, err error) {
	where = describe(u)
	key = strings.TrimPrefix(u.Path, "/")
	switch {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		err = &Error{Reason: failure.SourceInvalid, Source: where, Message: "the URI has a query: put region, endpoint and credentials into a Secret, and write ? and # in keys as %3F and %23"}
	case u.Hostname() == "" || u.Port() != "" || key == "" || strings.HasSuffix(key, "/"):
		err = &Error{Reason: failure.SourceInvalid, Source: where, Message: "the URI names no object: use " + u.Scheme + "://bucket/key"}
	}
	return u.Host, key, where, err
}

// checkEndpoint judges an endpoint of the Secret before a client is made of it.
func checkEndpoint(c Config, where string) (string, error) {
	endpoint := c.credential("endpoint")
	if endpoint == "" {
		return "", nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", &Error{Reason: failure.SourceInvalid, Source: where, Message: "endpoint in the credentials is not a plain https URL"}
	}
	if err := c.Guard.CheckURL(u); err != nil {
		return "", networkError(where, err)
	}
	return strings.TrimSuffix(endpoint, "/"), nil
}

func (o *object) Name() string   { return baseName(o.key) }
func (o *object) String() string { return o.where }

func (o *object) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < ToEnd {
		return nil, &Error{Reason: failure.SourceInvalid, Source: o.where, Message: "the range to read is negative"}
	}
	if length == 0 {
		return newBody(ctx, http.NoBody, o.where, 0), nil
	}
	r, err := o.bucket.NewRangeReader(ctx, o.key, offset, length, nil)
	if err != nil {
		if length == ToEnd && offset > 0 && o.endsAt(ctx, offset) {
			return newBody(ctx, http.NoBody, o.where, 0), nil
		}
		return nil, o.classify(err)
	}
	n, err := span(o.where, r.Size(), offset, length)
	if err == nil {
		err = o.pin.hold(o.where, version(r))
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return newBody(ctx, &objectBody{Reader: r, object: o}, o.where, n), nil
}

// endsAt tells whether a range was refused only because nothing is left there: then its last byte is the one before.
func (o *object) endsAt(ctx context.Context, offset int64) bool {
	r, err := o.bucket.NewRangeReader(ctx, o.key, offset-1, 1, nil)
	if err != nil {
		return false
	}
	size := r.Size()
	return r.Close() == nil && size == offset
}

// version is the strongest mark of a version that the service gives.
func version(r *blob.Reader) string {
	tag := ""
	var s3Output s3.GetObjectOutput
	var azureOutput azblob.DownloadStreamResponse
	var gsReader *storage.Reader
	switch {
	case r.As(&s3Output) && s3Output.ETag != nil:
		tag = *s3Output.ETag
	case r.As(&azureOutput) && azureOutput.ETag != nil:
		tag = string(*azureOutput.ETag)
	case r.As(&gsReader):
		tag = fmt.Sprint(gsReader.Attrs.Generation)
	}
	return fmt.Sprint(tag, " ", r.Size(), " ", r.ModTime().UnixNano())
}

// objectBody classifies errors in the middle of an object as those at its start.
type objectBody struct {
	*blob.Reader
	object *object
}

func (b *objectBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, b.object.classify(err)
}

// classify takes from an error of a client its status and its code; its text repeats URLs and key ids.
func (o *object) classify(err error) error {
	var s3Error *awshttp.ResponseError
	var s3Code smithy.APIError
	var azure *azcore.ResponseError
	var gs *googleapi.Error
	var token *oauth2.RetrieveError
	var own *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &s3Error) && s3Error.HTTPStatusCode() > 0:
		code := ""
		if errors.As(err, &s3Code) {
			code = s3Code.ErrorCode()
		}
		return statusError(o.where, s3Error.HTTPStatusCode(), code, s3Error.HTTPResponse().Header)
	case errors.As(err, &azure):
		var header http.Header
		if azure.RawResponse != nil {
			header = azure.RawResponse.Header
		}
		return statusError(o.where, azure.StatusCode, azure.ErrorCode, header)
	case errors.As(err, &gs):
		return statusError(o.where, gs.Code, "", gs.Header)
	case errors.As(err, &token) && token.Response != nil:
		if answered := statusError(o.where, token.Response.StatusCode, "", token.Response.Header); answered.Transient() {
			return answered
		}
		return &Error{Reason: failure.SourceRefused, Source: o.where, Message: "the service account is not accepted: check serviceAccountJSON"}
	}
	switch network := networkError(o.where, err); {
	case network.cause != nil:
		return network
	case gcerrors.Code(err) == gcerrors.NotFound && !isNameError(err):
		return &Error{Reason: failure.SourceNotFound, Source: o.where, Message: "there is no such object"}
	default:
		return network
	}
}

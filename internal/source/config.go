package source

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
)

// ToEnd is the length that Open takes for everything from the offset on.
const ToEnd int64 = -1

// Source is one table at rest. It is safe for concurrent use.
//
// A Source remembers the version that it saw first: size and time of a file, entity tag or generation of an object, and only the size of
// what https serves. When a later Open finds another version, it fails with reason Changed. This catches a change early but proves
// nothing: callers that combine the bytes of several Opens compare them with sums of their own. A Source never retries; the caller does,
// where the *Error is transient.
type Source interface {
	// Open returns the stored bytes from offset on, length of them or, for ToEnd, all. An offset at the end gives no bytes; one beyond
	// it is an error. The reader fails with an *Error where the bytes end too early, and so may its Close: both matter.
	// Cancelling ctx ends the reading.
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// Name is the last element of where the table lies, such as "patients.csv"; "" where there is none.
	Name() string
	// String says where the table lies, without user info, query and fragment.
	String() string
}

// Config says where a table lies and what may be used to get there.
type Config struct {
	// URI is where the table lies:
	//
	//	file:///exports/patients.csv      the file exports/patients.csv below Root
	//	https://host/path?query           (http as Guard allows)
	//	s3://bucket/key  gs://bucket/key  azblob://container/key
	//
	// User info is refused everywhere, a query everywhere but with https; put what is secret there into a Secret as a whole.
	URI string
	// Credentials are the entries of one Secret; white space around values is dropped. Keys other than these are ignored:
	//
	//	https   bearerToken | username and password
	//	s3      accessKeyID and secretAccessKey, sessionToken; region (default us-east-1 with an endpoint); endpoint (any
	//	        service that speaks S3, addressed by path)
	//	gs      serviceAccountJSON (a key of type service_account); endpoint
	//	azblob  connectionString | accountName with accountKey or sasToken; endpoint (default https://<accountName>.blob.core.windows.net)
	//
	// With anonymous: "true" requests are not signed. Without anything that signs, the identity of the process is used (workload
	// identity, environment) where Identity permits it and no endpoint is named. Nothing of the process is used where credentials sign.
	Credentials map[string][]byte
	// Identity judges where the identity of the process may sign; nil permits nothing.
	Identity Identity
	// Elsewhere says that another process reads the table, and may sign with an identity of its own: here the source is only named and
	// checked, and no identity is looked for.
	Elsewhere bool
	// Root is the folder that file URIs lie below, one per namespace; "" means that no file may be opened.
	Root string
	// Schemes are the schemes that may be used: file, https, s3, gs, azblob. Others are refused; https admits http, which Guard
	// still judges.
	Schemes []string
	// Guard is passed by every connection to a host that URI or Credentials name.
	Guard dial.Guard
}

func baseName(p string) string {
	switch name := path.Base(p); name {
	case ".", "/":
		return ""
	default:
		return name
	}
}

// credential is one entry of the Secret. A line end after it is what an editor left there.
func (c Config) credential(key string) string {
	return strings.TrimSpace(string(c.Credentials[key]))
}

func (c Config) anonymous() bool {
	return c.credential("anonymous") == "true" || c.Elsewhere && !c.signs()
}

// signs tells whether the credentials have something that signs.
func (c Config) signs() bool {
	return slices.ContainsFunc([]string{"accessKeyID", "secretAccessKey", "serviceAccountJSON", "connectionString", "accountKey", "sasToken"},
		func(key string) bool { return c.credential(key) != "" })
}

// span returns how many of size bytes a range asks for.
func span(where string, size, offset, length int64) (int64, error) {
	switch {
	case offset < 0 || length < ToEnd:
		return 0, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the range to read is negative"}
	case offset > size || length != ToEnd && length > size-offset:
		return 0, &Error{Reason: failure.SourceChanged, Source: where, Message: "it is shorter than before"}
	case length == ToEnd:
		return size - offset, nil
	}
	return length, nil
}

// Identity judges where the identity of the process may sign requests: for a key of a bucket, in the storage account that the
// credentials name (azblob; "" where they name none). It returns the account to use, "" for the environment's, or an error that says
// what would permit it. A nil Identity permits nothing.
//
// The identity is never sent to an endpoint that the credentials name, whatever Identity says.
type Identity func(scheme, bucket, key, account string) (string, error)

// AnyBucket is the Identity of a process whose identity is the user's own, such as a worker in a pod under a ServiceAccount that is
// meant for it.
func AnyBucket(_, _, _, account string) (string, error) { return account, nil }

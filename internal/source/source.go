// Package source opens a table wherever it lies: a file, an https server, or an object of S3, Google Cloud Storage or Azure Blob
// Storage. What it knows about credentials, signatures and queries of URLs never reaches an error or a String.
package source

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"slices"

	"exactmatch.dev/operator/internal/failure"
)

// Open checks the configuration and returns the source. It reads nothing of the table: whether it is there, Source.Open tells.
// The error is an *Error.
func Open(ctx context.Context, c Config) (Source, error) {
	u, err := parseURI(c.URI)
	if err != nil {
		return nil, err
	}
	open, known := openers[u.Scheme]
	scheme := u.Scheme
	if scheme == "http" {
		scheme = "https" // the same server, the guard decides
	}
	where := describe(u)
	switch {
	case !known:
		return nil, &Error{Reason: failure.SchemeNotAllowed, Source: where, Message: "the scheme is not supported: use file, https, s3, gs or azblob"}
	case !slices.Contains(c.Schemes, scheme):
		return nil, &Error{Reason: failure.SchemeNotAllowed, Source: where, Message: "add " + scheme + " to spec.allow.sourceSchemes of the upload agent"}
	case u.User != nil:
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the URI contains user info: put credentials into a Secret"}
	}
	return open(ctx, c, u)
}

var openers = map[string]func(context.Context, Config, *url.URL) (Source, error){
	"file":   openFile,
	"https":  openHTTP,
	"http":   openHTTP,
	"s3":     openS3,
	"gs":     openGS,
	"azblob": openAzure,
}

// Bytes is a source of content that is at hand already, such as the entry of a ConfigMap. b must not change afterwards.
func Bytes(name string, b []byte) Source { return &memory{name: name, content: b} }

type memory struct {
	name    string
	content []byte
}

func (m *memory) Name() string   { return baseName(m.name) }
func (m *memory) String() string { return m.name }

func (m *memory) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	n, err := span(m.name, int64(len(m.content)), offset, length)
	if err != nil {
		return nil, err
	}
	return newBody(ctx, io.NopCloser(bytes.NewReader(m.content[offset:offset+n])), m.name, n), nil
}

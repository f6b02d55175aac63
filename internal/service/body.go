package service

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"exactmatch.dev/operator/internal/edm"
)

// uncompressed is the body of a call as its caller meant it, bounded as it is then. Graph's
// clients compress theirs.
func uncompressed(r *http.Request) (io.ReadCloser, error) {
	encoding := strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ", "))
	switch strings.ToLower(encoding) {
	case "", "identity":
		return r.Body, nil
	case "gzip", "x-gzip":
		return http.MaxBytesReader(nil, &inflating{of: r.Body}, maxRequestBody), nil
	}
	f := fail(http.StatusUnsupportedMediaType, edm.CodeUnsupportedMedia, "Content-Encoding %q is not supported: send the body as it is, or compressed by gzip once", encoding)
	f.encodings = "gzip"
	return nil, f
}

// inflating reads a body that is compressed by gzip, as far as it is asked to.
type inflating struct {
	of  io.ReadCloser
	out *gzip.Reader
}

// notInflated says that a body is not what its encoding says.
type notInflated struct{ error }

func (i *inflating) Read(p []byte) (n int, err error) {
	if i.out == nil {
		if i.out, err = gzip.NewReader(i.of); err != nil {
			return 0, notInflatedBy(err)
		}
	}
	n, err = i.out.Read(p)
	return n, notInflatedBy(err)
}

// notInflatedBy tells what is wrong with the compression from the end of a body, and from
// one that is too long.
func notInflatedBy(err error) error {
	var tooLarge *http.MaxBytesError
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &tooLarge) {
		return err
	}
	return notInflated{err}
}

func (i *inflating) Close() error { return i.of.Close() }

// decode reads a request's JSON body, whole. What it cannot read of it, or does not know,
// is refused by its name.
func decode(r *http.Request, into any) error { return decodeAs(r, into, into) }

// decodeAs reads some properties of a resource, whose others may be sent too.
func decodeAs(r *http.Request, into, resource any) error {
	text, err := textOfBody(r)
	if err != nil {
		return err
	}
	if err := checkText(text, reflect.TypeOf(resource).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return badRequest("the body is not valid JSON for this call")
	}
	return nil
}

// decodeQuestions reads a body of questions, which is as long as a body may be, at once
// where nothing is wrong with it.
func decodeQuestions(r *http.Request, into any) error {
	text, err := textOfBody(r)
	if err != nil {
		return err
	}
	known := json.NewDecoder(bytes.NewReader(text))
	known.DisallowUnknownFields()
	if known.Decode(into) == nil {
		if _, err := known.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	reflect.ValueOf(into).Elem().SetZero()
	r.Body = io.NopCloser(bytes.NewReader(text))
	return decode(r, into)
}

func textOfBody(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	var damaged notInflated
	switch {
	case errors.As(err, &tooLarge):
		return nil, fail(http.StatusRequestEntityTooLarge, edm.CodeTooLarge, "the body exceeds %d bytes, which is counted before it is compressed", maxRequestBody)
	case errors.As(err, &damaged):
		return nil, badRequest("the body is not compressed by gzip, as Content-Encoding says, or is not whole")
	case err != nil:
		return nil, badRequest("the body is incomplete")
	}
	return text, nil
}

// Package openapitest holds what a service takes and answers against an OpenAPI document.
package openapitest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	"github.com/pb33f/libopenapi-validator/errors"
)

// Document validates exchanges.
type Document struct {
	requests, answers validator.Validator
	operations        *http.ServeMux
}

// ofEveryAnswer are headers of HTTP itself, which no answer declares.
var ofEveryAnswer = []string{"Content-Type", "Content-Length", "Connection", "Date", "Accept-Ranges", "X-Content-Type-Options"}

// Read reads a document of OpenAPI 3.1, which must be valid.
func Read(text []byte) (*Document, error) {
	var of struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return nil, err
	}
	text, err := withElsewhere(text)
	if err != nil {
		return nil, err
	}
	d := &Document{operations: http.NewServeMux()}
	for path, methods := range of.Paths {
		for method := range methods {
			if IsMethod(method) {
				d.operations.Handle(strings.ToUpper(method)+" "+path, http.NotFoundHandler())
			}
		}
	}
	if d.requests, err = read(text); err != nil {
		return nil, err
	}
	// What is not declared is refused in answers, whose readers would not know it. The library's
	// strict mode does so for headers; it does not see what stands beside a reference.
	shut, err := closed(text)
	if err != nil {
		return nil, err
	}
	d.answers, err = read(shut, config.WithStrictMode(), config.WithStrictIgnorePaths("$.body**"), config.WithStrictIgnoredHeaders(ofEveryAnswer...))
	return d, err
}

func read(text []byte, options ...config.Option) (validator.Validator, error) {
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	options = append(options, config.WithFormatAssertions(), config.WithBodyDecoder("application/xml", content.DecoderFunc(decodeXML)))
	v, failed := validator.NewValidator(document, options...)
	if len(failed) > 0 {
		return nil, fmt.Errorf("the document cannot be used: %v", failed)
	}
	if fits, faults := v.ValidateDocument(); !fits {
		return nil, fmt.Errorf("the document is not valid: %s", told(faults))
	}
	return v, nil
}

// IsMethod tells the operations of a path from what it has beside.
func IsMethod(name string) bool {
	return slices.Contains([]string{"get", "head", "put", "post", "patch", "delete"}, name)
}

// Exchange is a request and its answer, with whole bodies.
type Exchange struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	Status int
	Answer http.Header
	Said   []byte
}

// number ends the paths of how many items a collection has.
const number = "/$count"

// Operation is what the document has for a request, such as "GET /readyz", "" for
// nothing.
func (d *Document) Operation(e *Exchange) string {
	if strings.HasSuffix(e.URL.Path, number) && e.Method != http.MethodGet && e.Method != http.MethodHead {
		return "" // of the number, and not of an item
	}
	_, pattern := d.operations.Handler(&http.Request{Method: e.Method, URL: e.URL, Host: e.URL.Host})
	return pattern
}

// Faults are what the document does not say of an exchange, or says otherwise. A request
// that was refused may be wrong in any way; its answer may not.
func (d *Document) Faults(e *Exchange) []string {
	asked := e.Method
	e = d.placed(e)
	var faults []string
	if e.Status < http.StatusMultipleChoices {
		if fits, why := d.requests.ValidateHttpRequestSync(e.request()); !fits {
			faults = append(faults, "the request was taken, and the document refuses it: "+told(why))
		}
	}
	if asked == http.MethodHead && e.Method == http.MethodGet && len(e.Said) == 0 {
		return faults // the answer is that of GET without its body
	}
	if fits, why := d.answers.ValidateHttpResponse(e.request(), e.response()); !fits {
		faults = append(faults, fmt.Sprintf("the answer %d is not as the document says: %s", e.Status, told(why)))
	}
	return faults
}

// elsewhere is an operation in place of what a document does not list.
const elsewhere = "/elsewhere"

// withElsewhere makes the answers of each group in x-elsewhere those of an operation.
func withElsewhere(text []byte) ([]byte, error) {
	whole := map[string]any{}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	paths, is := whole["paths"].(map[string]any)
	if !is {
		return nil, fmt.Errorf("the document has no paths")
	}
	others, is := whole["x-elsewhere"].(map[string]any)
	if !is {
		return nil, fmt.Errorf("the document does not say what is answered elsewhere")
	}
	for name, answers := range others {
		paths[elsewhere+"/"+name] = map[string]any{"get": answers}
	}
	return json.Marshal(whole)
}

// placed is an exchange as that of the operation that it is judged by.
func (d *Document) placed(e *Exchange) *Exchange {
	operation := d.Operation(e)
	if operation != "" || e.Status == http.StatusMovedPermanently || e.Status == http.StatusTemporaryRedirect {
		at, address := *e, *e.URL
		at.Method, _, _ = strings.Cut(cmp.Or(operation, e.Method), " ") // GET for HEAD
		if at.URL = &address; strings.HasSuffix(address.Path, number) {
			address.RawPath = "" // escaped as in the document
		}
		return &at
	}
	at := *e
	at.Method, at.Body, at.URL = http.MethodGet, nil, &url.URL{Scheme: "http", Host: "service", Path: elsewhere + "/calls"}
	if strings.HasPrefix(e.URL.Path, "/upload/") {
		at.URL.Path = elsewhere + "/uploads"
	}
	return &at
}

// Code is what an answer has in "code" of its error, "" for none.
func (e *Exchange) Code() string {
	var said struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(e.Said, &said) == nil && said.Error.Code != "" {
		return said.Error.Code
	}
	return e.Answer.Get("X-Ms-Error-Code")
}

func (e *Exchange) request() *http.Request {
	header := e.Header.Clone()
	if len(e.Body) > 0 && header.Get("Content-Type") == "" { // the service does not ask for it
		header.Set("Content-Type", e.usualType())
	}
	body := e.Body
	if strings.HasSuffix(strings.ToLower(header.Get("Content-Encoding")), "gzip") { // which HTTP has, and not OpenAPI
		body = inflated(body)
	}
	return &http.Request{Method: e.Method, URL: e.URL, Host: e.URL.Host, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
}

func (e *Exchange) response() *http.Response {
	if e.Method == http.MethodHead { // the server sends none of what a handler writes
		return &http.Response{StatusCode: e.Status, Header: e.Answer, Body: http.NoBody}
	}
	return &http.Response{StatusCode: e.Status, Header: e.Answer, Body: io.NopCloser(bytes.NewReader(e.Said)), ContentLength: int64(len(e.Said))}
}

// usualType is what a body is of whose request does not say it.
func (e *Exchange) usualType() string {
	switch e.URL.Query().Get("comp") {
	case "block":
		return "application/octet-stream"
	case "blocklist":
		return "application/xml"
	}
	return "application/json"
}

// inflated is a body that was compressed by gzip, as far as it can be read.
func inflated(body []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return text
}

func told(faults []*errors.ValidationError) string {
	var all []string
	for _, one := range faults {
		all = append(all, one.Error())
	}
	return strings.Join(all, "; ")
}

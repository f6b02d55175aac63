package edmtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Stranger is an answer of a proxy, a captive portal or another API: of nobody
// who knows anything about what was asked.
type Stranger struct {
	Name   string // status and form
	Status int
	Type   string // Content-Type, "" for none
	Body   string
}

// strangersStatuses are what strangers answer with, the service's own success
// statuses among them.
var strangersStatuses = []int{
	200, 201, 202, 203, 204, 206, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
	418, 421, 422, 423, 425, 426, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507, 511, 520,
}

const odataBody = `{"error":{"code":"ResourceNotFound","message":"there is none"}}`

// strangersForms are their bodies. None is the service's own.
var strangersForms = []Stranger{
	{Name: "empty"},
	{Name: "empty JSON type", Type: "application/json"},
	{Name: "HTML", Type: "text/html; charset=utf-8", Body: "<!DOCTYPE html><html><body><h1>Sign in to go on</h1></body></html>"},
	{Name: "XHTML", Type: "application/xml", Body: `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>Sign in</body></html>`},
	{Name: "text", Type: "text/plain", Body: "404 page not found\n"},
	{Name: "JSON message", Type: "application/json", Body: `{"message":"no Route matched with those values"}`},
	{Name: "JSON error text", Type: "application/json", Body: `{"error":"not_found","error_description":"none"}`},
	{Name: "JSON error number", Type: "application/json", Body: `{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}`},
	{Name: "JSON problem", Type: "application/problem+json", Body: `{"type":"about:blank","title":"Not Found","status":404}`},
	{Name: "JSON Status", Type: "application/json", Body: `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`},
	{Name: "JSON other resource", Type: "application/json", Body: `{"id":"theirs","name":"of another API"}`},
	{Name: "JSON list", Type: "application/json", Body: `[]`},
	{Name: "JSON null", Type: "application/json", Body: `null`},
	{Name: "JSON object", Type: "application/json", Body: `{}`},
	{Name: "JSON empty value", Type: "application/json", Body: `{"value":[]}`},
	{Name: "JSON null value", Type: "application/json", Body: `{"value":null}`},
	{Name: "OData without code", Type: "application/json", Body: `{"error":{"code":"","message":"there is none"}}`},
	{Name: "OData without message", Type: "application/json", Body: `{"error":{"code":"UnknownError","message":""}}`},
	{Name: "OData as HTML", Type: "text/html", Body: odataBody},
	{Name: "OData without type", Body: odataBody},
	{Name: "OData cut off", Type: "application/json", Body: odataBody[:len(odataBody)-7]},
	{Name: "OData and more", Type: "application/json", Body: odataBody + odataBody},
	{Name: "S3 error", Type: "application/xml", Body: `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>none</Message><RequestId>1</RequestId></Error>`},
	{Name: "empty XML", Type: "application/xml", Body: `<?xml version="1.0"?><BlockList/>`},
	{Name: "huge", Type: "application/json", Body: `{"error":{"code":"ResourceNotFound","message":"` + strings.Repeat("x", 9<<20) + `"}}`},
}

// Strangers are the answers of strangers: every status in every form, the huge one
// with two of them.
func Strangers() []Stranger {
	all := make([]Stranger, 0, len(strangersStatuses)*len(strangersForms))
	for _, status := range strangersStatuses {
		for _, form := range strangersForms {
			if len(form.Body) > 1<<20 && status != http.StatusOK && status != http.StatusNotFound {
				continue // reading it takes time, and shows nothing more
			}
			form.Status = status
			form.Name = fmt.Sprintf("%d %s", status, form.Name)
			all = append(all, form)
		}
	}
	return all
}

func (s Stranger) header() http.Header {
	header := http.Header{"Server": {"a proxy"}}
	if s.Type != "" {
		header.Set("Content-Type", s.Type)
	}
	switch s.Status {
	case http.StatusUnauthorized:
		header.Set("Www-Authenticate", `Bearer realm="the proxy's"`)
	case http.StatusProxyAuthRequired:
		header.Set("Proxy-Authenticate", `Basic realm="the proxy's"`)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		header.Set("Location", "https://portal.example/login")
	}
	return header
}

// RoundTrip implements http.RoundTripper: every request is answered by the stranger.
func (s Stranger) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: s.Status, Status: fmt.Sprintf("%d %s", s.Status, http.StatusText(s.Status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header(), Body: io.NopCloser(strings.NewReader(s.Body)), ContentLength: int64(len(s.Body)), Request: r,
	}, nil
}

// ServeHTTP implements http.Handler.
func (s Stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, values := range s.header() {
		w.Header()[name] = values
	}
	if s.Type == "" {
		w.Header()["Content-Type"] = nil // else net/http guesses one
	}
	w.WriteHeader(s.Status)
	_, _ = io.WriteString(w, s.Body) // some statuses have no body
}

package source

import (
	"net/http"
	"strings"

	"exactmatch.dev/operator/internal/failure"
)

// strict stands between a client of an object store and the network. The clients trust their services; an endpoint that a Secret names
// may be anything. What they would take for the wanted part of an object, or stumble over, is refused here.
type strict struct {
	base  http.RoundTripper
	where string
}

// strictClient is the guarded client of c with the checks in front.
func strictClient(c Config, where string) *http.Client {
	client := c.Guard.HTTPClient()
	client.Transport = &strict{base: client.Transport, where: where}
	return client
}

// RoundTrip implements http.RoundTripper.
func (s *strict) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.base.RoundTrip(withoutReuse(req))
	if err != nil {
		return nil, err
	}
	if what := fault(req, resp); what != "" {
		_ = resp.Body.Close()
		return nil, &Error{Reason: failure.SourceInvalid, Source: s.where, Message: what}
	}
	return resp, nil
}

// withoutReuse returns a request whose connection is closed after its answer. Surplus bytes on an idle connection are written to the
// standard logger by net/http, and here they may be rows of a table. A table takes few requests, and these are large.
func withoutReuse(req *http.Request) *http.Request {
	req = req.WithContext(req.Context()) // a RoundTripper must not change what it is given
	req.Close = true
	return req
}

func fault(req *http.Request, resp *http.Response) string {
	if resp.StatusCode >= 300 {
		return ""
	}
	asked, azure := sent(req, "x-ms-range"), sent(req, "x-ms-version") != ""
	if asked == "" {
		asked = sent(req, "Range")
	}
	if azure && resp.Header.Get("Last-Modified") == "" {
		return "the server does not respond like Azure Blob Storage: check the endpoint"
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(asked, "bytes="), "-")
	switch {
	case asked == "" || first == "0" && resp.StatusCode == http.StatusOK:
		return ""
	case resp.StatusCode != http.StatusPartialContent || !strings.HasPrefix(resp.Header.Get("Content-Range"), "bytes "+first+"-"):
		return "the server sends another range than was requested"
	}
	return ""
}

// sent returns a header of a request in whatever letter case a client has put it there.
func sent(req *http.Request, name string) string {
	for key, values := range req.Header {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

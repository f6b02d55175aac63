// Package rest speaks the contract of package edm over HTTP, as Microsoft Graph
// beta and the self-hosted service have it.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
)

const (
	maxBody    = 8 << 20
	maxError   = 256 << 10 // of an answer that is no success
	maxItems   = 10_000
	maxPages   = 1_000
	retries    = 3
	firstDelay = 200 * time.Millisecond
)

// Options of a client. Token is nil where the service asks for none.
type Options struct {
	// Endpoint up to and without /dataClassification.
	Endpoint string
	Token    TokenSource
	HTTP     *http.Client
	// Pace is shared by the clients of one endpoint and tenant; nil is Unpaced.
	Pace *Pace
}

// Client is an edm.Service over HTTP. It is safe for concurrent use. A
// Retry-After of one answer holds back every call of its Pace.
type Client struct {
	base  *url.URL
	o     Options
	sleep func(context.Context, time.Duration) error
}

var _ edm.Service = (*Client)(nil)

// New makes a client. It fails where the endpoint is no http or https URL.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(o.Endpoint, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("spec.endpoint must be an http or https URL without user info and query")
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Pace == nil {
		o.Pace = Unpaced()
	}
	return &Client{base: base, o: o, sleep: sleep}, nil
}

// call is one request of the contract.
type call struct {
	op        string
	method    string
	path      []string // below /dataClassification, not escaped
	query     url.Values
	body, out any
	requestID string
	ifMatch   string      // If-Match, "" for none
	once      bool        // never sent twice: create, commit and cancel
	status    int         // of a success; 0 is 200
	asked     func() bool // reports whether out is what was asked for; nil where anything is
	secrets   []string    // of the body: what a refusal may repeat
	none      func() bool // reports whether out says that there is nothing; nil where it always says something
}

// do sends a call, repeats what may be repeated, and decodes the answer.
func (c *Client) do(ctx context.Context, k call) (http.Header, error) {
	if k.requestID == "" {
		k.requestID = uuid.NewString()
	}
	for attempt := 0; ; attempt++ {
		header, err := c.try(ctx, k)
		if err == nil || k.once || attempt == retries || !worthwhile(err) || ctx.Err() != nil {
			return header, err
		}
		if err := c.sleep(ctx, delay(attempt)); err != nil {
			return nil, err
		}
	}
}

// worthwhile reports whether a repetition within the call can help. A wait that
// the service asked for is left to the caller, who can do something else.
func worthwhile(err error) bool {
	var e *edm.Error
	return errors.As(err, &e) && e.Class == edm.Transient && e.RetryAfter == 0 && e.Status != http.StatusTooManyRequests
}

// delay doubles, with jitter between half and the whole of it.
func delay(attempt int) time.Duration {
	whole := firstDelay << attempt
	return whole/2 + rand.N(whole/2) //nolint:gosec // jitter
}

// try sends a call once.
func (c *Client) try(ctx context.Context, k call) (http.Header, error) {
	turn, err := c.o.Pace.admit(ctx, k, c.sleep)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	var sent atomic.Bool
	request, err := c.request(ctx, k, &sent)
	if err != nil {
		return nil, err
	}
	response, err := c.o.HTTP.Do(request)
	if err != nil {
		return nil, unanswered(k, sent.Load(), err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostOf(response)+1))
	if err != nil {
		return nil, unanswered(k, true, err)
	}
	e := c.answer(k, response, body)
	turn.answered(e)
	if e != nil {
		return response.Header, e
	}
	return response.Header, nil
}

// mostOf is how many bytes of an answer are read.
func mostOf(response *http.Response) int64 {
	if isSuccess(response) {
		return maxBody
	}
	return maxError
}

func isSuccess(response *http.Response) bool { return response.StatusCode/100 == 2 }

// answer decodes a success or turns anything else into an *edm.Error.
func (c *Client) answer(k call, response *http.Response, body []byte) *edm.Error {
	if !isSuccess(response) {
		return errorOf(k, response, body)
	}
	if what := notOurs(k, response, body); what != "" {
		return malformed(k, response.StatusCode, what+"; "+checkEndpoint)
	}
	return nil
}

// notOurs decodes a success, and says why it is not the service's, "" where it is.
// One that says nothing, a 204 or an empty list, must carry the service's mark:
// anybody can say nothing.
func notOurs(k call, response *http.Response, body []byte) string {
	switch {
	case response.StatusCode != cmp.Or(k.status, http.StatusOK):
		return fmt.Sprintf("the response is not the %d of this call", cmp.Or(k.status, http.StatusOK))
	case k.out == nil && !isMarked(k, response.Header):
		return "the response has no request-id"
	case k.out == nil:
		return ""
	case len(body) > maxBody:
		return "the answer is too large"
	case !isJSON(response.Header) || decode(body, k.out) != nil:
		return "the response is not the JSON of this API"
	case k.asked != nil && !k.asked():
		return "the response is not what was requested"
	case k.none != nil && k.none() && !isMarked(k, response.Header):
		return "the response is empty and has no request-id"
	}
	return ""
}

// decode reads JSON into what an earlier try may have filled.
func decode(body []byte, into any) error {
	reflect.ValueOf(into).Elem().SetZero()
	return json.Unmarshal(body, into)
}

// isMarked reports whether an answer carries what the service puts on each.
func isMarked(k call, header http.Header) bool {
	return header.Get("request-id") != "" || header.Get("client-request-id") == k.requestID
}

// request builds the HTTP request. sent becomes true once it was written.
func (c *Client) request(ctx context.Context, k call, sent *atomic.Bool) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		text, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.op, err)
		}
		body = bytes.NewReader(text)
	}
	target := c.base.JoinPath(append([]string{"dataClassification"}, escaped(k.path)...)...)
	target.RawQuery = strings.ReplaceAll(k.query.Encode(), "+", "%20")
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, k.method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s: the request cannot be built", k.op)
	}
	if k.once {
		request.GetBody = nil // the transport must not repeat it on another connection
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("client-request-id", k.requestID)
	request.Header.Set("User-Agent", "exactmatch-operator")
	if k.ifMatch != "" {
		request.Header.Set("If-Match", k.ifMatch)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.o.Token == nil {
		return request, nil
	}
	token, err := c.o.Token.Token(ctx)
	if err != nil {
		return nil, tokenError(k, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return request, nil
}

func escaped(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = url.PathEscape(p)
	}
	return out
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

package faults_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fault is one way in which a call goes wrong. It meets times calls, then it has
// passed; 0 means one. arrange changes what is not a call.
type fault struct {
	name    string
	times   int
	spoil   func(*faultProxy, http.ResponseWriter, *call)
	arrange func(*testEnv)
	// ends: the session ends with a reason, and a restart is needed.
	ends string
}

// answers refuses a call without an effect.
func answers(status int, code, retryAfter string) func(*faultProxy, http.ResponseWriter, *call) {
	return func(_ *faultProxy, w http.ResponseWriter, c *call) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		if c.isBlob() {
			w.Header().Set("x-ms-error-code", code)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>spoilt</Message></Error>", code)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"spoilt"}}`, code)
	}
}

func page(status int) func(*faultProxy, http.ResponseWriter, *call) {
	return func(_ *faultProxy, w http.ResponseWriter, _ *call) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html><body>A proxy's page with a secret-looking string: sig=do-not-show</body></html>"))
	}
}

// statuses are the answers of a service or a proxy that has trouble.
var statuses = []fault{
	{name: "408", times: 2, spoil: answers(408, "RequestTimeout", "")},
	{name: "409", times: 2, spoil: answers(409, "Conflict", "")},
	{name: "423", times: 2, spoil: answers(423, "Locked", "")},
	{name: "425", times: 2, spoil: answers(425, "TooEarly", "")},
	{name: "429", times: 2, spoil: answers(429, "TooManyRequests", "")},
	{name: "429-retry-after", times: 1, spoil: answers(429, "TooManyRequests", "1")},
	{name: "500", times: 2, spoil: answers(500, "InternalServerError", "")},
	{name: "502", times: 2, spoil: answers(502, "BadGateway", "")},
	{name: "503", times: 2, spoil: answers(503, "ServiceUnavailable", "")},
	{name: "503-retry-after", times: 1, spoil: answers(503, "ServiceUnavailable", "1")},
	{name: "504", times: 2, spoil: answers(504, "GatewayTimeout", "")},
}

// Faults of the connection.
var (
	resetBefore = fault{name: "reset", times: 2, spoil: func(_ *faultProxy, w http.ResponseWriter, _ *call) {
		panic(http.ErrAbortHandler)
	}}
	resetInHead = fault{name: "reset-in-head", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) { reset(w, f.effect(c), 9) }}
	resetInBody = fault{name: "reset-in-body", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		reset(w, reply, 300+reply.Body.Len()/2)
	}}
	replyLost = fault{name: "reply-lost", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.effect(c)
		panic(http.ErrAbortHandler)
	}}
	slow = fault{name: "slow", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		body := f.rewritten(reply.Body.Bytes())
		for name, values := range reply.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(reply.Code)
		for len(body) > 0 {
			n := min(len(body), max(len(reply.Body.Bytes())/10, 1))
			_, _ = w.Write(body[:n])
			w.(http.Flusher).Flush()
			body = body[n:]
			pause(c, 15*time.Millisecond)
		}
	}}
	stalled = fault{name: "stalled", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		w.Header().Set("Content-Length", strconv.Itoa(reply.Body.Len()+100))
		w.WriteHeader(max(reply.Code, http.StatusOK))
		_, _ = w.Write(reply.Body.Bytes()[:reply.Body.Len()/2])
		w.(http.Flusher).Flush()
		pause(c, 5*time.Second) // the caller gives up before
		panic(http.ErrAbortHandler)
	}}
	unanswered = fault{name: "unanswered", spoil: func(_ *faultProxy, w http.ResponseWriter, c *call) {
		pause(c, 5*time.Second)
		panic(http.ErrAbortHandler)
	}}
)

// Faults of the request on its way.
var (
	requestCut = fault{name: "request-cut", times: 2, spoil: func(f *faultProxy, _ http.ResponseWriter, c *call) {
		f.effectOf(c, io.MultiReader(bytes.NewReader(c.body[:len(c.body)/2]), broken{}))
		panic(http.ErrAbortHandler)
	}}
	requestSlow = fault{name: "request-slow", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.deliver(w, c, f.effectOf(c, &drip{c: c, rest: c.body}))
	}}
	requestStalled = fault{name: "request-stalled", spoil: func(f *faultProxy, _ http.ResponseWriter, c *call) {
		f.effectOf(c, io.MultiReader(bytes.NewReader(c.body[:len(c.body)/2]), stall{c}, broken{}))
		panic(http.ErrAbortHandler)
	}}
)

// broken is a connection that ends before the body does.
type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// stall is a body of which nothing more comes until the caller gives up.
type stall struct{ c *call }

// Read implements io.Reader.
func (s stall) Read([]byte) (int, error) {
	pause(s.c, 5*time.Second)
	return 0, io.EOF
}

// drip is a body that comes in ten pieces.
type drip struct {
	c    *call
	rest []byte
}

// Read implements io.Reader.
func (d *drip) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	pause(d.c, 15*time.Millisecond)
	n := copy(p, d.rest[:min(len(d.rest), max(len(d.c.body)/10, 1))])
	d.rest = d.rest[n:]
	return n, nil
}

// pause waits, or until the caller is gone.
func pause(c *call, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Context().Done():
	}
}

// Faults of the answer.
var (
	html      = fault{name: "html", times: 2, spoil: page(http.StatusOK)}
	html502   = fault{name: "html-502", times: 2, spoil: page(http.StatusBadGateway)}
	truncated = fault{name: "truncated", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(reply.Code)
		_, _ = w.Write(reply.Body.Bytes()[:reply.Body.Len()/2])
	}}
	empty = fault{name: "empty-object", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(reply.Code)
		_, _ = w.Write([]byte("{}"))
	}}
)

// edited changes the text of an answer.
func edited(name string, times int, edit func(string) string) fault {
	return fault{name: name, times: times, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		reply := f.effect(c)
		text := edit(reply.Body.String())
		reply.Body = bytes.NewBufferString(text)
		f.deliver(w, c, reply)
	}}
}

// valueOf replaces the value of a property in JSON text.
func valueOf(text, property, value string) string {
	name := `"` + property + `":`
	before, after, found := strings.Cut(text, name)
	if !found {
		return text
	}
	end := strings.IndexAny(after, ",}")
	return before + name + value + after[end:]
}

// Faults of what the service says of a session.
var (
	unknownState = edited("unknown-state", 3, func(s string) string { return valueOf(s, "state", `"Paused"`) })
	countersUp   = edited("counters-up", 3, func(s string) string {
		if strings.Contains(s, `"state":"Completed"`) {
			return s // nothing reads it again
		}
		return valueOf(valueOf(s, "remainingBlockCount", "4711"), "remainingJobCount", "4711")
	})
	newHost = fault{name: "new-host", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.mu.Lock()
		f.moved = true
		f.mu.Unlock()
		f.pass(w, c)
	}}
)

// forgotten lets the service lose the session just before the call.
func forgotten(ends string) fault {
	return fault{name: "forgotten", ends: ends, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		id := c.sessionID()
		if c.isBlob() {
			id = strings.TrimPrefix(c.URL.Path, "/upload/")
		}
		f.deleteSession(id)
		f.pass(w, c)
	}}
}

// Faults of the blocks.
var (
	corrupted = fault{name: "corrupted", times: 2, spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		c.body[len(c.body)/2] ^= 0x10
		f.pass(w, c)
	}}
	revoked = fault{name: "signature-revoked", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.mu.Lock()
		f.revoked[c.URL.Query().Get("sig")] = true
		f.mu.Unlock()
		answers(http.StatusForbidden, "AuthenticationFailed", "")(f, w, c)
	}}
	expired = fault{name: "signature-expired", spoil: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.clock(4*time.Hour + time.Minute)
		f.pass(w, c)
	}}
)

// Clocks of the service that differ from the manager's.
var skews = []fault{
	{name: "clock-behind", arrange: func(w *testEnv) { w.skew = -10 * time.Minute }},
	{name: "clock-ahead", arrange: func(w *testEnv) { w.skew = 10 * time.Minute }},
}

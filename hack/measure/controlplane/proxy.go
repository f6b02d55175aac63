package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// countingProxy stands before the service and counts what managers call. It also
// simulates the time that indexing takes: a session whose file name is held is shown
// as being indexed, with numbers that change at every look.
type countingProxy struct {
	*httputil.ReverseProxy
	held func(fileName string) bool

	mu    sync.Mutex
	calls []call
	names map[string]string // file names by remote id
}

// call is one answer to a manager.
type call struct {
	At       time.Time
	Kind     string // method and route
	FileName string // of the session that it is about, "" where it is about none
}

func newProxy(service *url.URL, held func(fileName string) bool) *countingProxy {
	p := &countingProxy{held: held, names: map[string]string{}}
	p.ReverseProxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(service)
			r.Out.Host = r.In.Host // upload URIs lead through the proxy too
		},
		ModifyResponse: p.see,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return p
}

// kindOf is the method and the route of a request.
func kindOf(method, path string) (kind, id string) {
	_, rest, found := strings.Cut(path, "/dataClassification/")
	if !found {
		return method + " block", ""
	}
	words := strings.Split(strings.Trim(rest, "/"), "/")
	for i := 1; i < len(words); i += 2 {
		id, words[i] = words[i], "{id}"
	}
	if len(words) < 4 || words[2] != "sessions" {
		id = ""
	}
	return method + " " + strings.Join(words, "/"), id
}

// see counts an answer and shows a held session as being indexed.
func (p *countingProxy) see(r *http.Response) error {
	at := time.Now()
	kind, id := kindOf(r.Request.Method, r.Request.URL.Path)
	opened := kind == http.MethodPost+" exactMatchDataStores/{id}/sessions" && r.StatusCode == http.StatusCreated
	looked := kind == getSession && r.StatusCode == http.StatusOK
	var body []byte
	if opened || looked {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if opened {
		made := edm.Session{}
		if err := json.Unmarshal(body, &made); err != nil {
			return err
		}
		id = made.ID
		p.mu.Lock()
		p.names[made.ID] = made.FileName
		p.mu.Unlock()
	}
	p.mu.Lock()
	name := p.names[id]
	p.calls = append(p.calls, call{At: at, Kind: kind, FileName: name})
	p.mu.Unlock()
	if looked && p.held(name) {
		return stillIndexing(r, body, at)
	}
	return nil
}

// stillIndexing rewrites an answer. Its times change at every look, so that every
// look brings something to write.
func stillIndexing(r *http.Response, body []byte, now time.Time) error {
	shown := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&shown); err != nil {
		return err
	}
	if state := fmt.Sprint(shown["state"]); !edm.State(state).Committed() {
		return nil
	}
	shown["state"], shown["remainingJobCount"], shown["lastUpdatedDateTime"] = edm.StateProcessingInProgress, 1, now.UTC()
	delete(shown, "completionDateTime")
	delete(shown, "processingCompletionDateTime")
	text, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", fmt.Sprint(len(text)))
	return nil
}

// getStore and getSession are the kinds of looks.
const (
	getStore   = http.MethodGet + " exactMatchDataStores/{id}"
	getSession = http.MethodGet + " exactMatchDataStores/{id}/sessions/{id}"
)

// since are the calls from a time on.
func (p *countingProxy) since(from time.Time) []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := len(p.calls)
	for at > 0 && !p.calls[at-1].At.Before(from) {
		at--
	}
	return append([]call(nil), p.calls[at:]...)
}

// remember names a remote session that was not opened through the proxy.
func (p *countingProxy) remember(names map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.names, names)
}

// byKind counts calls.
func byKind(calls []call) map[string]int {
	count := map[string]int{}
	for _, c := range calls {
		count[c.Kind]++
	}
	return count
}

// about counts the calls about sessions, by file name.
func about(calls []call, kind string) map[string]int {
	count := map[string]int{}
	for _, c := range calls {
		if c.FileName != "" && (kind == "" || c.Kind == kind) {
			count[c.FileName]++
		}
	}
	return count
}

package service

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// methodsOf are the methods of each path, as Allow has them.
func methodsOf(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, route := range theRoutes(t) {
		method, path, _ := strings.Cut(route, " ")
		out[path] = append(out[path], method)
		if method == http.MethodGet {
			out[path] = append(out[path], http.MethodHead)
		}
	}
	for _, methods := range out {
		slices.Sort(methods)
	}
	return out
}

var everyMethod = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "COPY"}

// A path that is known says which methods it takes, to those who may call it.
func TestOtherMethods(t *testing.T) {
	c := withCallers(t)
	tried := 0
	for path, methods := range methodsOf(t) {
		for _, method := range everyMethod {
			if slices.Contains(methods, method) || method == "COPY" && strings.HasSuffix(path, "/$count") { // the mux takes it for an item
				continue
			}
			tried++
			_, at := pathOf(method + " " + path)
			w := c.ask(method, at, "Bearer "+tokenOf("all"), "{}")
			if code, message := refusal(t, w); w.Code != http.StatusMethodNotAllowed || code != edm.CodeMethodNotAllowed || !strings.Contains(message, method) {
				t.Errorf("%s %s: %d %s %s", method, path, w.Code, code, message)
			}
			if allow := w.Header().Get("Allow"); allow != strings.Join(methods, ", ") {
				t.Errorf("%s %s: Allow is %q, want %v", method, path, allow, methods)
			}
			for header, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + tokenOf("nobody"): http.StatusForbidden} {
				if w := c.ask(method, at, header, "{}"); w.Code != want || w.Header().Get("Allow") != "" {
					t.Errorf("%s %s by %q: %d, Allow %q", method, path, header, w.Code, w.Header().Get("Allow"))
				}
			}
		}
	}
	if c.changed() || tried < 50 {
		t.Errorf("a record was changed: %t, by %d calls", c.changed(), tried)
	}
	if w := c.ask(http.MethodPut, "/exactMatchUploadAgents/agent", "Bearer "+tokenOf("r"), "{}"); w.Code != http.StatusForbidden {
		t.Errorf("one who may make no call of the path is answered %d", w.Code)
	}
	w := c.ask(http.MethodPut, "/exactMatchDataStores/live/sessions", "Bearer "+tokenOf("r"), "{}")
	if _, message := refusal(t, w); !strings.Contains(message, "one of the roles uploader, admin, and") {
		t.Errorf("the roles are told as %q", message)
	}
	if audited := c.lines("audit"); len(audited) > 0 {
		t.Errorf("what can change nothing is audited: %v", audited)
	}
}

// The answer does not depend on what is there.
func TestOtherMethodsReadNothing(t *testing.T) {
	s := newShared(t, Config{})
	own, other := s.have[sharers[0]], s.have[sharers[1]]
	for path := range methodsOf(t) {
		seen := map[string]bool{}
		for _, at := range []target{{own.store, own.open}, {other.store, other.open}, {"absent", "absent"}} {
			w := s.as(sharers[0], http.MethodPut, at.path("PUT "+path), "{}")
			seen[answerOf(w, at)] = true
		}
		if len(seen) != 1 {
			t.Errorf("PUT %s is answered in %d ways: %v", path, len(seen), seen)
		}
	}
}

// HEAD is GET without the body: the same status and headers, the length among them.
func TestHeadIsGetWithoutTheBody(t *testing.T) {
	h := newHarness(t)
	h.must(h.records.Of("").Update(t.Context(), func(tx records.Tx) error {
		for n := range 100 { // an answer that is longer than a server's buffer
			if err := tx.Agents().Put(&edm.UploadAgent{ID: fmt.Sprint("agent-", n), Description: strings.Repeat("x", 100)}); err != nil {
				return err
			}
		}
		return nil
	}))
	server := httptest.NewServer(h)
	defer server.Close()
	send := func(method, path string) (*http.Response, int) {
		r, err := http.NewRequest(method, server.URL+path, nil)
		h.must(err)
		r.Header.Set("Authorization", "Bearer "+fuzzToken)
		r.Header.Set("client-request-id", "mine")
		answer, err := server.Client().Do(r)
		h.must(err)
		body, err := io.ReadAll(answer.Body)
		h.must(err)
		h.must(answer.Body.Close())
		return answer, len(body)
	}
	paths := []string{"/healthz", "/readyz", base + "/exactMatchDataStores/absent", base + "/exactMatchDataStores?$bogus=1"}
	for path, methods := range methodsOf(t) {
		if slices.Contains(methods, http.MethodGet) {
			_, at := pathOf("GET " + path)
			paths = append(paths, base+at)
		}
	}
	for _, path := range paths {
		get, length := send(http.MethodGet, path)
		head, none := send(http.MethodHead, path)
		for _, header := range []http.Header{get.Header, head.Header} {
			header.Del("Date")
			header.Del("request-id")
		}
		if get.StatusCode != head.StatusCode || fmt.Sprint(get.Header) != fmt.Sprint(head.Header) || none != 0 {
			t.Errorf("HEAD %s: %d %v, %d bytes; GET: %d %v", path, head.StatusCode, head.Header, none, get.StatusCode, get.Header)
		}
		if got := head.Header.Get("Content-Length"); got != fmt.Sprint(length) {
			t.Errorf("HEAD %s: the length is %q, and GET has %d bytes", path, got, length)
		}
	}
	if len(paths) < 11 {
		t.Errorf("%d paths have GET", len(paths))
	}
}

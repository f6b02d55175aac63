package service

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/block"
)

// callLines wants that each line which is written during a call says which call that is,
// and whose. Nothing works in the background.
type callLines struct {
	t     *testing.T
	attrs []slog.Attr
	now   *callNow
}

type callNow struct {
	mu             sync.Mutex
	request, names string
	lines          []string
}

func (l *callLines) Enabled(context.Context, slog.Level) bool { return true }
func (l *callLines) WithGroup(string) slog.Handler            { return l }
func (l *callLines) WithAttrs(more []slog.Attr) slog.Handler {
	return &callLines{l.t, slices.Concat(l.attrs, more), l.now}
}

func (l *callLines) Handle(_ context.Context, r slog.Record) error {
	attrs, times := map[string]string{}, map[string]int{}
	note := func(a slog.Attr) bool {
		attrs[a.Key], times[a.Key] = a.Value.String(), times[a.Key]+1
		return true
	}
	for _, a := range l.attrs {
		note(a)
	}
	r.Attrs(note)
	l.now.mu.Lock()
	defer l.now.mu.Unlock()
	if l.now.request == "" {
		return nil
	}
	l.now.lines = append(l.now.lines, r.Message)
	if attrs["request"] != l.now.request || attrs["request-id"] == "" {
		l.t.Errorf("%s: the line %q %v does not name the call", l.now.request, r.Message, attrs)
	}
	for name := range strings.FieldsSeq(l.now.names) {
		if attrs[name] != "prod/hr" {
			l.t.Errorf("%s: the line %q %v does not say the %s", l.now.request, r.Message, attrs, name)
		}
	}
	for key, n := range times {
		if n > 1 {
			l.t.Errorf("%s: the line %q says %s %d times", l.now.request, r.Message, key, n)
		}
	}
	return nil
}

// during sends a call, and returns what was written meanwhile. names are what each line
// says beside the call.
func (l *callLines) during(s *shared, r *http.Request, names string) []string {
	l.now.mu.Lock()
	l.now.request, l.now.names, l.now.lines = r.Header.Get("client-request-id")+r.Header.Get("x-ms-client-request-id"), names, nil
	l.now.mu.Unlock()
	s.answer(r)
	l.now.mu.Lock()
	defer l.now.mu.Unlock()
	l.now.request = ""
	return l.now.lines
}

// Every line that is written during a call has the names of the call, its caller and the
// tenant; of an upload the tenant, for it has no caller.
func TestLinesOfACallNameIt(t *testing.T) {
	log := &callLines{t: t, now: &callNow{}}
	s := newShared(t, Config{Log: slog.New(log), RollbackRetention: 1 << 40})
	const tenant = "prod/hr"
	h := s.have[tenant]
	store := "/exactMatchDataStores/" + h.store
	n := 0
	writes := func(message, method, path, body string) {
		t.Helper()
		n++
		r := s.request(tenant, method, path, body)
		r.Header.Set("client-request-id", fmt.Sprintf("call-%d", n))
		if lines := log.during(s, r, "caller tenant"); !slices.Contains(lines, message) {
			t.Errorf("%s %s writes %q, want a line %q", method, path, lines, message)
		}
	}
	uploads := func(message, method, uri string, body []byte) {
		t.Helper()
		n++
		r := httptest.NewRequest(method, uri, strings.NewReader(string(body)))
		r.Header.Set("x-ms-client-request-id", fmt.Sprintf("call-%d", n))
		names := "tenant"
		if strings.Contains(uri, "sig=x") {
			names = "" // nobody's
		}
		if lines := log.during(s, r, names); !slices.Contains(lines, message) {
			t.Errorf("%s to an upload URI writes %q, want a line %q", method, lines, message)
		}
	}
	writes("call", http.MethodGet, store, "")
	writes("call", http.MethodGet, "/nowhere", "")
	writes("audit", http.MethodPatch, store, `{"description":"ours"}`)
	writes("call", http.MethodPost, store+"/match", match)
	writes("call", http.MethodPost, store+"/match", "{")
	staged := blockOf(h.uri, block.ID(0, block.Sum(s.data[0])))
	uploads("block staged", http.MethodPut, staged, s.data[0])
	uploads("call", http.MethodPut, staged, s.data[1])
	uploads("call", http.MethodPut, strings.Replace(staged, "sig=", "sig=x", 1), s.data[0])
	s.space.Free = func() (int64, error) { return 0, nil }
	uploads("a block was refused", http.MethodPut, blockOf(h.uri, block.ID(1, block.Sum(s.data[1]))), s.data[1])
	writes("committed", http.MethodPost, store+"/sessions/"+h.sealed+"/commit", "")
	for len(s.jobs) > 0 {
		s.must(s.do(t.Context(), <-s.jobs))
	}
	s.must(os.Rename(filepath.Join(s.config.Dir, "tables", h.live), filepath.Join(s.config.Dir, "away")))
	writes("the previous table cannot be opened", http.MethodPost, store+"/rollback", "")
	s.must(os.Rename(filepath.Join(s.config.Dir, "away"), filepath.Join(s.config.Dir, "tables", h.live)))
	writes("rolled back", http.MethodPost, store+"/rollback", "")
	writes("the previous table was removed", http.MethodPost, store+"/purge", "")
	writes("cancelled", http.MethodPost, store+"/sessions/"+h.open+"/cancel", "")
	writes("data store deleted", http.MethodDelete, store, "")
}

package service

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lines is a log whose lines about a data store or a session must say the tenant.
type lines struct {
	t     *testing.T
	attrs []slog.Attr
	seen  *seen
}

// seen are the messages of such lines, by tenant.
type seen struct {
	mu sync.Mutex
	by map[string][]string
}

// filesOnly are lines of a start about files that no record needs, whose tenant may be
// gone as well.
var filesOnly = []string{"dropped the blocks of a session that has ended or is not known", "dropped a table that is neither live nor being indexed"}

func newLines(t *testing.T) *lines { return &lines{t: t, seen: &seen{by: map[string][]string{}}} }

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) WithAttrs(more []slog.Attr) slog.Handler {
	return &lines{l.t, slices.Concat(l.attrs, more), l.seen}
}

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	about, tenant, says := r.Message == "audit", "", false
	for _, a := range attrs {
		about = about || a.Key == "session" || a.Key == "store" || strings.Contains(a.Value.String(), "/sessions/")
		if a.Key == "tenant" {
			tenant, says = a.Value.String(), true
		}
	}
	if about && !says && r.Message != "call" && !slices.Contains(filesOnly, r.Message) {
		l.t.Errorf("the line %q %v does not say the tenant", r.Message, attrs)
	}
	l.seen.mu.Lock()
	defer l.seen.mu.Unlock()
	if about {
		l.seen.by[tenant] = append(l.seen.by[tenant], r.Message)
	}
	return nil
}

// Every line about a data store or a session says whose it is.
func TestLinesSayTheTenant(t *testing.T) {
	log := newLines(t)
	s := newShared(t, Config{Log: slog.New(log)})
	for _, tenant := range sharers {
		for _, message := range []string{"block staged", "audit", "committed", "indexing job done", "live"} {
			if !slices.Contains(log.seen.by[tenant], message) {
				t.Errorf("no line %q says the tenant %q", message, tenant)
			}
		}
	}
	for _, tenant := range sharers {
		h := s.have[tenant]
		s.as(tenant, "POST", "/exactMatchDataStores/"+h.store+"/sessions/"+h.open+"/cancel", "")
		s.as(tenant, "DELETE", "/exactMatchDataStores/"+h.store, "")
		if !slices.Contains(log.seen.by[tenant], "cancelled") || !slices.Contains(log.seen.by[tenant], "data store deleted") {
			t.Errorf("the lines of %q are %q", tenant, log.seen.by[tenant])
		}
	}
}

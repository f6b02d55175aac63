package service_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
)

// snapshots copies a folder after every line of the log that says text: what a
// crash at that moment leaves.
type snapshots struct {
	slog.Handler
	text string
	take func()
}

func (s *snapshots) Handle(_ context.Context, r slog.Record) error {
	if r.Message == s.text {
		s.take()
	}
	return nil
}

func (s *snapshots) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (s *snapshots) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &snapshots{Handler: s.Handler.WithAttrs(attrs), text: s.text, take: s.take}
}

// copyFiles copies the files of a folder that is in use, without the socket of its
// process.
func copyFiles(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		under, err := filepath.Rel(from, path)
		switch target := filepath.Join(to, under); {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(target, 0o700)
		case !e.Type().IsRegular():
			return nil
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, data, 0o600)
		}
	})
}

// crashing runs a service whose folder is kept as it is at each line that says
// text, and returns the copies.
func crashing(t *testing.T, text string, work func(*user)) (copies []string, u *user) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "service")
	var mu sync.Mutex
	log := slog.New(&snapshots{Handler: slog.DiscardHandler, text: text, take: func() {
		mu.Lock()
		defer mu.Unlock()
		kept := filepath.Join(t.TempDir(), "kept")
		testkit.Must(t, copyFiles(kept, dir))
		copies = append(copies, kept)
	}})
	c, _ := serve(t, service.Config{Dir: dir, Log: log})
	u = newUser(t, c)
	work(u)
	return copies, u
}

// again starts a service over a folder that a crash left.
func (u *user) again(dir string) *user {
	u.t.Helper()
	c, _ := serve(u.t, service.Config{Dir: dir})
	return &user{t: u.t, client: c, store: u.store, agent: u.agent}
}

// Whichever job a crash comes after, the next start goes on with the one that
// follows, and the answers are the same.
func TestIndexingGoesOnAfterACrash(t *testing.T) {
	var id string
	copies, u := crashing(t, "indexing job done", func(u *user) {
		u.bring(tableOf(50, "old"), 10)
		id = u.bring(tableOf(60, "new"), 10).ID
	})
	const jobs = 3 // are logged for each of the two: the blocks, and two searchable columns
	if len(copies) != 2*jobs {
		t.Fatalf("%d jobs were logged", len(copies))
	}
	for n, dir := range copies[jobs:] {
		t.Run(fmt.Sprintf("after job %d", n+1), func(t *testing.T) {
			v := u.again(dir)
			v.t = t
			v.reaches(id, edm.StateCompleted)
			for _, row := range []int{0, 33, 59} {
				v.answers(row, "new")
			}
		})
	}
}

// Every block that was acknowledged is there after a crash, and none that is
// half written.
func TestAcknowledgedBlocksOutliveACrash(t *testing.T) {
	var plan pipeline.Plan
	var p *pipeline.Prepared
	var one *edm.Session
	copies, u := crashing(t, "block staged", func(u *user) {
		plan, p, one = u.open(tableOf(100, "a"), 10)
		u.lanes = 1 // nothing else is written while the folder is copied
		u.upload(plan, p, one)
	})
	if len(copies) != 10 {
		t.Fatalf("%d blocks were logged", len(copies))
	}
	for n, dir := range copies {
		// What a crash in the middle of the next block leaves.
		testkit.Must(t, os.WriteFile(filepath.Join(dir, "blocks", one.ID, "00000009-0123456789abcdef-77.new"), []byte("half"), 0o600))
		v := u.again(dir)
		now := v.get(one.ID)
		if there := *now.TotalBlockCount - *now.RemainingBlockCount; int(there) < n+1 {
			t.Fatalf("%d blocks were acknowledged and %d are there", n+1, there)
		}
		v.upload(plan, p, now)
		testkit.Must(t, v.client.Sessions().Commit(t.Context(), v.store.ID, one.ID, nil))
		v.reaches(one.ID, edm.StateCompleted)
		v.answers(99, "a")
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	var u *user
	var id string
	t.Run("before", func(t *testing.T) {
		c, _ := serve(t, service.Config{Dir: dir, MaxCommits: 2})
		u = newUser(t, c)
		id = u.bring(tableOf(20, "a"), 10).ID
	})
	c, _ := serve(t, service.Config{Dir: dir, MaxCommits: 2})
	v := &user{t: t, client: c, store: u.store, agent: u.agent}
	v.answers(7, "a")
	if state := v.get(id).State; state != edm.StateCompleted {
		t.Errorf("the session is %s", state)
	}
	v.bring(tableOf(20, "b"), 10)
	_, err := c.Sessions().Create(t.Context(), u.store.ID, edm.Session{}, uuid.NewString())
	if err == nil {
		t.Error("an empty session was opened")
	}
	store, err := c.Stores().Get(t.Context(), u.store.ID)
	testkit.Must(t, err)
	if store.Quota == nil || store.Quota.Remaining != 0 {
		t.Errorf("both commits count, before and after the restart: %+v", store.Quota)
	}
}

// Lookups that run while tables replace each other see the one or the other.
func TestReplacementIsAtomic(t *testing.T) {
	c, _ := serve(t, service.Config{Dir: t.TempDir(), MaxCommits: 100})
	u := newUser(t, c)
	const rows = 200
	u.bring(tableOf(rows, "even"), 50)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var asked atomic.Int64
	id, kid := keyID(t), u.store.ID
	for reader := range 4 {
		tokens := map[string][3]string{}
		for _, edition := range []string{"even", "odd"} {
			n := reader * 50
			tokens[edition] = [3]string{tokenOf(t, 0, fmt.Sprintf("P-%d", n)), tokenOf(t, 1, fmt.Sprintf("%s%d@example.com", edition, n)), tokenOf(t, 2, edition)}
		}
		readers.Go(func() {
			for ctx.Err() == nil {
				for edition, at := range tokens {
					got, err := match(ctx, c, kid, at[0], at[1], at[2], id)
					if ctx.Err() != nil {
						return
					}
					if err != nil || got.Answers[0].Total != 1 || len(got.Answers[0].Rows) != 1 {
						t.Errorf("a lookup during a replacement: %+v, %v", got, err)
						return
					}
					live := map[bool]string{true: "odd", false: "even"}[got.Generation%2 == 0]
					if want := map[bool]int{true: 2, false: 0}[live == edition]; len(got.Answers[0].Rows[0].Matched) != want {
						t.Errorf("generation %d (%s) was asked for %s and matches %v: a mixture", got.Generation, live, edition, got.Answers[0].Rows[0].Matched)
						return
					}
					asked.Add(1)
				}
			}
		})
	}
	for n := range 8 {
		u.bring(tableOf(rows, []string{"odd", "even"}[n%2]), 50)
	}
	stop()
	readers.Wait()
	if asked.Load() < 20 {
		t.Errorf("only %d lookups ran beside the replacements", asked.Load())
	}
}

// clock is a time that a test sets.
type clock struct{ atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	c.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.Load() }

func (c *clock) pass(d time.Duration) {
	later := c.now().Add(d)
	c.Store(&later)
}

// put sends a block's body as any HTTP client may.
func put(t *testing.T, uri string) (status int, code string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, uri+"&comp=block&blockid=x", strings.NewReader("body"))
	testkit.Must(t, err)
	resp, err := http.DefaultClient.Do(r)
	testkit.Must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	testkit.Must(t, resp.Body.Close())
	return resp.StatusCode, resp.Header.Get("x-ms-error-code")
}

func TestUploadURIsAreBearerCapabilities(t *testing.T) {
	now := newClock()
	c, _ := serve(t, service.Config{Dir: t.TempDir(), Now: now.now, UploadURITTL: time.Hour})
	u := newUser(t, c)
	_, _, one := u.open(tableOf(10, "a"), 10)
	_, _, other := u.open(tableOf(11, "a"), 10)
	at, err := url.Parse(one.DataUploadURI)
	testkit.Must(t, err)
	changed := func(change func(*url.URL, url.Values)) string {
		v, q := *at, at.Query()
		change(&v, q)
		v.RawQuery = q.Encode()
		return v.String()
	}
	for name, uri := range map[string]string{
		"no signature":      changed(func(_ *url.URL, q url.Values) { q.Del("sig") }),
		"another signature": changed(func(_ *url.URL, q url.Values) { q.Set("sig", "AAAA") }),
		"a later expiry":    changed(func(_ *url.URL, q url.Values) { q.Set("se", "2099-01-01T00:00:00Z") }),
		"another session":   changed(func(v *url.URL, _ url.Values) { v.Path = strings.ReplaceAll(v.Path, one.ID, other.ID) }),
		"more permissions":  changed(func(_ *url.URL, q url.Values) { q.Set("sp", "racwdl") }),
	} {
		if status, code := put(t, uri); status != http.StatusForbidden || code != "AuthenticationFailed" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	if status, code := put(t, one.DataUploadURI); status != http.StatusBadRequest || code != "InvalidQueryParameterValue" {
		t.Errorf("the URI as it was given: %d %s", status, code)
	}
	now.pass(time.Hour + time.Second)
	if status, _ := put(t, one.DataUploadURI); status != http.StatusForbidden {
		t.Errorf("an expired URI: %d", status)
	}
	fresh, err := c.Sessions().Renew(t.Context(), u.store.ID, one.ID)
	testkit.Must(t, err)
	if status, _ := put(t, fresh.DataUploadURI); status != http.StatusBadRequest {
		t.Errorf("the renewed URI: %d", status)
	}
}

// Sessions that are not committed in time expire with the first sweep after it, of a
// service that goes on and of one that starts again. Nothing else ends.
func TestUnfinishedSessionsExpire(t *testing.T) {
	for name, later := range map[string]func(*lifecycle){
		"while it runs":  func(*lifecycle) {},
		"over a restart": func(l *lifecycle) { l.again(func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			l := begun(t)
			l.T, l.now = t, now.now
			l.again(func() {})
			live := l.bring()
			sealed := l.opened(12)
			begun := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.create(begun)
			l.stage(begun, 1)
			states := func(when string, want map[*upload]edm.State) {
				t.Helper()
				l.worked()
				for u, state := range want {
					if got, err := l.get(u); err != nil || got.State != state {
						t.Errorf("%s a session is %s (%v), want %s", when, got.State, err, state)
					}
				}
			}
			now.pass(7 * 24 * time.Hour)
			later(l)
			states("in time", map[*upload]edm.State{live: edm.StateCompleted, sealed: edm.StateUploadCompleted, begun: edm.StateUploadInProgress})
			now.pass(time.Second)
			later(l)
			states("too late", map[*upload]edm.State{live: edm.StateCompleted, sealed: edm.StateExpired, begun: edm.StateExpired})
			l.wants("a commit", l.tryCommit(sealed), http.StatusUnprocessableEntity, edm.CodeNotSealed)
			if left := l.blocksLeft(); !slices.Equal(left, []string{live.id}) {
				t.Errorf("blocks are left of %v, want those of the live table", left)
			}
			l.uploads = []*upload{live}
			testkit.Must(t, l.lookups())
		})
	}
}

// No log line and no answer carries a signature or the bearer token.
func TestTheLogKeepsSecrets(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	c, server := serve(t, service.Config{Dir: t.TempDir(), Log: slog.New(slog.NewJSONHandler(lockedWriter{&mu, &log}, nil))})
	u := newUser(t, c)
	one := u.bring(tableOf(10, "a"), 5)
	put(t, u.openURI())
	_, err := client(t, server, "a wrong token").Agents().List(t.Context(), edm.Query{})
	if err == nil {
		t.Error("a wrong token is taken")
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), one.ID) {
		t.Fatal("the log says nothing of the session")
	}
	for _, secret := range []string{"sig=", bearer, "a wrong token", "example.com"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

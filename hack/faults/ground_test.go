package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

var columns = []schema.Column{{Name: "ID", IsSearchable: true}, {Name: "Email", IsCaseInsensitive: true, IsSearchable: true}, {Name: "City"}}

// plan is how an edition's table becomes blocks: as the manager's.
func (w *testEnv) plan(edition string) pipeline.Plan {
	return pipeline.Plan{
		Plan: plan.Plan{
			Store: w.namespace, Columns: columns, RowsPerBlock: rowsPerBlock,
		},
		Source: source.Bytes("table.csv", []byte(tableOf(edition, w.rowsOf(edition)))), Key: []byte(storeKey),
	}
}

// populate brings the old table to live and opens a session of another cluster
// that carries the very content of the case.
func (w *testEnv) populate() {
	w.t.Helper()
	other, err := w.direct.Agents().Create(w.ctx, edm.UploadAgent{Description: "another cluster"}, w.namespace+"-other")
	w.Expect(err).NotTo(HaveOccurred())
	old := w.openRemote("old", other.ID)
	must := func(err error) { w.t.Helper(); w.Expect(err).NotTo(HaveOccurred()) }
	plan := w.plan("old")
	prepared, err := pipeline.Prepare(w.ctx, plan)
	must(err)
	must(upload.Run(w.ctx, plan, prepared,
		upload.Target{HTTP: http.DefaultClient, URI: func() string { return old.DataUploadURI }, Parallelism: 2},
		upload.Options{Memory: semaphore.NewWeighted(64 << 20), MemorySize: 64 << 20}))
	must(w.direct.Sessions().Commit(w.ctx, w.store.Status.ID, old.ID, nil))
	w.Eventually(func() (edm.State, error) {
		got, err := w.direct.Sessions().Get(w.ctx, w.store.Status.ID, old.ID)
		if err != nil {
			return "", err
		}
		return got.State, nil
	}).Should(Equal(edm.StateCompleted), "the old table is live before the case begins")
	w.old, w.foreign = old, w.openRemote("new", other.ID)
	w.reader = w.startReading()
}

func (w *testEnv) openRemote(edition, agent string) *edm.Session {
	w.t.Helper()
	prepared, err := pipeline.Prepare(w.ctx, w.plan(edition))
	w.Expect(err).NotTo(HaveOccurred())
	rows, blocks := int32(rowsPerBlock), int32(prepared.Blocks)
	made, err := w.direct.Sessions().Create(w.ctx, w.store.Status.ID, edm.Session{
		UploadAgentID: agent, Fields: []string{"ID", "Email", "City"}, FileName: "table.csv", RowsPerBlock: &rows, TotalBlockCount: &blocks,
		KeyID: prepared.KeyID, ContentKey: prepared.ContentKey, Checksum: prepared.Checksum,
	}, w.namespace+"-"+edition)
	w.Expect(err).NotTo(HaveOccurred())
	return made
}

// reader asks for one row all the time: its answers are the old table's or the
// new one's, never a mixture, never none.
type reader struct {
	stop  context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	wrong  string
	asked  int
	latest string // edition
}

func (w *testEnv) startReading() *reader {
	ctx, stop := context.WithCancel(w.ctx)
	r := &reader{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				edition, wrong := w.ask(ctx, n%min(tableRows, w.newRows))
				if ctx.Err() == nil {
					r.note(edition, wrong)
				}
			}
		}
	}()
	w.t.Cleanup(func() { stop(); <-r.ended })
	return r
}

func (r *reader) note(edition, wrong string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	switch {
	case r.wrong != "":
	case wrong != "":
		r.wrong = wrong
	case r.latest == "new" && edition == "old":
		r.wrong = "the old table came back after the new one"
	default:
		r.latest = edition
	}
}

// String is what went wrong first.
func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d questions, %s", r.asked, r.wrong)
}

// forgive lets the old table come back once.
func (r *reader) forgive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = ""
}

// ask looks one row up with both editions' cells, under the rules of the table
// that is live, and says which one it is.
func (w *testEnv) ask(ctx context.Context, n int) (edition, wrong string) {
	store, err := w.direct.Stores().Get(ctx, w.store.Status.ID)
	if err != nil && edm.ClassOf(err) == edm.Credentials {
		return "", "" // the token is rotated in this moment
	}
	if err != nil || store.Live == nil {
		return "", fmt.Sprintf("no table is live: %v", err)
	}
	matched := map[string][]string{}
	for _, e := range []string{"old", "new"} {
		got, err := w.direct.Stores().Match(ctx, w.store.Status.ID, w.question(store.Live, "ID", rowOf(e, n)))
		switch {
		case err != nil && w.isReplaced(ctx, store.Live):
			return "", "" // between the two calls: the next questions tell
		case err != nil && edm.ClassOf(err) == edm.Credentials:
			return "", ""
		case err != nil:
			return "", "a lookup failed: " + err.Error()
		case got.Generation != store.Live.Generation:
			return "", ""
		case got.Answers[0].Total != 1 || len(got.Answers[0].Rows) != 1:
			return "", fmt.Sprintf("row %d is there %d times", n, got.Answers[0].Total)
		}
		matched[e] = got.Answers[0].Rows[0].MatchedColumns()
	}
	for e, other := range map[string]string{"old": "new", "new": "old"} {
		if len(matched[e]) == len(store.Live.Columns)-1 && len(matched[other]) == 0 {
			return e, ""
		}
	}
	return "", fmt.Sprintf("row %d is a mixture: old %v, new %v", n, matched["old"], matched["new"])
}

// isReplaced reports whether another table is live by now.
func (w *testEnv) isReplaced(ctx context.Context, live *edm.Live) bool {
	store, err := w.direct.Stores().Get(ctx, w.store.Status.ID)
	return err == nil && store.Live != nil && store.Live.Generation != live.Generation
}

// edition is which table is live, once the reader has asked again.
func (w *testEnv) edition() string {
	w.reader.mu.Lock()
	defer w.reader.mu.Unlock()
	return w.reader.latest
}

// deleteSession lets the service forget a session.
func (f *faultProxy) deleteSession(id string) {
	if err := f.env.direct.Sessions().Delete(context.WithoutCancel(f.env.ctx), f.env.store.Status.ID, id); err != nil {
		f.t.Errorf("forget session %s: %v", id, err)
	}
}

// clock sets the service's clock ahead.
func (f *faultProxy) clock(by time.Duration) {
	f.env.mu.Lock()
	f.env.ahead = by
	f.env.mu.Unlock()
}

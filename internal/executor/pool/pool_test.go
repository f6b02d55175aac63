package pool_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/executortest"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// started makes a pool that runs from start until the test ends. woken gets the owner
// of each wake.
func started(t *testing.T) (p *pool.Pool, woken chan executor.Owner, start func()) {
	t.Helper()
	woken = make(chan executor.Owner, 1000)
	p = pool.New(pool.Options{Parallelism: 2, Wake: func(owner executor.Owner) { woken <- owner }, WakeInterval: time.Nanosecond})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	running := false
	t.Cleanup(func() {
		stop()
		if running {
			testkit.Must(t, <-ended)
		}
	})
	return p, woken, func() {
		running = true
		go func() { ended <- p.Start(ctx) }()
	}
}

func status(t *testing.T, p *pool.Pool, w executor.Work) executor.Status {
	t.Helper()
	got, err := p.Status(t.Context(), w)
	testkit.Must(t, err)
	return got
}

// reaches waits for wakes until a work has a phase.
func reaches(t *testing.T, p *pool.Pool, woken <-chan executor.Owner, w executor.Work, phase executor.Phase) executor.Status {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		if s := status(t, p, w); s.Phase == phase {
			return s
		}
		select {
		case <-woken:
		case <-timeout:
			t.Fatalf("it stays %q, want %q", status(t, p, w).Phase, phase)
		}
	}
}

func workOn(owner string, plan pipeline.Plan) executor.Work {
	return executor.Work{Owner: executor.Owner{Namespace: "ns", Name: owner, UID: owner}, Version: "version", Plan: plan, Parallelism: 2}
}

func TestExecutor(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Place {
		p, _, start := started(t)
		start()
		return executortest.Place{Executor: p, Work: func(owner, text string) executor.Work { return workOn(owner, tables.Plan(text, 10)) }}
	})
}

// What is given before Start waits for it, and wakes its owner when it is done.
func TestPoolWaitsForItsStart(t *testing.T) {
	p, woken, start := started(t)
	w := workOn("a", tables.Plan(tables.CSV(100), 10))
	testkit.Must(t, p.Prepare(t.Context(), w))
	if phase := status(t, p, w).Phase; phase != executor.PhasePreparing {
		t.Fatalf("the work is %q", phase)
	}
	start()
	if rows := reaches(t, p, woken, w, executor.PhasePrepared).Prepared.Rows; rows != 100 {
		t.Fatalf("%d rows", rows)
	}
}

// A work that is replaced before Start never begins.
func TestPoolForgetsWhatIsReplaced(t *testing.T) {
	p, woken, start := started(t)
	before, after := workOn("a", tables.Plan("ID\n1\n", 10)), workOn("a", tables.Plan(tables.CSV(10), 10))
	after.Version = "after"
	testkit.Must(t, p.Prepare(t.Context(), before))
	testkit.Must(t, p.Prepare(t.Context(), after))
	start()
	reaches(t, p, woken, after, executor.PhasePrepared)
	if got := status(t, p, before); got.Phase != executor.PhaseNone || got.Others != 1 {
		t.Errorf("the work that was replaced is %+v", got)
	}
}

// An upload whose URI is refused keeps its place until there is another.
func TestPoolWaitsForARenewedURI(t *testing.T) {
	s := sink.New(t)
	p, woken, start := started(t)
	start()
	w := workOn("a", tables.Plan(tables.CSV(100), 10))
	testkit.Must(t, p.Prepare(t.Context(), w))
	prepared := reaches(t, p, woken, w, executor.PhasePrepared).Prepared
	one := s.Open(prepared, w.Plan)
	s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("issue") != "0" || strings.Contains(r.URL.RawQuery, "blocklist") {
			return false
		}
		sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		return true
	}
	var issue atomic.Int32
	w.Parallelism = 1
	w.Remote = &executor.Remote{ID: one.ID, HTTP: sink.Target(one).HTTP, URI: func() string { return fmt.Sprintf("%s&issue=%d", one.DataUploadURI, issue.Load()) }}
	testkit.Must(t, p.Upload(t.Context(), w, prepared))
	timeout := time.After(30 * time.Second)
	for !status(t, p, w).IsRefused {
		select {
		case <-woken:
		case <-timeout:
			t.Fatal("nobody is told that the URI is refused")
		}
	}
	issue.Add(1)
	done := reaches(t, p, woken, w, executor.PhaseUploaded)
	if done.IsRefused || s.Sent() != 11 {
		t.Errorf("it ends with %+v", done)
	}
}

// Rows of the blocks prove the live table afterwards: to end an upload hands them over.
func TestPoolHandsSamplesOver(t *testing.T) {
	s := sink.New(t)
	p, woken, start := started(t)
	start()
	w := workOn("a", tables.Plan(tables.CSV(100), 10))
	w.Plan.Columns[0].IsSearchable = true
	testkit.Must(t, p.Prepare(t.Context(), w))
	prepared := reaches(t, p, woken, w, executor.PhasePrepared).Prepared
	one := s.Open(prepared, w.Plan)
	w.Remote = &executor.Remote{ID: one.ID, HTTP: sink.Target(one).HTTP, URI: sink.Target(one).URI}
	testkit.Must(t, p.Upload(t.Context(), w, prepared))
	reaches(t, p, woken, w, executor.PhaseUploaded)
	if used := p.Usage(); used.SentBytes < 100*16 || used.Reserved != 0 || used.Limit != 256<<20 {
		t.Errorf("after 100 rows it has used %+v", used)
	}
	found, err := p.Stop(t.Context(), w, executor.Running)
	testkit.Must(t, err)
	if len(found.Samples) == 0 || found.Checked.Compared+found.Checked.Unverified != 10 {
		t.Errorf("it hands over %d samples, %+v", len(found.Samples), found.Checked)
	}
}

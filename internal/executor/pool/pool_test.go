package pool_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// started makes a pool that runs until the test ends. woken gets the key of each wake.
func started(t *testing.T) (p *pool.Pool, woken chan string, start func()) {
	t.Helper()
	woken = make(chan string, 1000)
	p = pool.NewPool(pool.PoolOptions{Parallelism: 2, Wake: func(key string) { woken <- key }, WakeInterval: time.Nanosecond})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	started := false
	t.Cleanup(func() {
		stop()
		if started {
			testkit.Must(t, <-ended)
		}
	})
	return p, woken, func() {
		started = true
		go func() { ended <- p.Start(ctx) }()
	}
}

// reaches waits for wakes until a work has a phase.
func reaches(t *testing.T, p *pool.Pool, woken <-chan string, key string, phase pool.Phase) pool.Status {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		if s := p.Status(key); s.Phase == phase {
			return s
		}
		select {
		case <-woken:
		case <-timeout:
			t.Fatalf("%s stays %q, want %q", key, p.Status(key).Phase, phase)
		}
	}
}

func TestPoolPreparesAndUploads(t *testing.T) {
	s := sink.New(t)
	p, woken, start := started(t)
	plan := tables.Plan(tables.CSV(100), 10)
	p.Prepare("a/1", plan) // before Start: it waits
	if phase := p.Status("a/1").Phase; phase != pool.PhasePreparing {
		t.Fatalf("the work is %q", phase)
	}
	start()
	prepared := reaches(t, p, woken, "a/1", pool.PhasePrepared).Prepared
	if prepared.Rows != 100 {
		t.Fatalf("%d rows", prepared.Rows)
	}
	p.Rename("a/1", "a/2")
	if phase := p.Status("a/1").Phase; phase != pool.PhaseNone {
		t.Errorf("the old key still has work: %q", phase)
	}
	one := s.Open(prepared, plan)
	p.Upload("a/2", plan, prepared, sink.Target(one))
	done := reaches(t, p, woken, "a/2", pool.PhaseUploaded)
	if done.Progress.Done != 10 || done.Prepared != prepared {
		t.Errorf("it ends with %+v", done.Progress)
	}
	p.Upload("a/2", plan, prepared, sink.Target(one)) // is done already
	if phase := p.Status("a/2").Phase; phase != pool.PhaseUploaded {
		t.Errorf("a second call starts it anew: %q", phase)
	}
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

func TestPoolKeepsTheError(t *testing.T) {
	p, woken, start := started(t)
	start()
	p.Prepare("bad/1", tables.Plan("ID\n1\n", 10))
	s := reaches(t, p, woken, "bad/1", pool.PhaseFailed)
	testkit.WantFailure(t, s.Err, failure.MissingColumn, false)
}

func TestPoolForgetsWhatIsCancelled(t *testing.T) {
	p, woken, start := started(t)
	p.Prepare("a/1", tables.Plan(tables.CSV(10), 10))
	p.Prepare("a/2", tables.Plan(tables.CSV(10), 10))
	p.Prepare("b/1", tables.Plan(tables.CSV(10), 10))
	p.CancelOthers("a/", "a/2")
	start()
	reaches(t, p, woken, "a/2", pool.PhasePrepared)
	reaches(t, p, woken, "b/1", pool.PhasePrepared)
	if phase := p.Status("a/1").Phase; phase != pool.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
	p.CancelOthers("a/", "")
	if phase := p.Status("a/2").Phase; phase != pool.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
}

// An upload whose URI is refused keeps its place until there is another.
func TestPoolWaitsForARenewedURI(t *testing.T) {
	s := sink.New(t)
	p, woken, start := started(t)
	start()
	plan := tables.Plan(tables.CSV(100), 10)
	p.Prepare("a/1", plan)
	prepared := reaches(t, p, woken, "a/1", pool.PhasePrepared).Prepared
	one := s.Open(prepared, plan)
	s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("lease") != "0" || strings.Contains(r.URL.RawQuery, "blocklist") {
			return false
		}
		sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		return true
	}
	var lease atomic.Int32
	to := sink.Target(one)
	to.Parallelism = 1
	to.URI = func() string { return fmt.Sprintf("%s&lease=%d", one.DataUploadURI, lease.Load()) }
	p.Upload("a/1", plan, prepared, to)
	timeout := time.After(30 * time.Second)
	for !p.Status("a/1").Refused {
		select {
		case <-woken:
		case <-timeout:
			t.Fatal("nobody is told that the URI is refused")
		}
	}
	lease.Add(1)
	done := reaches(t, p, woken, "a/1", pool.PhaseUploaded)
	if done.Refused || s.Sent() != 11 {
		t.Errorf("it ends with %+v", done)
	}
}

// What was read serves the upload that follows a failed one.
func TestPoolUploadsAgainWithoutReadingAgain(t *testing.T) {
	s := sink.New(t)
	p, woken, start := started(t)
	start()
	plan := tables.Plan(tables.CSV(100), 10)
	p.Prepare("a/1", plan)
	prepared := reaches(t, p, woken, "a/1", pool.PhasePrepared).Prepared
	one := s.Open(prepared, plan)
	s.SpoilOnce(sink.IsSeal, sink.RefuseStorage(http.StatusConflict, "LeaseAlreadyPresent"))
	p.Upload("a/1", plan, prepared, sink.Target(one))
	testkit.WantFailure(t, reaches(t, p, woken, "a/1", pool.PhaseFailed).Err, failure.StorageUnavailable, true)
	p.Again("a/1")
	if got := p.Status("a/1"); got.Phase != pool.PhasePrepared || got.Prepared != prepared {
		t.Fatalf("the work is %+v", got)
	}
	p.Upload("a/1", plan, prepared, sink.Target(one))
	if done := reaches(t, p, woken, "a/1", pool.PhaseUploaded); done.Progress.Skipped != 10 || s.Sent() != 10 {
		t.Errorf("it ends with %+v", done.Progress)
	}
}

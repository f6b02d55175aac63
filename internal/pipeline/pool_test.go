package pipeline_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
)

// pool runs a pool until the test ends. woken gets the key of each wake.
func pool(t *testing.T) (p *pipeline.Pool, woken chan string, start func()) {
	t.Helper()
	woken = make(chan string, 1000)
	p = pipeline.NewPool(pipeline.PoolOptions{Parallelism: 2, Wake: func(key string) { woken <- key }, WakeInterval: time.Nanosecond})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	started := false
	t.Cleanup(func() {
		stop()
		if started {
			must(t, <-ended)
		}
	})
	return p, woken, func() {
		started = true
		go func() { ended <- p.Start(ctx) }()
	}
}

// reaches waits for wakes until a work has a phase.
func reaches(t *testing.T, p *pipeline.Pool, woken <-chan string, key string, phase pipeline.Phase) pipeline.Status {
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
	s := newSink(t)
	p, woken, start := pool(t)
	plan := planOf(csvOf(100), 10)
	p.Prepare("a/1", plan) // before Start: it waits
	if phase := p.Status("a/1").Phase; phase != pipeline.PhasePreparing {
		t.Fatalf("the work is %q", phase)
	}
	start()
	prepared := reaches(t, p, woken, "a/1", pipeline.PhasePrepared).Prepared
	if prepared.Rows != 100 {
		t.Fatalf("%d rows", prepared.Rows)
	}
	p.Rename("a/1", "a/2")
	if phase := p.Status("a/1").Phase; phase != pipeline.PhaseNone {
		t.Errorf("the old key still has work: %q", phase)
	}
	one := s.open(prepared, plan)
	p.Upload("a/2", plan, prepared, target(one))
	done := reaches(t, p, woken, "a/2", pipeline.PhaseUploaded)
	if done.Progress.Done != 10 || done.Prepared != prepared {
		t.Errorf("it ends with %+v", done.Progress)
	}
	p.Upload("a/2", plan, prepared, target(one)) // is done already
	if phase := p.Status("a/2").Phase; phase != pipeline.PhaseUploaded {
		t.Errorf("a second call starts it anew: %q", phase)
	}
	if state := s.state(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

func TestPoolKeepsTheError(t *testing.T) {
	p, woken, start := pool(t)
	start()
	p.Prepare("bad/1", planOf("ID\n1\n", 10))
	s := reaches(t, p, woken, "bad/1", pipeline.PhaseFailed)
	wantReason(t, s.Err, failure.MissingColumn, false)
}

func TestPoolForgetsWhatIsCancelled(t *testing.T) {
	p, woken, start := pool(t)
	p.Prepare("a/1", planOf(csvOf(10), 10))
	p.Prepare("a/2", planOf(csvOf(10), 10))
	p.Prepare("b/1", planOf(csvOf(10), 10))
	p.CancelOthers("a/", "a/2")
	start()
	reaches(t, p, woken, "a/2", pipeline.PhasePrepared)
	reaches(t, p, woken, "b/1", pipeline.PhasePrepared)
	if phase := p.Status("a/1").Phase; phase != pipeline.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
	p.CancelOthers("a/", "")
	if phase := p.Status("a/2").Phase; phase != pipeline.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
}

// An upload whose URI is refused keeps its place until there is another.
func TestPoolWaitsForARenewedURI(t *testing.T) {
	s := newSink(t)
	p, woken, start := pool(t)
	start()
	plan := planOf(csvOf(100), 10)
	p.Prepare("a/1", plan)
	prepared := reaches(t, p, woken, "a/1", pipeline.PhasePrepared).Prepared
	one := s.open(prepared, plan)
	s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("lease") != "0" || strings.Contains(r.URL.RawQuery, "blocklist") {
			return false
		}
		refuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		return true
	}
	var lease atomic.Int32
	to := target(one)
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
	done := reaches(t, p, woken, "a/1", pipeline.PhaseUploaded)
	if done.Refused || s.sent() != 11 {
		t.Errorf("it ends with %+v", done)
	}
}

// What was read serves the upload that follows a failed one.
func TestPoolUploadsAgainWithoutReadingAgain(t *testing.T) {
	s := newSink(t)
	p, woken, start := pool(t)
	start()
	plan := planOf(csvOf(100), 10)
	p.Prepare("a/1", plan)
	prepared := reaches(t, p, woken, "a/1", pipeline.PhasePrepared).Prepared
	one := s.open(prepared, plan)
	s.spoilOnce(isSeal, refuseStorage(http.StatusConflict, "LeaseAlreadyPresent"))
	p.Upload("a/1", plan, prepared, target(one))
	wantReason(t, reaches(t, p, woken, "a/1", pipeline.PhaseFailed).Err, failure.StorageUnavailable, true)
	p.Again("a/1")
	if got := p.Status("a/1"); got.Phase != pipeline.PhasePrepared || got.Prepared != prepared {
		t.Fatalf("the work is %+v", got)
	}
	p.Upload("a/1", plan, prepared, target(one))
	if done := reaches(t, p, woken, "a/1", pipeline.PhaseUploaded); done.Progress.Skipped != 10 || s.sent() != 10 {
		t.Errorf("it ends with %+v", done.Progress)
	}
}

package transfer_test

import (
	"context"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/transfer"
)

// pool runs a pool until the test ends. woken gets the key of each wake.
func pool(t *testing.T) (p *transfer.Pool, woken chan string, start func()) {
	t.Helper()
	woken = make(chan string, 1000)
	p = transfer.NewPool(transfer.PoolOptions{Parallelism: 2, Wake: func(key string) { woken <- key }, WakeInterval: time.Nanosecond})
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
func reaches(t *testing.T, p *transfer.Pool, woken <-chan string, key string, phase transfer.Phase) transfer.Status {
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
	if phase := p.Status("a/1").Phase; phase != transfer.PhasePreparing {
		t.Fatalf("the work is %q", phase)
	}
	start()
	prepared := reaches(t, p, woken, "a/1", transfer.PhasePrepared).Prepared
	if prepared.Rows != 100 {
		t.Fatalf("%d rows", prepared.Rows)
	}
	p.Rename("a/1", "a/2")
	if phase := p.Status("a/1").Phase; phase != transfer.PhaseNone {
		t.Errorf("the old key still has work: %q", phase)
	}
	one := s.open(prepared, plan)
	p.Upload("a/2", plan, prepared, target(one))
	done := reaches(t, p, woken, "a/2", transfer.PhaseUploaded)
	if done.Progress.Done != 10 || done.Prepared != prepared {
		t.Errorf("it ends with %+v", done.Progress)
	}
	p.Upload("a/2", plan, prepared, target(one)) // is done already
	if phase := p.Status("a/2").Phase; phase != transfer.PhaseUploaded {
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
	s := reaches(t, p, woken, "bad/1", transfer.PhaseFailed)
	wantReason(t, s.Err, transfer.MissingColumn, false)
}

func TestPoolForgetsWhatIsCancelled(t *testing.T) {
	p, woken, start := pool(t)
	p.Prepare("a/1", planOf(csvOf(10), 10))
	p.Prepare("a/2", planOf(csvOf(10), 10))
	p.Prepare("b/1", planOf(csvOf(10), 10))
	p.CancelOthers("a/", "a/2")
	start()
	reaches(t, p, woken, "a/2", transfer.PhasePrepared)
	reaches(t, p, woken, "b/1", transfer.PhasePrepared)
	if phase := p.Status("a/1").Phase; phase != transfer.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
	p.CancelOthers("a/", "")
	if phase := p.Status("a/2").Phase; phase != transfer.PhaseNone {
		t.Errorf("the cancelled work is %q", phase)
	}
}

package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// shells returns a run whose processes are shells, and a context that watches it.
func shells(t *testing.T) (*Stack, context.Context) {
	t.Helper()
	t.Setenv("TMPDIR", os.TempDir()) // New changes it
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.binary = "/bin/sh"
	ctx, unwatch := s.Watch(t.Context())
	t.Cleanup(func() {
		unwatch()
		_ = s.Stop()
	})
	return s, ctx
}

// died waits for the cause of a watched context.
func died(t *testing.T, ctx context.Context) *Died {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("nothing noticed that a process died")
	}
	var d *Died
	if !errors.As(context.Cause(ctx), &d) {
		t.Fatalf("the cause is %v", context.Cause(ctx))
	}
	return d
}

func hasLog(t *testing.T, s *Stack, name, want string) {
	t.Helper()
	text, err := os.ReadFile(s.Log(name))
	if err != nil || !strings.Contains(string(text), want) {
		t.Errorf("the log of %s is %q, %v; want %q", name, text, err, want)
	}
}

func TestWatchNoticesAProcessThatDies(t *testing.T) {
	s, ctx := shells(t)
	if err := errors.Join(s.Start("service", "-c", "exec sleep 600"), s.Start("manager", "-c", "echo no matches for kind; exit 3")); err != nil {
		t.Fatal(err)
	}
	if got, want := died(t, ctx).Error(), "manager ended by itself: exit status 3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	hasLog(t, s, "manager", "no matches for kind")
	if err := s.Terminate("service"); err == nil || !strings.Contains(err.Error(), "service ended with signal: terminated") {
		t.Errorf("the other process: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("the stop reports the dead process again: %v", err)
	}
	if _, err := os.Stat(s.Path("")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestWatchNoticesAProcessOfTheControlPlaneThatDies(t *testing.T) {
	s, ctx := shells(t)
	pipe, err := s.follow("etcd")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/bin/sh", "-c", "echo disk failed >&2; kill -9 $$")
	c.Stderr = pipe
	if err := errors.Join(c.Start(), pipe.Close()); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	if got, want := died(t, ctx).Error(), "etcd ended by itself"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	hasLog(t, s, "etcd", "disk failed")
}

func TestWatchIgnoresWhatIsStopped(t *testing.T) {
	s, ctx := shells(t)
	for _, name := range []string{"one", "two", "three"} {
		if err := s.Start(name, "-c", "exec sleep 600"); err != nil {
			t.Fatal(err)
		}
	}
	pipe, err := s.follow("etcd")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Kill("one"); err != nil {
		t.Error(err)
	}
	_ = s.Terminate("two") // a shell ends with the signal
	s.stopping.Store(true) // as Stop does before it ends the control plane
	_ = pipe.Close()
	_ = s.Stop()
	if ctx.Err() != nil || len(s.died) != 0 {
		t.Errorf("a process that was stopped counts as dead: %v", context.Cause(ctx))
	}
}

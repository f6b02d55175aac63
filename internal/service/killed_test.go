package service

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// killedCommand runs a command in a process of its own, and kills it as soon as its
// folder shows that something is done. It reports whether that came in time.
func (s *shared) killedCommand(seen func() bool, args ...string) (killed bool) {
	s.t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "EXACTMATCH_TEST_SERVICE_COMMAND="+strings.Join(args, "\n"))
	s.must(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	look := time.NewTicker(50 * time.Microsecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
				s.t.Fatalf("%q ends with %v", args, err)
			}
			return err != nil
		case <-look.C:
			if seen() {
				_ = c.Process.Kill() // it may have ended
			}
		}
	}
}

// copied is a folder of its own with what another has.
func (s *shared) copied(dir string) string {
	s.t.Helper()
	to := filepath.Join(s.t.TempDir(), "folder")
	s.must(os.CopyFS(to, os.DirFS(dir)))
	return to
}

// writes counts how often a file was seen changed.
func writes(path string) func() int {
	var last time.Time
	n := -1
	return func() int {
		if info, err := os.Stat(path); err == nil && info.ModTime() != last {
			last, n = info.ModTime(), n+1
		}
		return n
	}
}

// Killed while it works, an assignment is done or not begun, and what a retirement has
// not removed the next one removes. The other tenants have what they had.
func TestCommandsOnTenantsAreKilled(t *testing.T) {
	s := newShared(t, Config{})
	config := s.config
	dir, _ := s.stopped()
	all := s.filesOf(dir, s.have["prod/hr"])
	inTime := 0
	// kills runs a command that is killed when it has done as much as seen says, and
	// then whole.
	kills := func(seen func(dir string) func() bool, want func(), args ...string) {
		t.Helper()
		config.Dir = s.copied(dir)
		args = append(args, "--data-dir", config.Dir)
		if s.killedCommand(seen(config.Dir), args...) {
			inTime++
		}
		s.says("", args...)
		s.says("consistent", "check", "--data-dir", config.Dir)
		s.start(config)
		want()
		s.answers("prod/hr2")
		s.stop()
	}
	for n := 1; n <= 3; n++ { // the database is written in some steps
		written := func(dir string) func() bool {
			times := writes(filepath.Join(dir, "service.db"))
			return func() bool { return times() >= n }
		}
		kills(written, func() { s.hasNothing("prod/hr") }, "tenant", "retire", "prod/hr", "--yes")
		kills(written, func() {
			s.have["prod/new"] = s.have[""]
			s.answers("prod/new")
			if w := s.as("", http.MethodGet, "/exactMatchDataStores/"+s.have[""].store, ""); w.Code != http.StatusNotFound {
				t.Errorf("the store is there without a tenant, too: %d %s", w.Code, w.Body)
			}
		}, "assign", "--store", "live", "--tenant", "prod/new")
	}
	for left := range all {
		kills(func(dir string) func() bool {
			return func() bool { return s.filesOf(dir, s.have["prod/hr"]) <= left }
		}, func() { s.hasNothing("prod/hr") }, "tenant", "retire", "prod/hr", "--yes")
	}
	if inTime == 0 {
		t.Error("no command was killed in time")
	}
	t.Logf("%d of %d commands were killed in time", inTime, 6+all)
}

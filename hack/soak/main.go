// Command soak runs the operator and kills everything of it, and what it stands on, at random: at the end every session has come to
// the end that its spec asks for, nothing is left open at the service, and every data store answers from the table that it shows as live.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

type flags struct {
	bin              string
	duration         time.Duration
	sessions, stores int
	creates          int
	seed             uint64
}

func main() {
	var f flags
	flag.StringVar(&f.bin, "bin", "bin", "folder of the operator's binary")
	flag.DurationVar(&f.duration, "duration", 10*time.Minute, "how long everything is killed at random")
	flag.IntVar(&f.sessions, "sessions", 30, "sessions whose sources change meanwhile")
	flag.IntVar(&f.stores, "stores", 10, "data stores that they share")
	flag.IntVar(&f.creates, "creates", 1000, "sessions that are created at once while the service is down")
	flag.Uint64Var(&f.seed, "seed", uint64(time.Now().UnixNano()), "of what is killed when")
	flag.Parse()
	if err := run(context.Background(), f); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	bin, err := filepath.Abs(f.bin)
	if err != nil {
		return err
	}
	s, err := newStack(bin)
	if s != nil {
		defer func() { s.stop(os.Getenv("KEEP")) }()
	}
	if err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	fmt.Printf("soak: seed %d, in %s\n", f.seed, s.dir)
	t := &tables{}
	if err := s.chaos(ctx, f, t); err != nil {
		return err
	}
	if err := s.burst(ctx, f, t); err != nil {
		return err
	}
	for _, p := range s.all() {
		p.measure()
		fmt.Printf("soak: %-16s killed %3d times, at most %4d MiB resident\n", p.name, p.kills, p.peak>>20)
	}
	return nil
}

// chaos changes sources and kills until the time is over; then everything comes to its end.
func (s *stack) chaos(ctx context.Context, f flags, t *tables) error {
	var names []string
	for n := range f.stores {
		if err := s.makeStore(ctx, fmt.Sprint("store-", n)); err != nil {
			return err
		}
	}
	for n := range f.sessions {
		name := fmt.Sprint("session-", n)
		names = append(names, name)
		if err := errors.Join(t.write(s.sources(), name, 5000), s.makeSession(ctx, name, fmt.Sprint("store-", n%f.stores))); err != nil {
			return err
		}
	}
	changes, done := 0, make(chan struct{})
	stop, cancel := context.WithTimeout(ctx, f.duration)
	defer cancel()
	go func() {
		defer close(done)
		for pick := rand.New(rand.NewPCG(f.seed, 2)); wait(stop, time.Second+time.Duration(pick.IntN(2000))*time.Millisecond); { //nolint:gosec // what comes next
			if s.change(stop, t, names[pick.IntN(len(names))]) == nil { // the API server may be down
				changes++
			}
		}
	}()
	counts := s.strike(stop, f.seed)
	<-done
	if err := errors.Join(s.startAll(), s.awaitPlane()); err != nil {
		return err
	}
	for _, name := range names { // a table that changed while it was read waits for that, as it should
		if err := s.restart(ctx, name); err != nil {
			return err
		}
	}
	took, err := s.await(ctx, 10*time.Minute)
	if err != nil {
		return err
	}
	fmt.Printf("soak: %d sessions, %d changes of their tables, %v: all ended %s after the last\n", f.sessions, changes, counts, took.Round(time.Second))
	return s.check(ctx, t)
}

// strike kills one program after the other, or holds the leader back, until ctx ends.
func (s *stack) strike(ctx context.Context, seed uint64) map[string]int {
	pick, counts := rand.New(rand.NewPCG(seed, 1)), map[string]int{} //nolint:gosec // what comes next
	for wait(ctx, 2*time.Second+time.Duration(pick.IntN(4000))*time.Millisecond) {
		p := s.all()[pick.IntN(len(s.all()))]
		if pick.IntN(12) == 0 && p.running() && p != s.etcd && p != s.apiserver {
			counts[p.name+" paused"]++
			p.signal(syscall.SIGSTOP)
			wait(ctx, 25*time.Second) // longer than its Lease
			p.signal(syscall.SIGCONT)
			continue
		}
		counts[p.name+" killed"]++
		p.kill()
		wait(ctx, time.Duration(pick.IntN(3000))*time.Millisecond)
		if err := s.startAll(); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
		}
	}
	return counts
}

// burst creates many sessions at once while the service is down.
func (s *stack) burst(ctx context.Context, f flags, t *tables) error {
	s.service.kill()
	perStore := 20
	for n := range f.creates {
		store, name := fmt.Sprint("burst-", n/perStore), fmt.Sprint("burst-", n)
		if n%perStore == 0 {
			if err := s.makeStore(ctx, store); err != nil {
				return err
			}
		}
		if err := errors.Join(t.write(s.sources(), name, 100), s.makeSession(ctx, name, store)); err != nil {
			return err
		}
	}
	wait(ctx, 20*time.Second)
	if err := s.service.start(); err != nil {
		return err
	}
	took, err := s.await(ctx, 20*time.Minute)
	if err != nil {
		return err
	}
	fmt.Printf("soak: %d sessions created with the service down: all ended %s after it came back\n", f.creates, took.Round(time.Second))
	return s.check(ctx, t)
}

// check is what is true at the end.
func (s *stack) check(ctx context.Context, t *tables) error {
	open, err := s.orphans(ctx)
	if err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d remote sessions are open at the end", open)
	}
	return eventually(time.Minute, func() error { return s.answers(ctx, t) }) // stores show what is live once they have looked
}

// wait reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// stopped is the reason of a run that ends early although nothing failed. The
// exit status is 128 and the signal's number, as shells have it.
type stopped struct {
	signal syscall.Signal
	reason string
}

func (s *stopped) Error() string { return s.reason }

// status is the exit status of a run.
func status(err error) int {
	var s *stopped
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return 128 + int(s.signal)
	default:
		return 1
	}
}

// stoppable returns a context that ends with the first signal or a call of lose.
func stoppable() (ctx context.Context, lose func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := (<-signals).(syscall.Signal) //nolint:forcetypeassert // every signal of this system is one
		cancel(&stopped{s, fmt.Sprintf("stopped by a signal (%s)", s)})
	}()
	return ctx, func() { cancel(&stopped{syscall.SIGPIPE, "stopped: nothing reads the output any more"}) }
}

// relay puts a pipe before the standard output and calls lose once that cannot be
// written: with "make demo | tee log", Ctrl-C ends tee first, and a write must then
// not end us before everything else is stopped. flush waits for the last byte.
func relay(lose func()) (flush func(), err error) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // not ignored, which children would inherit
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, done := os.Stdout, make(chan struct{})
	os.Stdout = write
	go func() {
		defer close(done)
		if _, err := io.Copy(out, read); err != nil {
			lose()
			_, _ = io.Copy(io.Discard, read) // a process that still writes must not block
		}
	}()
	return func() {
		_ = write.Close()
		<-done
	}, nil
}

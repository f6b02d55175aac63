// Package testkit holds what tests of many packages share. The folders below it
// bring tables, a service behind a recorder, and an API server.
package testkit

import (
	"errors"
	"net"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/failure"
)

// Must ends the test where there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WantFailure ends the test unless the error has a reason and passes, or not, as
// wanted. It shows no signature and no cell either.
func WantFailure(t testing.TB, err error, reason failure.Reason, transient bool) { //nolint:revive // what is wanted, not a mode
	t.Helper()
	var e *failure.Error
	if !errors.As(err, &e) || e.Reason != reason || e.Transient != transient {
		t.Fatalf("want %s (passes: %t), got %v", reason, transient, err)
	}
	if strings.Contains(e.Error(), "sig=") || strings.Contains(e.Error(), "example.com") {
		t.Fatalf("the error shows a signature or a cell: %v", e)
	}
}

// FreeAddress is where nobody listens: "127.0.0.1" and a port.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	Must(t, err)
	Must(t, l.Close())
	return l.Addr().String()
}

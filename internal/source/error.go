package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
)

// Error is a source that cannot be read.
type Error struct {
	Reason failure.Reason
	// Source says where, as Source.String does; "" where not even that is known.
	Source string
	// Message says what is wrong and what to do. It has no credential, query, or content.
	Message string
	// RetryAfter is the wait that the server asked for, in whole seconds and at most an hour; 0 where it asked for none.
	RetryAfter time.Duration
	// cause is only ever something that is safe to print.
	cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Source == "" {
		return "source: " + e.Message
	}
	return fmt.Sprintf("source %q: %s", e.Source, e.Message)
}

// Unwrap gives the error of the context, the *dial.RefusedError or the Identity's error behind it, if one is.
func (e *Error) Unwrap() error { return e.cause }

// Transient tells whether trying again later may help without anybody changing anything.
func (e *Error) Transient() bool { return e.Reason == failure.SourceUnavailable }

// networkError turns an error that came instead of an answer, or in the middle of one, into an Error. Errors of clients print URLs with
// all that they carry: only what is known to be harmless is taken from them.
func networkError(where string, err error) *Error {
	var own *Error
	var refused *dial.RefusedError
	var netErr net.Error
	var dns *net.DNSError
	var errno syscall.Errno
	e := &Error{Reason: failure.SourceUnavailable, Source: where, Message: "the connection failed"}
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused):
		e.Reason, e.Message, e.cause = reasonOfRefusal(refused), refused.Error(), refused
	case errors.Is(err, context.Canceled):
		e.Message, e.cause = "reading was cancelled", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.cause = "reading took too long", context.DeadlineExceeded
	case isCertificateError(err):
		e.Message = "the certificate of the server is not trusted"
	case errors.As(err, &dns):
		e.Message = "the name of the host does not resolve"
	case errors.As(err, &netErr) && netErr.Timeout():
		e.Message = "the server did not answer in time"
	case errors.As(err, &errno):
		e.Message = errno.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Message = "the connection ended too early"
	}
	return e
}

// reasonOfRefusal tells a URL that can never be used from one that an entry would permit.
func reasonOfRefusal(refused *dial.RefusedError) failure.Reason {
	if refused.Missing != nil {
		return failure.NotPermitted
	}
	return failure.SourceRefused
}

func isCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func isNameError(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

// Package failure holds the reasons for which a table cannot be read, prepared or
// moved, and the error that carries one. Each reason stands here once; the API's
// conditions take the word over. It imports the standard library only.
package failure

import (
	"fmt"
	"time"
)

// Reason says why a table cannot be prepared or moved. It is a CamelCase word
// fit for a condition.
type Reason string

// The reasons of an Error.
const (
	MissingColumn      Reason = "MissingColumn"
	DuplicateHeader    Reason = "DuplicateHeader"
	ChecksumMismatch   Reason = "ChecksumMismatch"
	TooManyBadRows     Reason = "TooManyBadRows"
	EmptyTable         Reason = "EmptyTable"
	InvalidEncoding    Reason = "InvalidEncoding"
	TooManyBlocks      Reason = "TooManyBlocks"
	BlockTooLarge      Reason = "BlockTooLarge"
	LimitExceeded      Reason = "LimitExceeded"
	FormatInvalid      Reason = "FormatInvalid"
	KeyTooShort        Reason = "KeyTooShort"
	InvalidDelimiter   Reason = "InvalidDelimiter"
	NotPermitted       Reason = "NotPermitted"
	SourceChanged      Reason = "SourceChanged"
	SourceInvalid      Reason = "SourceInvalid"
	SourceNotFound     Reason = "SourceNotFound"
	SourceRefused      Reason = "SourceRefused"
	SourceUnavailable  Reason = "SourceUnavailable"
	PathOutsideRoot    Reason = "PathOutsideRoot"
	SchemeNotAllowed   Reason = "SchemeNotAllowed"
	StorageRefused     Reason = "StorageRefused"
	StorageUnavailable Reason = "StorageUnavailable"
	WorkersFailed      Reason = "WorkersFailed"
)

// Error is why a table cannot be prepared or moved. Message says what to do and
// holds no value, key or signature. A Transient one passes by itself, or, with the
// reason NotPermitted, once somebody permits the storage's host.
// RetryAfter is the wait that the other end asked for, 0 where it asked for none.
type Error struct {
	Reason     Reason
	Message    string
	Transient  bool
	RetryAfter time.Duration
	// Cause is what Unwrap returns: it is safe to print.
	Cause error
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Message }

// Unwrap returns the cause, nil where none is safe to print.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error that only a change mends: not a transient one.
func New(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

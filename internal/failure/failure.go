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

// The reasons of an Error. Each is also a reason of the API.
const (
	MissingColumn      Reason = "MissingColumn"      // the table, or the data store, lacks a column
	DuplicateHeader    Reason = "DuplicateHeader"    // several columns of the header have a wanted name
	ChecksumMismatch   Reason = "ChecksumMismatch"   // the stored bytes are not those that the pin names
	TooManyBadRows     Reason = "TooManyBadRows"     // more rows are bad than the session allows
	EmptyTable         Reason = "EmptyTable"         // there is no good row
	InvalidEncoding    Reason = "InvalidEncoding"    // the bytes are not text of the format's encoding
	TooManyBlocks      Reason = "TooManyBlocks"      // the rows make more blocks than a blob has
	BlockTooLarge      Reason = "BlockTooLarge"      // the rows of one block take too many bytes
	LimitExceeded      Reason = "LimitExceeded"      // a cap of bytes, rows, columns, cells, records or decompression
	FormatInvalid      Reason = "FormatInvalid"      // the format does not fit the bytes, or a rule cannot be used
	KeyTooShort        Reason = "KeyTooShort"        // the key has fewer than 32 bytes
	InvalidDelimiter   Reason = "InvalidDelimiter"   // an ignored delimiter can never match
	NotPermitted       Reason = "NotPermitted"       // neither the upload agent nor the administrator's policy permits it
	SourceChanged      Reason = "SourceChanged"      // the table is not the one that was read first
	SourceInvalid      Reason = "SourceInvalid"      // the URI, the credentials or the source's answer cannot be used
	SourceNotFound     Reason = "SourceNotFound"     // nothing lies at the source
	SourceRefused      Reason = "SourceRefused"      // the credentials do not suffice
	SourceUnavailable  Reason = "SourceUnavailable"  // the network or the source failed; another try may succeed
	PathOutsideRoot    Reason = "PathOutsideRoot"    // a file, or a link on its way, leaves the folder of the namespace
	SchemeNotAllowed   Reason = "SchemeNotAllowed"   // the upload agent does not allow the scheme
	StorageRefused     Reason = "StorageRefused"     // the storage refused a block or the upload URI
	StorageUnavailable Reason = "StorageUnavailable" // the storage does not answer
	WorkersFailed      Reason = "WorkersFailed"      // pods failed
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

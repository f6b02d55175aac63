package transfer

import (
	"errors"
	"fmt"
	"time"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
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
	cause      error
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Message }

// Unwrap returns the cause, where it is safe to print.
func (e *Error) Unwrap() error { return e.cause }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// ReasonOf maps what a source says to a reason.
func ReasonOf(e *source.Error) Reason {
	return map[source.Reason]Reason{
		source.SchemeNotAllowed: SchemeNotAllowed, source.PathOutsideRoot: PathOutsideRoot,
		source.NotFound: SourceNotFound, source.Refused: SourceRefused, source.Unavailable: SourceUnavailable,
		source.NotPermitted: NotPermitted, source.Invalid: SourceInvalid, source.Changed: SourceChanged,
	}[e.Reason]
}

// classify turns what the packages of the way return into an *Error, in the one
// place that knows them all. What it does not know is the network's.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	var fromSource *source.Error
	if errors.As(err, &fromSource) {
		return &Error{Reason: ReasonOf(fromSource), Message: fromSource.Error(), Transient: fromSource.Transient(), RetryAfter: fromSource.RetryAfter, cause: err}
	}
	for _, known := range []func(error) *Error{classifyTable, classifyKey} {
		if e := known(err); e != nil {
			e.cause = err
			return e
		}
	}
	return &Error{Reason: SourceUnavailable, Message: err.Error(), Transient: true, cause: err}
}

func classifyTable(err error) *Error {
	var header *table.HeaderError
	var missing *table.MissingColumnsError
	var content *table.ContentError
	var encoding *table.EncodingError
	var format *table.FormatError
	var limit *table.LimitError
	switch {
	case errors.As(err, &header):
		reason := map[table.HeaderReason]Reason{
			table.HeaderMissing: EmptyTable, table.HeaderMalformed: FormatInvalid, table.TooManyColumns: LimitExceeded,
			table.DuplicateHeader: DuplicateHeader,
		}[header.Reason]
		return refuse(reason, "%s", header.Error())
	case errors.As(err, &missing):
		return refuse(MissingColumn, "%s", missing.Error())
	case errors.As(err, &content):
		return refuse(FormatInvalid, "%s", content.Error())
	case errors.As(err, &encoding):
		return refuse(InvalidEncoding, "%s", encoding.Error())
	case errors.As(err, &format):
		return refuse(FormatInvalid, "spec.source.%s", format.Error())
	case errors.As(err, &limit):
		return refuse(LimitExceeded, "%s", limit.Error())
	}
	return nil
}

func classifyKey(err error) *Error {
	var delimiter *fingerprint.DelimiterError
	switch {
	case errors.Is(err, fingerprint.ErrKeyTooShort):
		return refuse(KeyTooShort, "%s", err.Error())
	case errors.As(err, &delimiter):
		return refuse(FormatInvalid, "data store's %s", delimiter.Error())
	}
	return nil
}

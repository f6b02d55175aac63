package pipeline

import (
	"errors"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// Classify turns what the packages of the way return into an *failure.Error, in the one
// place that knows them all. What it does not know is the network's.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	var done *failure.Error
	if errors.As(err, &done) {
		return err
	}
	var fromSource *source.Error
	if errors.As(err, &fromSource) {
		return &failure.Error{Reason: fromSource.Reason, Message: fromSource.Error(), Transient: fromSource.Transient(), RetryAfter: fromSource.RetryAfter, Cause: err}
	}
	for _, known := range []func(error) *failure.Error{classifyTable, classifyKey} {
		if e := known(err); e != nil {
			e.Cause = err
			return e
		}
	}
	return &failure.Error{Reason: failure.SourceUnavailable, Message: err.Error(), Transient: true, Cause: err}
}

func classifyTable(err error) *failure.Error {
	var header *table.HeaderError
	var missing *table.MissingColumnsError
	var content *table.ContentError
	var encoding *table.EncodingError
	var format *table.FormatError
	var limit *table.LimitError
	switch {
	case errors.As(err, &header):
		reason := map[table.HeaderReason]failure.Reason{
			table.HeaderMissing: failure.EmptyTable, table.HeaderMalformed: failure.FormatInvalid, table.TooManyColumns: failure.LimitExceeded,
			table.DuplicateHeader: failure.DuplicateHeader,
		}[header.Reason]
		return failure.New(reason, "%s", header.Error())
	case errors.As(err, &missing):
		return failure.New(failure.MissingColumn, "%s", missing.Error())
	case errors.As(err, &content):
		return failure.New(failure.FormatInvalid, "%s", content.Error())
	case errors.As(err, &encoding):
		return failure.New(failure.InvalidEncoding, "%s", encoding.Error())
	case errors.As(err, &format):
		return failure.New(failure.FormatInvalid, "spec.source.%s", format.Error())
	case errors.As(err, &limit):
		return failure.New(failure.LimitExceeded, "%s", limit.Error())
	}
	return nil
}

func classifyKey(err error) *failure.Error {
	var delimiter *fingerprint.DelimiterError
	switch {
	case errors.Is(err, fingerprint.ErrKeyTooShort):
		return failure.New(failure.KeyTooShort, "%s", err.Error())
	case errors.As(err, &delimiter):
		return failure.New(failure.FormatInvalid, "data store's %s", delimiter.Error())
	}
	return nil
}

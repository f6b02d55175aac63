package table

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxMessage = 500

// HeaderReason says why the first record cannot be a header.
type HeaderReason string

// HeaderError is a first record that cannot be a header. It shows no cell, save the name of a wanted column: where a table has no
// header, its first record holds values.
type HeaderError struct {
	Reason HeaderReason
	// Positions are the columns at fault, from 1; none for HeaderMissing and HeaderMalformed.
	Positions []int
	detail    string
	todo      string // where more is known than what detail tells
}

// Error says what is wrong and what to do, in at most 500 bytes.
func (e *HeaderError) Error() string {
	switch e.Reason {
	case HeaderMissing:
		return "the table is empty: its first line has to name the columns"
	case HeaderMalformed:
		return "the first line of the table is not a header (" + e.detail + "): " + cmp.Or(e.todo, "check the delimiter and the quotes")
	case TooManyColumns:
		return fmt.Sprintf("the header of the table has %s columns: check the delimiter", e.detail)
	default:
		return bound("the header of the table has " + e.detail + " at columns " + positions(e.Positions) + ": leave that name to one of them")
	}
}

func quoted(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.Len() > maxMessage {
			break // the caller shortens it anyway
		}
		fmt.Fprintf(&b, "%q", shorten(name, 80))
	}
	return b.String()
}

func positions(at []int) string {
	var b strings.Builder
	for i, p := range at {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 20 {
			b.WriteString("…")
			break
		}
		fmt.Fprint(&b, p)
	}
	return b.String()
}

func bound(s string) string { return shorten(s, maxMessage) }

// shorten cuts s to at most n bytes without cutting a character in two.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// The reasons of a HeaderError.
const (
	// HeaderMissing: the table is empty.
	HeaderMissing HeaderReason = "HeaderMissing"
	// HeaderMalformed: the first record is too long, or its quotes are wrong.
	HeaderMalformed HeaderReason = "HeaderMalformed"
	// DuplicateHeader: several columns have the name of a wanted one.
	DuplicateHeader HeaderReason = "DuplicateHeader"
	// TooManyColumns: more columns than Limits.Columns.
	TooManyColumns HeaderReason = "TooManyColumns"
)

// MissingColumnsError is a header without some of the wanted columns.
type MissingColumnsError struct {
	// Missing are the names looked for.
	Missing []string
	// Found is how many of the wanted columns are there.
	Found int
	// Header are the names that are there. It is empty unless all wanted names but one were found: the first line may then be a row
	// of values, which no error may repeat.
	Header []string
	// Columns is how many cells the first line has.
	Columns int
	// NamesLine is the line, from 1, that has all the wanted names; 0 where none is known. The caller sets it.
	NamesLine int64

	hints []string
}

// Error names what is missing and says what to do, in at most 500 bytes.
func (e *MissingColumnsError) Error() string {
	missing := shorten("the header of the table has no column "+quoted(e.Missing), maxMessage*2/5)
	return bound(missing + e.advice())
}

func (e *MissingColumnsError) advice() string {
	switch {
	case e.NamesLine > 1:
		return fmt.Sprintf("; line %d names them: set format.skipLines to %d", e.NamesLine, e.NamesLine-1)
	case len(e.hints) > 0:
		return "; " + strings.Join(e.hints, "; ")
	case len(e.Header) > 0:
		return "; correct the table, or sourceName of the data store's column; the header has " + quoted(e.Header)
	}
	todo := "check that it is the header, and format.delimiter"
	if e.Found > 0 {
		todo = "correct the table, or sourceName of the data store's columns"
	}
	return fmt.Sprintf("; the first line names %d of %d selected columns in %s: %s", e.Found, e.Found+len(e.Missing), counted(e.Columns, "cell"), todo)
}

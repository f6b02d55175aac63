package table

import "fmt"

// BadReason says why a row cannot be used. It is a CamelCase word fit for status.
type BadReason string

// The reasons.
const (
	// WrongNumberOfCells: not as many cells as the header has columns.
	WrongNumberOfCells BadReason = "WrongNumberOfCells"
	// CellTooLong: a cell of more than Limits.CellBytes.
	CellTooLong BadReason = "CellTooLong"
	// RecordTooLong: a record of more than Limits.RecordBytes.
	RecordTooLong BadReason = "RecordTooLong"
	// TooManyLines: a record of more than Format.MaxLinesPerRecord lines.
	TooManyLines BadReason = "TooManyLines"
	// InvalidEncoding: bytes that are not text in the table's encoding.
	InvalidEncoding BadReason = "InvalidEncoding"
	// BareQuote: a quote within a cell that is not quoted, or text after a closing quote.
	BareQuote BadReason = "BareQuote"
	// EscapedQuote: as BareQuote, with a backslash before the quote.
	EscapedQuote BadReason = "EscapedQuote"
	// SpaceBeforeQuote: as BareQuote, with nothing but white space before the quote in its cell.
	SpaceBeforeQuote BadReason = "SpaceBeforeQuote"
	// UnterminatedQuote: a quote that is never closed.
	UnterminatedQuote BadReason = "UnterminatedQuote"
	// SwallowedRows: a quoted cell that seems to hold rows of the table.
	SwallowedRows BadReason = "SwallowedRows"
	// CarriageReturn: a carriage return that ends no line, in a cell without quotes.
	CarriageReturn BadReason = "CarriageReturn"
	// RepeatedHeader: the header once more.
	RepeatedHeader BadReason = "RepeatedHeader"
	// DashedLine: nothing but dashes in every cell.
	DashedLine BadReason = "DashedLine"
	// NULPadding: nothing but NUL bytes.
	NULPadding BadReason = "NULPadding"
	// ByteOrderMark: a byte order mark where a row begins.
	ByteOrderMark BadReason = "ByteOrderMark"

	// blank is no fault: a record without a value.
	blank BadReason = "Blank"
)

// BadRow is the position and the fault of a row that cannot be used. Number counts data rows from 1, bad ones included, blank
// lines and the header not. Line is the line of the text on which the row starts, from 1; 0 where a resumed Reader cannot know it.
// Lines is how many it has, DataLines those of all rows up to and with it.
type BadRow struct {
	Number, Line, Lines, DataLines int64
	Reason                         BadReason
	// Most is the cap that the row breaks, in bytes or, for TooManyLines, in lines; 0 where it breaks none.
	Most int
	// Cells is how many it has, Columns how many the header has; 0 but for WrongNumberOfCells.
	Cells, Columns int
}

// String is, for example, "row 7 (line 9): CellTooLong (over 65536 bytes)".
func (b BadRow) String() string {
	where := fmt.Sprintf("row %d", b.Number)
	if b.Line > 0 {
		where += fmt.Sprintf(" (line %d)", b.Line)
	}
	if b.Reason == WrongNumberOfCells {
		return fmt.Sprintf("%s has %s, the header has %d: %s", where, counted(b.Cells, "cell"), b.Columns, b.Reason)
	}
	return where + ": " + b.fault()
}

// fault is the reason with the cap that is broken.
func (b BadRow) fault() string {
	switch {
	case b.Most == 0:
		return string(b.Reason)
	case b.Reason == TooManyLines:
		return fmt.Sprintf("%s (over %d)", b.Reason, b.Most)
	}
	return fmt.Sprintf("%s (over %d bytes)", b.Reason, b.Most)
}

func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

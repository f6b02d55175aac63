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
	// InvalidEncoding: bytes that are not text in the table's encoding.
	InvalidEncoding BadReason = "InvalidEncoding"
	// BareQuote: a quote within a cell that is not quoted, or text after a closing quote.
	BareQuote BadReason = "BareQuote"
	// UnterminatedQuote: a quote that is never closed.
	UnterminatedQuote BadReason = "UnterminatedQuote"
)

// Row is one data row. Printing a Row prints its position, never its cells.
type Row struct {
	// Cells are valid until the next call of the Reader; nil where Bad is not.
	Cells [][]byte
	// Number counts data rows from 1, bad ones included, blank lines and the header not.
	Number int64
	// Line is the line of the text on which the row starts, from 1; 0 where a resumed Reader cannot know it.
	Line int64
	// Offset and End are the bytes of the decoded text where the row starts and where the next line starts.
	Offset, End int64
	// Bad says why the row cannot be used; nil for a good one.
	Bad *BadRow
}

// String gives the position of the row.
func (r Row) String() string { return BadRow{Number: r.Number, Line: r.Line}.position() }

// GoString keeps the cells out of %#v too.
func (r Row) GoString() string { return "table.Row(" + r.String() + ")" }

// BadRow is the position and the fault of a row that cannot be used.
type BadRow struct {
	Number, Line int64
	Reason       BadReason
}

// String is, for example, "row 7 (line 9): WrongNumberOfCells".
func (b BadRow) String() string { return b.position() + ": " + string(b.Reason) }

func (b BadRow) position() string {
	if b.Line == 0 {
		return fmt.Sprintf("row %d", b.Number)
	}
	return fmt.Sprintf("row %d (line %d)", b.Number, b.Line)
}

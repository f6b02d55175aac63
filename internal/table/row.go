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

// BadRow is the position and the fault of a row that cannot be used. Number counts data rows from 1, bad ones included, blank
// lines and the header not. Line is the line of the text on which the row starts, from 1; 0 where a resumed Reader cannot know it.
// Max is the cap in bytes that the row breaks; 0 where it breaks none.
type BadRow struct {
	Number, Line int64
	Reason       BadReason
	Max          int
}

// String is, for example, "row 7 (line 9): CellTooLong (over 65536 bytes)".
func (b BadRow) String() string {
	where, reason := fmt.Sprintf("row %d", b.Number), string(b.Reason)
	if b.Line > 0 {
		where += fmt.Sprintf(" (line %d)", b.Line)
	}
	if b.Max > 0 {
		reason += fmt.Sprintf(" (over %d bytes)", b.Max)
	}
	return where + ": " + reason
}

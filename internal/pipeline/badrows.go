package pipeline

import (
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/table"
)

// add counts a row that is left out.
func (b *BadRows) add(bad table.BadRow) {
	b.Count++
	b.Lines += bad.Lines
	if len(b.Samples) < maxSamples {
		b.Samples = append(b.Samples, bad.String())
	}
	if hint := hintFor(bad); hint != "" && !slices.Contains(b.hints, hint) && len(b.hints) < maxHints {
		b.hints = append(b.hints, hint)
	}
}

// maxHints bounds the advice of one message.
const maxHints = 3

// advice says what may make the bad rows good.
func (b *BadRows) advice() string {
	return strings.Join(append(slices.Clone(b.hints), "correct these rows or allow more"), "; ")
}

// hintFor says what makes many rows of one reason bad at once, "" where nothing but the row itself can be told.
func hintFor(bad table.BadRow) string {
	const quoting = "set spec.source.format.quoting to None where a quote is an ordinary character"
	switch bad.Reason {
	case table.BareQuote, table.UnterminatedQuote:
		return quoting
	case table.SwallowedRows:
		return "a quoted cell appears to contain rows: set spec.source.format.quoting to None where a quote is an ordinary character, or to RFC4180 where the cell is intended"
	case table.TooManyLines:
		return "raise spec.source.format.maxLinesPerRecord where cells have that many lines; " + quoting
	case table.EscapedQuote:
		return "there is a backslash before a quote: write a quote within a cell twice, without a backslash"
	case table.SpaceBeforeQuote:
		return "there is white space before an opening quote: remove it; " + quoting
	case table.InvalidEncoding:
		return "set spec.source.format.encoding (Windows-1252 is never guessed), or save the table as UTF-8"
	case table.CarriageReturn:
		return "a carriage return (CR) alone does not end a line: save the table with LF or CRLF, or put the cell into quotes"
	case table.RepeatedHeader, table.ByteOrderMark:
		return "where exports were joined, keep the header and the byte order mark of the first one only"
	case table.WrongNumberOfCells:
		if bad.Cells < bad.Columns {
			return "set spec.source.format.shortRows to Pad where empty cells at the end of a row are left out"
		}
	}
	return ""
}

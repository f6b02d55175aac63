// Package table turns the bytes of a delimited table into rows.
//
// Decode undoes compression and encoding; a Reader splits the text into records as RFC 4180 has them and remembers where
// each begins and ends, so that another Reader can go on in the middle. Memory is bounded by Limits.RecordBytes whatever
// the input. Nothing here ever puts a cell into an error: bad rows are told by position.
package table

import (
	"fmt"

	"exactmatch.dev/operator/internal/schema"
)

// Encoding is how the text of a table is encoded. The zero value is EncodingAuto.
type Encoding string

// The encodings.
const (
	// EncodingAuto is UTF-8, or UTF-16 where a byte order mark says so.
	EncodingAuto Encoding = "Auto"
	// EncodingUTF8 is UTF-8 with or without a byte order mark.
	EncodingUTF8 Encoding = "UTF-8"
	// EncodingUTF16 is UTF-16; the byte order mark is required.
	EncodingUTF16 Encoding = "UTF-16"
	// EncodingWindows1252 is Western European Windows, which nothing in the bytes gives away: it is never guessed.
	EncodingWindows1252 Encoding = "Windows-1252"
)

// Compression is how the stored bytes are compressed. The zero value is CompressionAuto.
type Compression string

// The compressions.
const (
	// CompressionAuto looks at the first bytes, never at a name.
	CompressionAuto Compression = "Auto"
	// CompressionNone takes the bytes as they are.
	CompressionNone Compression = "None"
	// CompressionGzip is gzip with any number of members.
	CompressionGzip Compression = "Gzip"
	// CompressionZstd is Zstandard with any number of frames and a window of at most 32 MiB.
	CompressionZstd Compression = "Zstd"
)

// DefaultDelimiter stands for the zero value of Format.Delimiter.
const DefaultDelimiter = ','

// Quoting is what a quote means. The zero value is QuotingAuto.
type Quoting string

// The ways to quote.
const (
	// QuotingAuto is QuotingRFC4180, but that a record is bad (SwallowedRows) whose quoted cell seems to hold rows.
	QuotingAuto Quoting = "Auto"
	// QuotingRFC4180 lets a cell that begins with a quote go on until the next quote that is not doubled, over line ends too.
	QuotingRFC4180 Quoting = "RFC4180"
	// QuotingNone takes a quote as a character, as text/tab-separated-values does.
	QuotingNone Quoting = "None"
)

// ShortRows is what becomes of rows that have fewer cells than the header. The zero value is ShortRowsBad.
type ShortRows string

// The ways to take short rows.
const (
	ShortRowsBad ShortRows = "Bad"
	// ShortRowsPad takes the cells at the end that are not there as empty ones.
	ShortRowsPad ShortRows = "Pad"
)

// The bounds of Format's numbers. DefaultMaxLinesPerRecord stands for the zero value.
const (
	DefaultMaxLinesPerRecord = schema.DefaultMaxLinesPerRecord
	MostLinesPerRecord       = 10_000
	MostSkippedLines         = 1000
)

// Format says how to read the stored bytes. The zero value is a comma, and Auto and the defaults for the rest.
type Format struct {
	// Delimiter is one ASCII byte that is not a quote, a line end or NUL; 0 means DefaultDelimiter.
	Delimiter   byte
	Encoding    Encoding
	Compression Compression
	Quoting     Quoting
	// MaxLinesPerRecord caps the lines of one record, 1 to MostLinesPerRecord; a longer one is given up. 0 means DefaultMaxLinesPerRecord.
	MaxLinesPerRecord int
	// SkipLines is how many lines stand before the header, 0 to MostSkippedLines.
	SkipLines int
	ShortRows ShortRows
}

func (f Format) withDefaults() Format {
	if f.Delimiter == 0 {
		f.Delimiter = DefaultDelimiter
	}
	if f.Quoting == "" {
		f.Quoting = QuotingAuto
	}
	if f.MaxLinesPerRecord == 0 {
		f.MaxLinesPerRecord = DefaultMaxLinesPerRecord
	}
	if f.ShortRows == "" {
		f.ShortRows = ShortRowsBad
	}
	return f
}

// Validate returns a *FormatError naming the first field that cannot be used.
func (f Format) Validate() error {
	if err := checkDelimiter(f.Delimiter); err != nil {
		return err
	}
	switch f.Encoding {
	case "", EncodingAuto, EncodingUTF8, EncodingUTF16, EncodingWindows1252:
	default:
		return &FormatError{Field: "encoding", Message: "use Auto, UTF-8, UTF-16 or Windows-1252"}
	}
	switch f.Compression {
	case "", CompressionAuto, CompressionNone, CompressionGzip, CompressionZstd:
	default:
		return &FormatError{Field: "compression", Message: "use Auto, None, Gzip or Zstd"}
	}
	return f.validateRows()
}

// validateRows checks what a Reader takes of a format.
func (f Format) validateRows() error {
	switch f.Quoting {
	case "", QuotingAuto, QuotingRFC4180, QuotingNone:
	default:
		return &FormatError{Field: "quoting", Message: "use Auto, RFC4180 or None"}
	}
	switch f.ShortRows {
	case "", ShortRowsBad, ShortRowsPad:
	default:
		return &FormatError{Field: "shortRows", Message: "use Bad or Pad"}
	}
	if f.MaxLinesPerRecord < 0 || f.MaxLinesPerRecord > MostLinesPerRecord {
		return &FormatError{Field: "maxLinesPerRecord", Message: fmt.Sprintf("use 1 to %d", MostLinesPerRecord)}
	}
	if f.SkipLines < 0 || f.SkipLines > MostSkippedLines {
		return &FormatError{Field: "skipLines", Message: fmt.Sprintf("use 0 to %d", MostSkippedLines)}
	}
	return nil
}

func checkDelimiter(d byte) error {
	if d >= 0x80 || d == '"' || d == '\r' || d == '\n' {
		return &FormatError{Field: "delimiter", Message: "use one ASCII character that is not a quote or a line end"}
	}
	return nil
}

// Limits bound what a table may be. A zero or negative value means no cap, except for Columns, CellBytes and RecordBytes, where it
// means the default: a Reader's memory is always bounded.
type Limits struct {
	// Bytes caps the decompressed bytes.
	Bytes int64
	// Rows caps the data rows, good and bad ones.
	Rows int64
	// Columns caps the columns of the header.
	Columns int
	// CellBytes caps one cell in bytes of UTF-8; a longer one makes a bad row.
	CellBytes int
	// RecordBytes caps one record with its line end in bytes of UTF-8; a longer one makes a bad row.
	RecordBytes int
	// DecompressionRatio caps decompressed bytes per stored byte; it is judged from 1 MiB of output on.
	DecompressionRatio int
}

// DefaultLimits caps no bytes and no rows, 1024 columns, cells of 64 KiB, records of 1 MiB, and a ratio of 200.
func DefaultLimits() Limits {
	return Limits{Columns: 1024, CellBytes: 64 << 10, RecordBytes: 1 << 20, DecompressionRatio: 200}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Columns <= 0 {
		l.Columns = d.Columns
	}
	if l.CellBytes <= 0 {
		l.CellBytes = d.CellBytes
	}
	if l.RecordBytes <= 0 {
		l.RecordBytes = d.RecordBytes
	}
	return l
}

// FormatError is a Format that cannot be used. Field is the name of the field in the API, such as delimiter.
type FormatError struct{ Field, Message string }

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("format.%s cannot be used: %s", e.Field, e.Message)
}

// EncodingError is a table whose bytes are not what the format says; it says what to do.
type EncodingError struct{ Message string }

// Error implements error.
func (e *EncodingError) Error() string { return e.Message }

// LimitError is a table beyond a cap. Limit is the name of a field of Limits, Max its value.
type LimitError struct {
	Limit string
	Max   int64
}

// Error implements error.
func (e *LimitError) Error() string {
	switch e.Limit {
	case "Bytes":
		return fmt.Sprintf("the table has more than the %d bytes (decompressed) that are allowed: split it, or remove columns that are not hashed", e.Max)
	case "DecompressionRatio":
		return fmt.Sprintf("the table decompresses to more than %d times its stored size: store it with less or no compression", e.Max)
	default:
		return fmt.Sprintf("the table has more than the %d rows that are allowed: split it into several data stores", e.Max)
	}
}

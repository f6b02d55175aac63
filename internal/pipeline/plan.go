// Package pipeline joins the steps of the table's way: it prepares a source
// (one pass that costs nothing remotely) and moves the blocks that the service
// does not have yet. It runs in the manager, in a bounded Pool.
package pipeline

import (
	"math"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// Limits of one session. MaxBlocks is Azure's limit of blocks in one blob.
const (
	MaxBlocks  = 50_000
	MaxStripes = 32
	maxSamples = 10
)

// Plan is a plan with what it is carried out on. Limits without a value are those
// of defaultLimits; Key is the data store's secret (never logged).
type Plan struct {
	plan.Plan
	Source source.Source
	Key    []byte
	Limits table.Limits
}

// BadRows counts the rows that are left out, and their lines. Samples are the
// first positions with reasons, at most ten, never values.
type BadRows struct {
	Count, Lines int64
	Samples      []string

	hints []string // what may make them good
}

// Stripe is a run of consecutive blocks that is read and checked by itself.
// Offset and Bytes are stored bytes; Bytes is -1 for "to the end". Row is the
// number of the first row in the source, FirstRow its number among the good ones.
type Stripe struct {
	FirstBlock, Blocks int
	FirstRow, Row      int64
	Offset, Bytes      int64
	// Sum is the CRC-64/NVME over those of its blocks, each over its good rows as
	// they stand in the decoded text.
	Sum uint64
}

// Prepared is what one reading of the source found out. Checksum and Content are
// "sha256:" and 64 hexadecimal digits: of the stored bytes and of the cells of the
// fields. ContentKey is "content/v2:sha256:" and 64 hexadecimal digits: of
// everything that decides the blocks.
type Prepared struct {
	Checksum, Content, ContentKey, KeyID string
	Rows, Bytes                          int64
	Blocks                               int
	BadRows                              BadRows
	// BlankLines hold no value, SkippedLines stand before the header.
	BlankLines, SkippedLines int64
	// TrailingBytes of the stored ones stand behind the compressed table and were left out.
	TrailingBytes int64
	Stripes       []Stripe
	// Columns are the searchable ones, in the order of the fields.
	Columns []ColumnQuality

	shape     table.Shape
	positions []int // of the fields in a row
	striped   bool  // stripes can be read from their offsets
}

// KeyID names a store's key without revealing it. It fails where the key is too
// short.
func KeyID(key []byte, store string) (string, error) {
	k, err := fingerprint.NewKey(key)
	if err != nil {
		return "", err
	}
	return k.ID(store).String(), nil
}

// CheckDelimiters finds an ignored delimiter of a data store's columns that can
// never match. It fails with an *failure.Error that says which, why, and what to give.
// A plan is not refused for one, since it is the data store that has to be corrected.
func CheckDelimiters(columns []schema.Column) error {
	for _, c := range columns {
		if err := fingerprint.CheckDelimiters(c); err != nil {
			return failure.New(failure.InvalidDelimiter, "spec.columns: %s", err)
		}
	}
	return nil
}

// Tokens hashes plain values as the column of the store would hold them, for
// lookups. A value that is empty after normalisation has the zero token.
func Tokens(key []byte, store string, c schema.Column, values []string) ([]fingerprint.Token, error) {
	k, err := fingerprint.NewKey(key)
	if err != nil {
		return nil, err
	}
	h, err := k.Hasher(store, c)
	if err != nil {
		return nil, err
	}
	tokens := make([]fingerprint.Token, 0, len(values))
	for _, v := range values {
		tokens = append(tokens, fingerprint.Token(h.AppendToken(nil, []byte(v))))
	}
	return tokens, nil
}

// What a table may be at most where its plan says nothing: as many rows as the
// service can index, and a size that only a source without an end reaches.
const (
	maxRows  = math.MaxUint32
	maxBytes = 1 << 40
)

// limits are the plan's, so that no table is read without a cap.
func (p Plan) limits() table.Limits {
	if p.Limits != (table.Limits{}) {
		return p.Limits
	}
	l := table.DefaultLimits()
	l.Rows, l.Bytes = maxRows, maxBytes
	return l
}

// format translates the API's words.
func (p Plan) format() table.Format {
	f := table.Format{
		Encoding: table.Encoding(p.Format.Encoding), Compression: table.Compression(p.Format.Compression),
		Quoting: table.Quoting(p.Format.Quoting), ShortRows: table.ShortRows(p.Format.ShortRows),
		MaxLinesPerRecord: p.Format.MaxLinesPerRecord, SkipLines: p.Format.SkipLines,
	}
	if p.Format.Delimiter != "" {
		f.Delimiter = p.Format.Delimiter[0]
	}
	return f
}

// ReadMemory is about what the pieces of text take, in bytes, that are read ahead
// for one block, or by Prepare: a few of 128 KiB, with the places of their cells.
const ReadMemory = 4 << 20

// memoMemory is what one worker's hashers may keep of tokens that come again.
const memoMemory = 8 << 20

// BlockMemory is about the most bytes that one block takes while it is made.
func (p Plan) BlockMemory() int64 {
	return ReadMemory + memoMemory + int64(block.SizeBound(p.RowsPerBlock, len(p.Columns)))
}

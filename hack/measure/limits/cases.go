package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/block"
)

// The limits of memory that README.md states: of the process that reads, hashes
// and uploads under the manager's default budget, and of the service.
const (
	managerLimit = 512 << 20
	serviceLimit = 768 << 20
)

// largestRows make a block of 32 fields as large as it may be.
var largestRows = block.LargestRowsPerBlock(wideColumns)

// sizes are those of a run.
type sizes struct {
	Table, Line, Cell, Bomb int64
	Blocks, Parallel, Large int
	// LargestRows make the largest block.
	LargestRows int
}

func sizesOf(o options) sizes {
	if o.quick {
		return sizes{Table: 64e6, Line: 64 << 20, Cell: 8 << 20, Bomb: 256 << 20, Blocks: 500, Parallel: 8, Large: 1, LargestRows: largestRows}
	}
	return sizes{Table: 10e9, Line: 1 << 30, Cell: 64 << 20, Bomb: 10 << 30, Blocks: 50_000, Parallel: 32, Large: 12, LargestRows: largestRows}
}

// limitCase is one thing that is too large, or as large as may be. Says are the
// words of the refusal, none where it is taken.
type limitCase struct {
	Name, Cap string
	Says      []string
	// Table is read by a child where it is set; Upload takes it until it is live.
	Table  *tableSpec
	Upload bool
	// Service is asked where it is set, and gives its refusal.
	Service func(context.Context, *remote) (string, error) `json:"-"`
}

// result is what one case found. Memory is 0 where the process was not needed.
type result struct {
	Case             limitCase
	Refusal          string
	Rows, Bytes      int64
	Manager, Service int64
	Took             time.Duration
	Fault            string
}

func casesOf(s sizes) []limitCase {
	return append(tableCases(s), serviceCases(s)...)
}

func tableCases(s sizes) []limitCase {
	return []limitCase{
		{
			Name: fmt.Sprintf("a table of %s", size(s.Table)), Cap: "1 TiB decompressed, 4,294,967,295 rows",
			Table: &tableSpec{Kind: kindRows, Size: s.Table, RowsPerBlock: 100_000}, Upload: true,
		},
		{
			Name: fmt.Sprintf("%d blocks", s.Blocks), Cap: "50,000 blocks",
			Table: &tableSpec{Kind: kindRows, Size: sizeOfRows(kindRows, s.Blocks), RowsPerBlock: 1}, Upload: true,
		},
		{
			Name: fmt.Sprintf("32 fields in %d blocks of 64 MiB", s.Large), Cap: "block 64 MiB, --transfer-memory 256 MiB", Upload: true,
			Table: &tableSpec{Kind: kindWide, Size: sizeOfRows(kindWide, s.Large*s.LargestRows), RowsPerBlock: s.LargestRows, Fields: wideColumns},
		},
		{
			Name: "50,001 blocks", Cap: "50,000 blocks", Says: []string{"TooManyBlocks", "50001 blocks of 1", "at most 50000 blocks", "give spec.rowsPerBlock at least 2"},
			Table: &tableSpec{Kind: kindRows, Size: sizeOfRows(kindRows, 50_001), RowsPerBlock: 1},
		},
		{
			Name: fmt.Sprintf("a line of %s", size(s.Line)), Cap: "record 1 MiB", Says: []string{"TooManyBadRows", "row 1 (line 2): RecordTooLong (over 1048576 bytes)", "correct these rows"},
			Table: &tableSpec{Kind: kindLine, Size: s.Line, RowsPerBlock: 1000},
		},
		{
			Name: fmt.Sprintf("a first line of %s", size(s.Line)), Cap: "record 1 MiB", Says: []string{"FormatInvalid", "RecordTooLong (over 1048576 bytes)", "check the delimiter and the quotes"},
			Table: &tableSpec{Kind: kindHeader, Size: s.Line, RowsPerBlock: 1000},
		},
		{
			Name: fmt.Sprintf("a cell of %s", size(s.Cell)), Cap: "record 1 MiB", Says: []string{"TooManyBadRows", "row 1 (line 2): RecordTooLong (over 1048576 bytes)"},
			Table: &tableSpec{Kind: kindCell, Size: s.Cell, RowsPerBlock: 1000},
		},
		{
			Name: "a cell of 100 KB", Cap: "cell 64 KiB", Says: []string{"TooManyBadRows", "row 1 (line 2): CellTooLong (over 65536 bytes)"},
			Table: &tableSpec{Kind: kindCell, Size: 100e3, RowsPerBlock: 1000},
		},
		{
			Name: "a gzip bomb", Cap: "200 times the stored size", Says: []string{"LimitExceeded", "more than 200 times its stored size", "less or no compression"},
			Table: &tableSpec{Kind: kindBomb, Size: s.Bomb, RowsPerBlock: 1000},
		},
		{
			Name: "1,025 columns in the table", Cap: "1,024 columns of a table", Says: []string{"LimitExceeded", "more than 1024 columns", "check the delimiter"},
			Table: &tableSpec{Kind: kindColumns, Size: 1025, RowsPerBlock: 1000},
		},
		{
			Name: "33 fields", Cap: "32 fields", Says: []string{"LimitExceeded", "33 fields", "at most 32"},
			Table: &tableSpec{Kind: kindColumns, Size: 33, Fields: 33, RowsPerBlock: 1000},
		},
	}
}

func serviceCases(s sizes) []limitCase {
	return []limitCase{
		{Name: "33 columns in a data store", Cap: "32 columns of a store", Says: []string{"columns has 33 entries and may have 1 to 32"}, Service: wideStore},
		{Name: "33 fields in a session", Cap: "32 fields", Says: []string{"fields has 33 entries and may have 1 to 32"}, Service: wideSession},
		{Name: "50,001 blocks in a session", Cap: "50,000 blocks", Says: []string{"totalBlockCount is 1 to 50000", "raise rowsPerBlock"}, Service: longSession},
		{Name: "a block of 64 MiB and a byte", Cap: "block 64 MiB", Says: []string{"RequestBodyTooLarge", "67108865 bytes and may have 67108864", "lower rowsPerBlock"}, Service: largeBlock},
		{
			Name: fmt.Sprintf("%d blocks of 64 MiB at once", s.Parallel), Cap: "--upload-memory 256 MiB, others wait",
			Service: func(ctx context.Context, r *remote) (string, error) {
				return "", parallelBlocks(ctx, r, s.LargestRows, s.Parallel)
			},
		},
		{Name: "a body of 2 MiB", Cap: "body 1 MiB", Says: []string{"RequestEntityTooLarge", "exceeds 1048576 bytes"}, Service: largeBody},
	}
}

// judge holds a result against the case.
func (c limitCase) judge(r result) error {
	var wrong []error
	if len(c.Says) == 0 && r.Refusal != "" {
		wrong = append(wrong, fmt.Errorf("it is refused: %s", r.Refusal))
	}
	for _, words := range c.Says {
		if !strings.Contains(r.Refusal, words) {
			wrong = append(wrong, fmt.Errorf("the refusal does not say %q: %q", words, r.Refusal))
		}
	}
	for name, over := range map[string]bool{"the manager's side": r.Manager > managerLimit, "the service": r.Service > serviceLimit} {
		if over {
			wrong = append(wrong, fmt.Errorf("%s takes more memory than is stated", name))
		}
	}
	return errors.Join(wrong...)
}

// size is a number of bytes for people: tables are powers of ten, the rest of two.
func size(n int64) string {
	switch {
	case n >= 1e9 && n%1e9 == 0:
		return fmt.Sprintf("%d GB", n/1e9)
	case n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1e6 && n%1e6 == 0:
		return fmt.Sprintf("%d MB", n/1e6)
	default:
		return fmt.Sprintf("%d MiB", n>>20)
	}
}

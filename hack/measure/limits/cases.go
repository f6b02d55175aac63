package main

import (
	"context"
	"fmt"
)

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
			Name: "50,001 blocks", Cap: "50,000 blocks", Says: []string{"TooManyBlocks", "50001 blocks of 1", "at most 50000 blocks", "spec.rowsPerBlock", "at least 2"},
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
		{Name: "33 columns in a data store", Cap: "32 columns of a store", Says: []string{"columns has 33 entries", "1 to 32"}, Service: wideStore},
		{Name: "33 fields in a session", Cap: "32 fields", Says: []string{"fields has 33 entries", "1 to 32"}, Service: wideSession},
		{Name: "50,001 blocks in a session", Cap: "50,000 blocks", Says: []string{"totalBlockCount", "1 to 50000", "raise rowsPerBlock"}, Service: longSession},
		{Name: "a block of 64 MiB and a byte", Cap: "block 64 MiB", Says: []string{"RequestBodyTooLarge", "67108865 bytes", "67108864", "lower rowsPerBlock"}, Service: largeBlock},
		{
			Name: fmt.Sprintf("%d blocks of 64 MiB at once", s.Parallel), Cap: "--upload-memory 256 MiB, others wait",
			Service: func(ctx context.Context, r *remote) (string, error) {
				return "", parallelBlocks(ctx, r, s.LargestRows, s.Parallel)
			},
		},
		{Name: "a body of 2 MiB", Cap: "body 1 MiB", Says: []string{"RequestEntityTooLarge", "exceeds 1048576 bytes"}, Service: largeBody},
	}
}

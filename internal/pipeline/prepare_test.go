package pipeline_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit/tables"
)

func TestPrepareCountsAndSums(t *testing.T) {
	text := "ID,Mail,Extra\n1,a@x,no\n2,b@x,no\nbad,row\n3,\"c\n@x\",no\n"
	plan := tables.Plan(text, 2)
	plan.BadRows.MaxPercent = 25
	p := tables.Prepare(t, plan)
	sum := sha256.Sum256([]byte(text))
	if want := "sha256:" + hex.EncodeToString(sum[:]); p.Checksum != want {
		t.Errorf("the checksum is %s; sha256sum prints %s", p.Checksum, want)
	}
	if p.Rows != 3 || p.Blocks != 2 || p.Bytes != int64(len(text)) {
		t.Errorf("%d rows in %d blocks out of %d bytes", p.Rows, p.Blocks, p.Bytes)
	}
	if p.BadRows.Count != 1 || len(p.BadRows.Samples) != 1 || !strings.Contains(p.BadRows.Samples[0], "row 3 (line 4)") {
		t.Errorf("bad rows: %+v", p.BadRows)
	}
	if strings.Contains(strings.Join(p.BadRows.Samples, ""), "bad,") {
		t.Error("a sample shows a value")
	}
}

func TestPrepareReportsOnSearchableColumns(t *testing.T) {
	plan := tables.Plan("City,Mail,ID\nOslo,a@x,1\nbad,row\nOslo, ,2\nOslo,a@x,2\n", 2)
	plan.BadRows.MaxPercent = 50
	plan.Columns = []schema.Column{{Name: "ID", IsSearchable: true}, {Name: "City"}, {Name: "Mail", IsSearchable: true}}
	want := []pipeline.ColumnQuality{
		{Name: "ID", Rows: 3, Distinct: 2, LargestRepetition: 2, Short: 3},
		{Name: "Mail", Rows: 3, Empty: 1, Distinct: 1, LargestRepetition: 2, Short: 2},
	}
	if got := tables.Prepare(t, plan).Columns; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	plan.Columns = plan.Columns[1:2]
	if got := tables.Prepare(t, plan).Columns; len(got) != 0 {
		t.Errorf("a column that nobody searches for is reported on: %+v", got)
	}
}

// What is the same table in another dress has the same content; what decides
// the blocks decides the content key.
func TestContentAndContentKey(t *testing.T) {
	text := "ID,Mail\n1,a@x\n2,b@x\n"
	base := tables.Prepare(t, tables.Plan(text, 1))
	with := func(change func(*pipeline.Plan)) *pipeline.Prepared {
		plan := tables.Plan(text, 1)
		change(&plan)
		return tables.Prepare(t, plan)
	}
	bytesOf := func(text string) func(*pipeline.Plan) {
		return func(p *pipeline.Plan) { p.Source = source.Bytes("people.csv", []byte(text)) }
	}
	for name, tc := range map[string]struct {
		got              *pipeline.Prepared
		content, decides bool // the same content, another content key
	}{
		"line ends":     {with(bytesOf("ID,Mail\r\n1,a@x\r\n2,b@x")), true, false},
		"quotes":        {with(bytesOf("ID,Mail\n\"1\",\"a@x\"\n2,b@x\n")), true, false},
		"compression":   {with(bytesOf(tables.Gzip(t, text))), true, false},
		"extra columns": {with(bytesOf("X,ID,Mail\n,1,a@x\n,2,b@x\n")), true, false},
		"a cell":        {with(bytesOf("ID,Mail\n1,a@x\n2,c@x\n")), false, true},
		"cells' bounds": {with(bytesOf("ID,Mail\n1a,@x\n2,b@x\n")), false, true},
		"rows' order":   {with(bytesOf("ID,Mail\n2,b@x\n1,a@x\n")), false, true},
		"rows a block":  {with(func(p *pipeline.Plan) { p.RowsPerBlock = 2 }), true, true},
		"key":           {with(func(p *pipeline.Plan) { p.Key = []byte("another key for tests of 32 bytes or more") }), true, true},
		"column's rule": {with(func(p *pipeline.Plan) { p.Columns[1].IsCaseInsensitive = false }), true, true},
		"delimiters":    {with(func(p *pipeline.Plan) { p.Columns[0].IgnoredDelimiters = []string{"-"} }), true, true},
		"store":         {with(func(p *pipeline.Plan) { p.Store = "other" }), true, true},
		"searchable":    {with(func(p *pipeline.Plan) { p.Columns[1].IsSearchable = true }), true, true},
		"no delimiters": {with(func(p *pipeline.Plan) { p.Columns[0].IgnoredDelimiters = []string{} }), true, false},
		"header":        {with(func(p *pipeline.Plan) { p.Columns[0].SourceName = "ID" }), true, false},
		"fields":        {with(func(p *pipeline.Plan) { p.Columns = p.Columns[:1] }), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			if same := tc.got.Content == base.Content; same != tc.content {
				t.Errorf("the same content: %t", same)
			}
			if other := tc.got.ContentKey != base.ContentKey; other != tc.decides {
				t.Errorf("another content key: %t", other)
			}
		})
	}
}

func TestPrepareRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		change func(*pipeline.Plan)
		reason failure.Reason
		words  string
	}{
		"missing column":   {"ID\n1\n", nil, failure.MissingColumn, "Mail"},
		"duplicate header": {"ID,Mail,ID\n1,2,3\n", nil, failure.DuplicateHeader, "columns 1, 3"},
		"empty":            {"ID,Mail\n", nil, failure.EmptyTable, "no row"},
		"all bad":          {"ID,Mail\n1\n", func(p *pipeline.Plan) { p.BadRows.MaxPercent = 100 }, failure.EmptyTable, "1 bad"},
		"pin":              {"ID,Mail\n1,2\n", func(p *pipeline.Plan) { p.Pin = "sha256:00" }, failure.ChecksumMismatch, "spec.checksum"},
		"short key":        {"ID,Mail\n1,2\n", func(p *pipeline.Plan) { p.Key = []byte("short") }, failure.KeyTooShort, "32"},
		"bad rows":         {"ID,Mail\n1,2\n1\n", nil, failure.TooManyBadRows, "row 2"},
		"bad rows soon":    {"ID,Mail\n1\n" + strings.Repeat("1,2\n", 100), func(p *pipeline.Plan) { p.BadRows.MinSample = 1 }, failure.TooManyBadRows, "1 of the first 1 lines of data"},
		"too many blocks":  {tables.CSV(pipeline.MaxBlocks + 1), func(p *pipeline.Plan) { p.RowsPerBlock = 1 }, failure.TooManyBlocks, "at least 2"},
		"block too large":  {"ID,Mail\n1,2\n", func(p *pipeline.Plan) { p.RowsPerBlock = 1 << 40 }, failure.BlockTooLarge, "at most"},
		"long cell":        {"ID,Mail\n1," + strings.Repeat("x", 64<<10+1) + "\n", nil, failure.TooManyBadRows, "row 1 (line 2): CellTooLong (over 65536 bytes); correct"},
		"long record":      {"ID,Mail\n1,2\n1,\"" + strings.Repeat("x", 1<<20) + "\"\n", nil, failure.TooManyBadRows, "row 2 (line 3): RecordTooLong (over 1048576 bytes); correct"},
		"long header":      {strings.Repeat("x", 1<<20+1) + "\n", nil, failure.FormatInvalid, "RecordTooLong (over 1048576 bytes)"},
		"wide header":      {strings.Repeat("x,", 1024) + "x\n", nil, failure.LimitExceeded, "more than 1024 columns: check the delimiter"},
		"gzip bomb":        {tables.Gzip(t, "ID,Mail\n"+strings.Repeat("1,2\n", 4<<20)), nil, failure.LimitExceeded, "more than 200 times its stored size: store it"},
		"not compressed":   {"ID,Mail\n1,2\n", func(p *pipeline.Plan) { p.Format.Compression = "Gzip" }, failure.InvalidEncoding, "format.compression"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := tables.Plan(tc.text, 1000)
			if tc.change != nil {
				tc.change(&plan)
			}
			_, err := pipeline.Prepare(t.Context(), plan)
			var e *failure.Error
			if !errors.As(err, &e) || e.Reason != tc.reason || e.Transient {
				t.Fatalf("want %s for good, got %v", tc.reason, err)
			}
			if !strings.Contains(e.Message, tc.words) {
				t.Errorf("%q does not say %q", e.Message, tc.words)
			}
		})
	}
}

func TestStripesCoverTheTable(t *testing.T) {
	for _, tc := range []struct{ rows, rowsPerBlock, stripes int }{{1, 10, 1}, {100, 10, 10}, {1000, 10, 32}, {1001, 10, 32}} {
		p := tables.Prepare(t, tables.Plan(tables.CSV(tc.rows), tc.rowsPerBlock))
		if len(p.Stripes) != tc.stripes {
			t.Errorf("%d rows make %d stripes, want %d", tc.rows, len(p.Stripes), tc.stripes)
		}
		next, end := 0, p.Stripes[0].Offset
		for _, s := range p.Stripes {
			if s.FirstBlock != next || s.Offset != end {
				t.Fatalf("a stripe begins with block %d at %d, the one before ended with %d at %d", s.FirstBlock, s.Offset, next, end)
			}
			next, end = next+s.Blocks, s.Offset+s.Bytes
		}
		if next != p.Blocks || end != p.Bytes {
			t.Errorf("the stripes end with block %d of %d, byte %d of %d", next, p.Blocks, end, p.Bytes)
		}
	}
	if p := tables.Prepare(t, tables.Plan(tables.Gzip(t, tables.CSV(100)), 10)); len(p.Stripes) != 1 {
		t.Errorf("a compressed source has %d stripes, want 1", len(p.Stripes))
	}
}

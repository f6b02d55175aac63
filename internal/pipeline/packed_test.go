package pipeline

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

func handedOver(text []byte) Plan {
	return Plan{
		Plan: plan.Plan{
			Store: "people", RowsPerBlock: 7, Columns: []schema.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"}}, BadRows: plan.BadRowsAllowance{MaxPercent: 50, MinSample: 1000},
		},
		Source: source.Bytes("people.csv", text), Key: []byte("0123456789abcdef0123456789abcdef"),
	}
}

func packedTable() []byte {
	odd := []string{"", "", "", "", "\u200b", "\ufffd", "Ã¼"} // make the column's numbers unlike each other
	var text bytes.Buffer
	text.WriteString("City,ID,Mail\n")
	for i := range 500 {
		fmt.Fprintf(&text, "Oslo,%d,p%d@example.com%s\n", i, i%9, odd[i%len(odd)])
		if i%100 == 7 {
			text.WriteString("too,few\n")
		}
	}
	return text.Bytes()
}

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackedKeepsEverything(t *testing.T) {
	for name, text := range map[string][]byte{"plain": packedTable(), "gzip": zipped(t, packedTable())} {
		plan := handedOver(text)
		prepared, err := Prepare(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		got, err := plan.Unpack(prepared.Pack())
		prepared.BadRows.hints = nil // they have been told where the allowance was broken
		if err != nil || !reflect.DeepEqual(got, prepared) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, prepared)
		}
		if prepared.Striped() != (name == "plain") {
			t.Errorf("%s: striped %t", name, prepared.Striped())
		}
	}
}

func TestPackedOfAnotherTableIsRefused(t *testing.T) {
	plan := handedOver(packedTable())
	prepared, err := Prepare(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	packed := prepared.Pack()
	otherKey, otherRows, fewer := plan, plan, plan
	otherKey.Key = []byte("another key of at least 32 bytes!")
	otherRows.RowsPerBlock = 8
	fewer.Columns = plan.Columns[:2]
	for name, other := range map[string]Plan{"key": otherKey, "rows a block": otherRows, "columns": fewer} {
		if _, err := other.Unpack(packed); err == nil {
			t.Errorf("a plan with another %s took it", name)
		}
	}
	for _, text := range []string{"", "x", packed[:len(packed)-4], packed + "AAAA", "AQ" + packed[2:], "Aw" + packed[2:]} {
		if _, err := plan.Unpack(text); err == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

// fullest is a reading of a table with as many columns, stripes and bad rows as
// there can be.
func fullest(rows int64, column ColumnQuality) *Prepared {
	hex := strings.Repeat("f", 64)
	p := &Prepared{
		Checksum: sumPrefix + hex, Content: sumPrefix + hex, KeyID: hex[:16], Rows: rows, Bytes: maxBytes, Blocks: MaxBlocks,
		striped: true, BadRows: BadRows{Count: rows, Lines: rows}, BlankLines: maxBytes, SkippedLines: table.MostSkippedLines, TrailingBytes: maxBytes,
		shape: table.Shape{Columns: 4096, Named: 4096, HeaderBytes: 1 << 20, HeaderFirst: 'x', HeaderSum: math.MaxUint64},
	}
	for i := range maxSamples {
		p.BadRows.Samples = append(p.BadRows.Samples, strings.Repeat(string(rune('a'+i)), 4000))
	}
	for range block.MaxColumns {
		p.positions = append(p.positions, 4095)
		p.Columns = append(p.Columns, column)
	}
	for i := range MaxStripes {
		p.Stripes = append(p.Stripes, Stripe{Offset: int64(i) * (maxBytes / MaxStripes), Row: int64(i) * (rows / MaxStripes), Bytes: maxBytes, Sum: math.MaxUint64})
	}
	return p
}

// TestFullestPacked: a termination message has 4,096 bytes, its JSON included.
func TestFullestPacked(t *testing.T) {
	const most = math.MaxUint32
	column := ColumnQuality{Rows: most, Empty: most, Distinct: most, LargestRepetition: most, Short: most, LineBreaks: most, MostLines: 1 << 20}
	for kind := range column.Unfindable {
		column.Unfindable[kind] = most
	}
	if n := len(fullest(most, column).Pack()); n > 3584 {
		t.Errorf("the fullest packed reading has %d bytes", n)
	}
}

// TestPackedLeavesSamplesOut: what does not fit is samples of bad rows, never
// their count or a number of a column.
func TestPackedLeavesSamplesOut(t *testing.T) {
	const rows = 100_000_000
	plan := handedOver(nil)
	plan.RowsPerBlock, plan.Columns = rows/MaxBlocks, nil
	column := ColumnQuality{Rows: rows, Empty: rows / 2, Distinct: rows / 2, LargestRepetition: rows / 3, Short: rows / 2, LineBreaks: rows / 2, MostLines: 1 << 16}
	for kind := range column.Unfindable {
		column.Unfindable[kind] = rows / 10
	}
	p := fullest(rows, column)
	for i := range p.Columns {
		p.Columns[i].Name = fmt.Sprintf("C%d", i)
		plan.Columns = append(plan.Columns, schema.Column{Name: p.Columns[i].Name, IsSearchable: true})
	}
	var err error
	if p.KeyID, err = KeyID(plan.Key, plan.Store); err != nil {
		t.Fatal(err)
	}
	got, err := plan.Unpack(p.Pack())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Columns, p.Columns) || got.BadRows.Count != rows || got.BadRows.Lines != rows || len(got.Stripes) != MaxStripes {
		t.Errorf("the columns are %+v and %d rows are bad", got.Columns, got.BadRows.Count)
	}
	if n := len(got.BadRows.Samples); n < 5 || n == maxSamples {
		t.Errorf("%d of %d samples of 96 bytes are left", n, maxSamples)
	}
}

// TestPackedThatContradictsItselfIsRefused: stripes are assigned by these numbers.
func TestPackedThatContradictsItselfIsRefused(t *testing.T) {
	plan := handedOver(packedTable())
	for name, change := range map[string]func(*ColumnQuality){
		"more empty rows than rows":        func(c *ColumnQuality) { c.Empty = c.Rows + 1 },
		"a short value and no values":      func(c *ColumnQuality) { *c = ColumnQuality{Rows: c.Rows, Empty: c.Rows, Short: 1} },
		"more values than rows":            func(c *ColumnQuality) { c.Distinct = c.Rows + 1 },
		"a value more often than all":      func(c *ColumnQuality) { c.LargestRepetition = c.Rows + 1 },
		"an unfindable value and no value": func(c *ColumnQuality) { *c = ColumnQuality{Rows: c.Rows, Empty: c.Rows, Unfindable: Unfindable{1}} },
		"more unfindable ones than values": func(c *ColumnQuality) { c.Unfindable = Unfindable{c.Rows, 1} },
		"more with lines than values":      func(c *ColumnQuality) { c.LineBreaks = c.Rows + 1 },
	} {
		prepared, err := Prepare(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		change(&prepared.Columns[1])
		if got, err := plan.Unpack(prepared.Pack()); err == nil {
			t.Errorf("%s: it was taken, and its weaknesses are %q", name, got.Columns[1].Weaknesses())
		}
	}
}

func TestSharesAreWhole(t *testing.T) {
	for stripes := 1; stripes <= MaxStripes; stripes++ {
		p := &Prepared{Stripes: make([]Stripe, stripes)}
		for i := range p.Stripes {
			p.Stripes[i].FirstBlock = i
		}
		for pods := 1; pods <= stripes; pods++ {
			next := 0
			for index := range pods {
				mine, err := p.StripesOf(index, pods)
				if err != nil || len(mine) == 0 {
					t.Fatalf("pod %d of %d of %d stripes: %d, %v", index, pods, stripes, len(mine), err)
				}
				for _, s := range mine {
					if s.FirstBlock != next {
						t.Fatalf("pod %d of %d: stripe %d, want %d", index, pods, s.FirstBlock, next)
					}
					next++
				}
			}
			if next != stripes {
				t.Fatalf("%d pods have %d of %d stripes", pods, next, stripes)
			}
		}
	}
	if _, err := (&Prepared{}).StripesOf(2, 2); err == nil {
		t.Error("pod 2 of 2 exists")
	}
}

// FuzzUnpack: whatever a pod reports, what is taken is taken as it was packed.
func FuzzUnpack(f *testing.F) {
	plan := handedOver(packedTable())
	for _, text := range [][]byte{packedTable(), zipped(f, packedTable())} {
		of := handedOver(text)
		prepared, err := Prepare(f.Context(), of)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(prepared.Pack())
		raw, err := base64.StdEncoding.DecodeString(prepared.Pack())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(base64.StdEncoding.EncodeToString(bytes.ReplaceAll(raw, []byte("OfCells"), []byte("\xffOfCell"))))
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := plan.Unpack(text)
		if err != nil {
			return
		}
		blocks := 0
		for _, s := range got.Stripes {
			if s.Blocks < 1 || s.FirstBlock != blocks || s.Offset < 0 {
				t.Fatalf("stripe %+v", s)
			}
			blocks += s.Blocks
		}
		if blocks != got.Blocks {
			t.Fatalf("%d of %d blocks are in stripes", blocks, got.Blocks)
		}
		again, err := plan.Unpack(got.Pack())
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("packed again it is %+v, %v; was %+v", again, err, got)
		}
	})
}

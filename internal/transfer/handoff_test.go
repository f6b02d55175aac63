package transfer

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

func handedOver(text []byte) Plan {
	return Plan{
		Source: source.Bytes("people.csv", text), Store: "people", Key: []byte("0123456789abcdef0123456789abcdef"), RowsPerBlock: 7,
		Columns: []Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"}},
		BadRows: BadRowsAllowance{MaxPercent: 50, MinSample: 1000},
	}
}

func handoffTable() []byte {
	var text bytes.Buffer
	text.WriteString("City,ID,Mail\n")
	for i := range 500 {
		fmt.Fprintf(&text, "Oslo,%d,p%d@example.com\n", i, i%9)
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

func TestHandoffKeepsEverything(t *testing.T) {
	for name, text := range map[string][]byte{"plain": handoffTable(), "gzip": zipped(t, handoffTable())} {
		plan := handedOver(text)
		prepared, err := Prepare(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		got, err := plan.Receive(prepared.Handoff())
		prepared.BadRows.hints = nil // they have been told where the allowance was broken
		if err != nil || !reflect.DeepEqual(got, prepared) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, prepared)
		}
		if prepared.Striped() != (name == "plain") {
			t.Errorf("%s: striped %t", name, prepared.Striped())
		}
	}
}

func TestHandoffOfAnotherTableIsRefused(t *testing.T) {
	plan := handedOver(handoffTable())
	prepared, err := Prepare(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	handoff := prepared.Handoff()
	otherKey, otherRows, fewer := plan, plan, plan
	otherKey.Key = []byte("another key of at least 32 bytes!")
	otherRows.RowsPerBlock = 8
	fewer.Columns = plan.Columns[:2]
	for name, other := range map[string]Plan{"key": otherKey, "rows a block": otherRows, "columns": fewer} {
		if _, err := other.Receive(handoff); err == nil {
			t.Errorf("a plan with another %s took it", name)
		}
	}
	for _, text := range []string{"", "x", handoff[:len(handoff)-4], handoff + "AAAA", "AQ" + handoff[2:]} {
		if _, err := plan.Receive(text); err == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

// TestFullestHandoff: a termination message has 4,096 bytes, its JSON included.
func TestFullestHandoff(t *testing.T) {
	hex := strings.Repeat("f", 64)
	p := &Prepared{
		Checksum: sumPrefix + hex, Content: sumPrefix + hex, KeyID: hex[:16], Rows: math.MaxUint32, Bytes: maxBytes, Blocks: MaxBlocks,
		striped: true, BadRows: BadRows{Count: math.MaxUint32, Lines: maxBytes}, BlankLines: maxBytes, SkippedLines: table.MostSkippedLines, TrailingBytes: maxBytes,
		shape: table.Shape{Columns: 1024, Named: 1024, HeaderBytes: 1 << 20, HeaderFirst: 'x', HeaderSum: math.MaxUint64},
	}
	for i := range maxSamples {
		p.BadRows.Samples = append(p.BadRows.Samples, strings.Repeat(string(rune('a'+i)), 4000))
	}
	for range 32 {
		p.positions = append(p.positions, 4095)
		p.Columns = append(p.Columns, ColumnQuality{Rows: math.MaxUint32, Empty: math.MaxUint32, Distinct: math.MaxUint32, LargestRepetition: math.MaxUint32, Short: math.MaxUint32})
	}
	for i := range MaxStripes {
		p.Stripes = append(p.Stripes, Stripe{Offset: int64(i) * (maxBytes / MaxStripes), Row: int64(i) * (math.MaxUint32 / MaxStripes), Bytes: maxBytes, Sum: math.MaxUint64})
	}
	if n := len(p.Handoff()); n > 3584 {
		t.Errorf("the fullest handoff has %d bytes", n)
	}
}

func TestSharesAreWhole(t *testing.T) {
	for stripes := 1; stripes <= MaxStripes; stripes++ {
		p := &Prepared{Stripes: make([]Stripe, stripes)}
		for i := range p.Stripes {
			p.Stripes[i].FirstBlock = i
		}
		for parts := 1; parts <= stripes; parts++ {
			next := 0
			for index := range parts {
				share, err := p.Share(index, parts)
				if err != nil || len(share) == 0 {
					t.Fatalf("part %d of %d of %d stripes: %d, %v", index, parts, stripes, len(share), err)
				}
				for _, s := range share {
					if s.FirstBlock != next {
						t.Fatalf("part %d of %d: stripe %d, want %d", index, parts, s.FirstBlock, next)
					}
					next++
				}
			}
			if next != stripes {
				t.Fatalf("%d parts have %d of %d stripes", parts, next, stripes)
			}
		}
	}
	if _, err := (&Prepared{}).Share(2, 2); err == nil {
		t.Error("part 2 of 2 exists")
	}
}

// FuzzReceive: whatever a pod reports, what is taken is taken as it was packed.
func FuzzReceive(f *testing.F) {
	plan := handedOver(handoffTable())
	for _, text := range [][]byte{handoffTable(), zipped(f, handoffTable())} {
		of := handedOver(text)
		prepared, err := Prepare(f.Context(), of)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(prepared.Handoff())
		raw, err := base64.StdEncoding.DecodeString(prepared.Handoff())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(base64.StdEncoding.EncodeToString(bytes.ReplaceAll(raw, []byte("OfCells"), []byte("\xffOfCell"))))
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := plan.Receive(text)
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
		again, err := plan.Receive(got.Handoff())
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("packed again it is %+v, %v; was %+v", again, err, got)
		}
	})
}

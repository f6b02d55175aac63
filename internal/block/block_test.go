package block

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"runtime/metrics"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sample is a small block with a raw and a dictionary column.
func sample() (Header, [][]byte) {
	h := Header{Rules: "v1", Store: "patients", Index: 7, FirstRow: 700, Rows: 12, Columns: []string{"ID", "City"}}
	copy(h.KeyID[:], "keykeyke")
	unique, few := []byte{}, []byte{}
	for i := range 12 {
		unique = append(unique, bytes.Repeat([]byte{byte(i)}, 16)...)
		few = append(few, bytes.Repeat([]byte{byte(i % 2)}, 16)...)
	}
	return h, [][]byte{unique, few}
}

func TestGolden(t *testing.T) {
	h, columns := sample()
	got, err := Append(nil, h, columns)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/sample.golden", []byte(hex.Dump(got)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/sample.golden")
	if err != nil {
		t.Fatal(err)
	}
	if hex.Dump(got) != string(want) {
		t.Errorf("the bytes of a fixed block changed; a change of format needs a new version:\n%s", hex.Dump(got))
	}
	if id := ID(7, Sum(got)); len(id) != 16 {
		t.Errorf("id %q has %d characters", id, len(id))
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 700).Draw(t, "rows")
		h := Header{Rules: "v1", Store: "s", Index: rapid.IntRange(0, 49_999).Draw(t, "index"), FirstRow: rapid.Int64Min(0).Draw(t, "first"), Rows: rows}
		var columns [][]byte
		for c := range rapid.IntRange(1, 4).Draw(t, "columns") {
			h.Columns = append(h.Columns, string(rune('a'+c)))
			distinct := rapid.IntRange(1, 400).Draw(t, "distinct")
			tokens := make([]byte, rows*16)
			for r := range rows {
				v := (r * 31) % distinct
				tokens[r*16], tokens[r*16+1], tokens[r*16+15] = byte(v), byte(v>>8), byte(c+1)
			}
			columns = append(columns, tokens)
		}
		data, err := Append([]byte("before"), h, columns)
		if err != nil {
			t.Fatal(err)
		}
		data = data[len("before"):]
		if len(data) > SizeBound(rows, len(columns)) {
			t.Fatalf("%d bytes exceed the bound", len(data))
		}
		back, err := Decode(data)
		if err != nil || !reflect.DeepEqual(back.Header, h) {
			t.Fatalf("%v: %+v, want %+v", err, back, h)
		}
		for c := range columns {
			if !bytes.Equal(back.Column(c), columns[c]) {
				t.Fatalf("column %d differs", c)
			}
			if row := rows / 2; !bytes.Equal(func() []byte { k := back.Token(c, row); return k[:] }(), columns[c][row*16:row*16+16]) {
				t.Fatalf("token of row %d differs", row)
			}
		}
		for c := range columns {
			if got := laidOut(t, data, c); !bytes.Equal(got, columns[c]) {
				t.Fatalf("column %d is laid out otherwise", c)
			}
		}
		again, err := Append(nil, h, columns)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatal("two encodings of the same rows differ")
		}
	})
}

// laidOut reads the tokens of a column one by one, by the layout of the block.
func laidOut(t *rapid.T, data []byte, column int) (tokens []byte) {
	l, err := LayoutOf(data)
	if err != nil {
		t.Fatal(err)
	}
	p := l.Columns[column]
	for row := range l.Rows {
		at := p.Rows() + row*TokenSize
		if p.Entries > 0 {
			place := p.Rows() + row*p.Width()
			at = p.Offset + Entry(data[place:place+p.Width()])*TokenSize
		}
		tokens = append(tokens, data[at:at+TokenSize]...)
	}
	return tokens
}

func TestRefusedArguments(t *testing.T) {
	h, columns := sample()
	for name, change := range map[string]func(*Header, *[][]byte){
		"no columns":     func(h *Header, c *[][]byte) { h.Columns, *c = nil, nil },
		"no rows":        func(h *Header, _ *[][]byte) { h.Rows = 0 },
		"too many rows":  func(h *Header, _ *[][]byte) { h.Rows = MaxRows + 1 },
		"wrong length":   func(h *Header, _ *[][]byte) { h.Rows = 11 },
		"column missing": func(_ *Header, c *[][]byte) { *c = (*c)[:1] },
		"empty name":     func(h *Header, _ *[][]byte) { h.Store = "" },
		"negative index": func(h *Header, _ *[][]byte) { h.Index = -1 },
		"negative row":   func(h *Header, _ *[][]byte) { h.FirstRow = -1 },
		"33 columns":     func(h *Header, c *[][]byte) { h.Columns, *c = make([]string, 33), make([][]byte, 33) },
		"name too long":  func(h *Header, _ *[][]byte) { h.Rules = string(make([]byte, 257)) },
	} {
		changed, tokens := h, columns
		change(&changed, &tokens)
		if out, err := Append([]byte("x"), changed, tokens); err == nil || string(out) != "x" {
			t.Errorf("%s: err %v, %d bytes", name, err, len(out))
		}
	}
	n := LargestRowsPerBlock(32)
	if n >= MaxRows || SizeBound(n, 32) > MaxSize || SizeBound(n+1, 32) <= MaxSize {
		t.Errorf("LargestRowsPerBlock(32) = %d, whose bound is %d", n, SizeBound(n, 32))
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	h, columns := sample()
	data, err := Append(nil, h, columns)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		var bad *FormatError
		if _, err := Decode(data[:n]); !errors.As(err, &bad) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := Decode(append(data, 0)); err == nil {
		t.Error("a byte behind the end was taken")
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index, sum := rapid.IntRange(0, 1<<31-1).Draw(t, "index"), rapid.Uint64().Draw(t, "sum")
		i, s, err := ParseID(ID(index, sum))
		if err != nil || i != index || s != sum {
			t.Fatalf("ParseID(ID(%d, %x)) = %d, %x, %v", index, sum, i, s, err)
		}
	})
	for _, id := range []string{"", "AAAA", "!!!!!!!!!!!!!!!!", "/////////////////", "//////////////8="} {
		if _, _, err := ParseID(id); err == nil {
			t.Errorf("ParseID(%q) succeeded", id)
		}
	}
	// The check value of CRC-64/NVME.
	if got := Sum([]byte("123456789")); got != 0xae8b14860a799888 {
		t.Errorf("Sum is %x, not CRC-64/NVME", got)
	}
}

// allocated is about what a call takes in all, in bytes. It does not stop the
// world, as runtime.ReadMemStats would twice for each input of the fuzz target.
func allocated(call func()) uint64 {
	of := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(of)
	before := of[0].Value.Uint64()
	call()
	metrics.Read(of)
	return of[0].Value.Uint64() - before
}

// wide is a block of many rows and columns that takes few bytes, were it allowed.
func wide(rows, columns int) []byte {
	h, _ := sample()
	h.Rows, h.Columns = rows, slices.Repeat([]string{"c"}, columns)
	data := appendHeader(nil, h)
	for range columns {
		data = append(data, encodingDictionary)
		data = binary.LittleEndian.AppendUint32(data, 1)
		data = append(data, make([]byte, tokenSize+rows)...)
	}
	return data
}

func TestDecodeIsBoundedByTheSizeOfABlock(t *testing.T) {
	data := wide(MaxRows, MaxColumns)
	var err error
	if took := allocated(func() { _, err = Decode(data) }); err == nil || took > 1<<20 {
		t.Errorf("a block of %d bytes that would have %d: %v after %d bytes", len(data), MaxRows*MaxColumns*tokenSize, err, took)
	}
	if _, err := Decode(wide(1000, MaxColumns)); err != nil {
		t.Errorf("a small block of the same kind: %v", err)
	}
}

func TestOnlyWhatIsEncodedSoIsDecoded(t *testing.T) {
	h, columns := sample()
	good, err := Append(nil, h, columns)
	if err != nil {
		t.Fatal(err)
	}
	dictionary := len(good) - 12 - 2*tokenSize
	for name, change := range map[string]func([]byte) []byte{
		"entries in another order": func(b []byte) []byte {
			first := slices.Clone(b[dictionary : dictionary+tokenSize])
			copy(b[dictionary:], b[dictionary+tokenSize:dictionary+2*tokenSize])
			copy(b[dictionary+tokenSize:], first)
			for i := range b[dictionary+2*tokenSize:] {
				b[dictionary+2*tokenSize+i] ^= 1
			}
			return b
		},
		"an entry twice":      func(b []byte) []byte { copy(b[dictionary:], b[dictionary+tokenSize:dictionary+2*tokenSize]); return b },
		"an entry unused":     func(b []byte) []byte { clear(b[dictionary+2*tokenSize:]); return b },
		"no dictionary":       func(b []byte) []byte { return append(append(b[:dictionary-5], encodingRaw), columns[1]...) },
		"a name not in UTF-8": func(b []byte) []byte { return bytes.Replace(b, []byte("City"), []byte("Cit\xff"), 1) },
	} {
		var bad *FormatError
		if _, err := Decode(change(slices.Clone(good))); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is decoded is encoded to the same bytes, and takes memory in proportion
// to them.
func FuzzDecode(f *testing.F) {
	h, columns := sample()
	data, err := Append(nil, h, columns)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:20])
	f.Add([]byte(magic))
	f.Add(wide(1000, 3))
	f.Add(wide(300, MaxColumns))
	h.Columns = h.Columns[:1]
	if data, err = Append(nil, h, columns[:1]); err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var b *Block
		var err error
		// 16 for each place of a dictionary, once more for the check of the
		// dictionary, and what else goes on in the process.
		if took := allocated(func() { b, err = Decode(data) }); took > 64*uint64(len(data))+1<<20 {
			t.Fatalf("%d bytes of memory for %d of a block", took, len(data))
		}
		if err != nil {
			var bad *FormatError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(data) {
				t.Fatalf("fails with %v", err)
			}
			return
		}
		again, err := Append(nil, b.Header, b.columns)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("what was decoded is encoded to other bytes:\n%x\n%x", data, again)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	const rows = 100_000
	tokens := make([]byte, rows*16)
	for i := range rows {
		tokens[i*16], tokens[i*16+1], tokens[i*16+2] = byte(i), byte(i>>8), byte(i>>16)
	}
	h := Header{Rules: "v1", Store: "s", Rows: rows, Columns: []string{"a"}}
	dst := make([]byte, 0, SizeBound(rows, 1))
	b.SetBytes(int64(len(tokens)))
	for b.Loop() {
		if _, err := Append(dst, h, [][]byte{tokens}); err != nil {
			b.Fatal(err)
		}
	}
}

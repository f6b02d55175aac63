package index

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

// FuzzManifest reads what is no manifest, with and without its sum. What is read
// is written again the same.
func FuzzManifest(f *testing.F) {
	p, s := newPlace(f.TempDir()), damageSheet()
	require(f, s.build(f, p.tables(f), "one").Close())
	text, err := os.ReadFile(filepath.Join(p.dir, "tables", "one", manifestName))
	require(f, err)
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"rows":1,"rowsPerBlock":1,"columns":[{"name":"A"}],"files":[{"kind":"block","name":"..","size":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := append(append([]byte(nil), text...), "\n"+sumText(block.Sum(text))+"\n"...)
		for _, one := range [][]byte{text, whole} {
			m, err := parseManifest(one)
			if err != nil {
				continue
			}
			again, err := json.Marshal(m)
			require(t, err)
			back, err := parseManifest(append(append([]byte(nil), again...), "\n"+sumText(block.Sum(again))+"\n"...))
			require(t, err)
			if len(back.Files) != len(m.Files) || back.Rows != m.Rows || int64(len(m.blocks())) != (m.Rows+m.RowsPerBlock-1)/m.RowsPerBlock {
				t.Fatalf("%+v is read back as %+v", m, back)
			}
			if _, err := parseBlockPages(text, 0, m); err == nil && len(text) < 12 {
				t.Fatal("no pages are taken")
			}
		}
	})
}

// FuzzPages changes files of a table behind its back. Whatever they are, an answer is
// right or an error.
func FuzzPages(f *testing.F) {
	p, s := newPlace(f.TempDir()), damageSheet()
	require(f, s.build(f, p.tables(f), "one").Close())
	names := []string{pagesName, indexName(0), indexName(1), collisionsName(0)}
	whole := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(p.dir, "tables", "one", name))
		require(f, err)
		whole[name] = text
	}
	f.Add(uint8(0), uint16(3), []byte{1})
	f.Add(uint8(1), uint16(pageBody), []byte{0, 0, 0, 1})
	f.Add(uint8(3), uint16(17), []byte("another text"))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, change []byte) {
		name := names[int(which)%len(names)]
		text := append([]byte(nil), whole[name]...)
		copy(text[int(at)%len(text):], change)
		path := filepath.Join(p.dir, "tables", "one", name)
		require(t, os.WriteFile(path, text, 0o600))
		defer func() { require(t, os.WriteFile(path, whole[name], 0o600)) }()
		table, err := openAgain(t, p)
		if err != nil {
			return
		}
		defer func() { require(t, table.Close()) }()
		for c := range 2 {
			for row := 0; row < s.rows(); row += 61 {
				got, err := answerOf(table, c, s.tokens[c][row], map[int][]fingerprint.Token{2: {s.tokens[2][row]}}, s.rows())
				if err != nil {
					continue
				}
				total := 0
				for _, is := range s.tokens[c] {
					if is == s.tokens[c][row] {
						total++
					}
				}
				if got.Total != int64(total) {
					t.Fatalf("row %d of column %d is in %d rows, want %d", row, c, got.Total, total)
				}
			}
		}
	})
}

package edmtest

import (
	"bytes"
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

// encode makes a block of as many rows as its header says, all alike.
func encode(t *testing.T, h block.Header) []byte {
	t.Helper()
	var columns [][]byte
	for range h.Columns {
		columns = append(columns, bytes.Repeat([]byte{7}, h.Rows*fingerprint.TokenSize))
	}
	data, err := block.Append(nil, h, columns)
	must(t, err)
	return data
}

// contradictions wants a block that contradicts its session to be refused when it
// is staged, and nothing of it to be kept.
func contradictions(t *testing.T, f *fixture) {
	f.open(t)
	s := f.session(t, 3)
	good := func(index, rows int) block.Header {
		return block.Header{
			Rules: fingerprint.Rules, KeyID: f.key.ID(f.store.DisplayName), Store: f.store.DisplayName,
			Index: index, FirstRow: int64(index * rowsPerBlock), Rows: rows, Columns: peopleColumns,
		}
	}
	refused := func(name string, data []byte) {
		t.Helper()
		err := f.stage(t, s.DataUploadURI, 1, data)
		t.Log(name)
		wantStorage(t, err, http.StatusBadRequest, "InvalidBlock")
	}
	for name, change := range map[string]func(*block.Header){
		"another index":     func(h *block.Header) { h.Index = 0 },
		"another first row": func(h *block.Header) { h.FirstRow = 5 },
		"too few rows":      func(h *block.Header) { h.Rows = rowsPerBlock - 1 },
		"too many rows":     func(h *block.Header) { h.Rows = rowsPerBlock + 1 },
		"another key":       func(h *block.Header) { h.KeyID[0]++ },
		"another store":     func(h *block.Header) { h.Store += "2" },
		"other rules":       func(h *block.Header) { h.Rules = "v2" },
		"fewer columns":     func(h *block.Header) { h.Columns = h.Columns[:2] },
		"another order":     func(h *block.Header) { h.Columns = []string{"Email", "ID", "City"} },
	} {
		h := good(1, rowsPerBlock)
		change(&h)
		refused(name, encode(t, h))
	}
	refused("no block", []byte("something else"))
	refused("nothing", nil)
	refused("a header that is cut off", encode(t, good(1, rowsPerBlock))[:20])
	_, err := f.blob(t, s.DataUploadURI).GetBlockList(f.ctx, "all", nil)
	wantStorage(t, err, http.StatusNotFound, "BlobNotFound")
	wantStorage(t, f.stage(t, s.DataUploadURI, 2, encode(t, good(2, rowsPerBlock+1))), http.StatusBadRequest, "InvalidBlock")
	for index, rows := range []int{rowsPerBlock, rowsPerBlock, 1} {
		must(t, f.stage(t, s.DataUploadURI, index, encode(t, good(index, rows))))
	}
}

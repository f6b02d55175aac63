package main

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// What is read from the middle is what stands there, in every kind that says so.
func TestRowsFromAnywhere(t *testing.T) {
	for kind, l := range layouts {
		const rows = 50
		whole, err := io.ReadAll(&rowsReader{layout: l, size: l.size(rows)})
		if err != nil || int64(len(whole)) != l.size(rows) || bytes.Count(whole, []byte("\n")) != rows+1 {
			t.Fatalf("%s: %d bytes with %d lines, %v", kind, len(whole), bytes.Count(whole, []byte("\n")), err)
		}
		if err := iotest.TestReader(&rowsReader{layout: l, size: l.size(rows)}, whole); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

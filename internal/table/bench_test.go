package table_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"testing"

	"exactmatch.dev/operator/internal/table"
)

// patients is a table with a quoted comma and some letters beyond ASCII in its rows.
func patients(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("PatientID,SSN,Name,Street,City,Phone,Mail,Born\n")
	for i := range rows {
		name := [...]string{"Ada Lovelace", "Kurt Gödel", "Emmy Noether", "Alan Turing"}[i%4]
		fmt.Fprintf(&b, "P-%08d,%03d-%02d-%04d,%s,\"%d Main Street, Apt %d\",Springfield,+1 555 %07d,p%d@example.com,19%02d-%02d-%02d\n",
			i, i%900, i%99, i%9999, name, i%300, i%40, i, i, i%100, 1+i%12, 1+i%28)
	}
	return b.Bytes()
}

func BenchmarkReadChunk(b *testing.B) {
	text := patients(20000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	c := new(table.Chunk)
	for b.Loop() {
		r := table.NewReader(bytes.NewReader(text), table.Format{}, table.DefaultLimits())
		if _, err := r.Header(); err != nil {
			b.Fatal(err)
		}
		r.Select([]int{1, 2, 5, 6, 7})
		rows := 0
		for r.ReadChunk(c) == nil {
			rows += c.Rows()
		}
		if rows != 20000 {
			b.Fatal(rows)
		}
	}
}

func BenchmarkEncodingCSV(b *testing.B) {
	text := patients(20000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r := csv.NewReader(bytes.NewReader(text))
		r.ReuseRecord = true
		for {
			if _, err := r.Read(); err != nil {
				break
			}
		}
	}
}

package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// BenchmarkPrepare reads a table whose five searchable columns have digits,
// dates, addresses and names, a quarter of them with letters beyond ASCII.
func BenchmarkPrepare(b *testing.B) {
	const rows = 200_000
	for name, names := range map[string][]string{
		"latin":    {"Ada Lovelace", "Kurt Gödel", "Emmy Noether", "Alan Turing"},
		"cyrillic": {"Иван Петров", "Анна Каренина", "Лев Толстой", "Ольга Иванова"},
	} {
		b.Run(name, func(b *testing.B) {
			var text strings.Builder
			text.WriteString("PatientID,SSN,Name,Street,City,Phone,Mail,Born\n")
			for i := range rows {
				fmt.Fprintf(&text, "P-%08d,%03d-%02d-%04d,%s,\"%d Main Street, Apt %d\",Springfield,+1 555 %07d,p%d@example.com,19%02d-%02d-%02d\n",
					i, i%900, i%99, i%9999, names[i%len(names)], i%300, i%40, i, i, i%100, 1+i%12, 1+i%28)
			}
			plan := tables.Plan(text.String(), 100_000)
			plan.Columns = nil
			for _, name := range []string{"PatientID", "SSN", "Name", "Phone", "Mail", "Born"} {
				plan.Columns = append(plan.Columns, schema.Column{Name: name, IsSearchable: name != "PatientID"})
			}
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pipeline.Prepare(b.Context(), plan); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*rows*5), "ns/cell")
		})
	}
}

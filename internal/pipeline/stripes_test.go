package pipeline

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// FuzzStripes: every line of any text under any format is in one count, and the stripes, each read by itself, make the
// rows that the whole reading has found, to the byte.
func FuzzStripes(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n3,4\n\n5,6\n", "sep=,\na,b\n1,\"2\n3,4\n5\",6\n7,8\n", "a\n\"1\n2\"\n3\n\x1a\n", "a,b\r\n1,2,\r\n,\r\n\"3\r\n4\",5\r\na,b\r\n6,7\r\n",
		"a,b\n\"1,2\n3,4\n5,6\n7,8\n9,0\n\"1,2\n3,4\n", "a,b,\n1\n2,3\n\xEF\xBB\xBF4,5\n--,--\n6,7\r\r\n8\r,9\n", "a\tb\n1\"\t2\n\"3\t4\n5\t\"6\"\n",
	} {
		for _, knobs := range []byte{0, 1, 2, 3, 4, 6, 12, 24} {
			f.Add([]byte(seed), knobs, byte(1))
			f.Add([]byte(seed), knobs, byte(2))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, knobs, perBlock byte) {
		plan := fuzzedPlan(text, knobs, perBlock)
		if plan.Columns == nil {
			return
		}
		reading := newPreparation(plan)
		err := Classify(reading.read(t.Context()))
		var p *Prepared
		if err == nil {
			p, err = reading.result()
		}
		var refused *failure.Error
		if err != nil && (!errors.As(err, &refused) || refused.Transient) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		lines := int64(bytes.Count(text, []byte("\n")))
		if text[len(text)-1] != '\n' {
			lines++
		}
		if sum := reading.lines.Header + p.SkippedLines + p.BlankLines + reading.lines.Good + p.BadRows.Lines; sum != lines {
			t.Fatalf("%q: %+v are %d lines of %d", text, reading.lines, sum, lines)
		}
		var rows atomic.Int64
		err = Make(t.Context(), plan, p, MakeOptions{Stripes: p.Stripes, AtOnce: 2, Workers: 2, Emit: func(_ context.Context, _ int, data []byte) error {
			b, err := block.Decode(data)
			if err == nil {
				rows.Add(int64(b.Rows))
			}
			return err
		}})
		if err != nil || rows.Load() != p.Rows {
			t.Fatalf("%q: the stripes have %d rows of %d: %v", text, rows.Load(), p.Rows, err)
		}
	})
}

// fuzzedPlan hashes the columns that the header of a text names, whatever they are.
func fuzzedPlan(text []byte, knobs, perBlock byte) Plan {
	format := schema.Format{
		Quoting: []string{"Auto", "RFC4180", "None"}[knobs%3], ShortRows: []string{"Bad", "Pad"}[knobs/3%2],
		MaxLinesPerRecord: []int{0, 1, 2, 5}[knobs/6%4], Compression: "None", Encoding: "UTF-8", Delimiter: []string{",", "\t"}[knobs/24%2],
	}
	plan := Plan{
		Plan: plan.Plan{
			Store: "any", RowsPerBlock: 1 + int(perBlock%3), Format: format, BadRows: plan.BadRowsAllowance{MaxPercent: 100, MinSample: 1 << 40},
		},
		Source: source.Bytes("any.csv", text), Key: []byte("0123456789abcdef0123456789abcdef"),
	}
	header, err := table.NewReader(bytes.NewReader(text), plan.format(), plan.limits()).Header()
	if err != nil || len(header) > 8 {
		return plan
	}
	for _, name := range header {
		if name != "" && len(name) < 200 {
			plan.Columns = append(plan.Columns, schema.Column{Name: name, IsSearchable: true})
		}
	}
	return plan
}

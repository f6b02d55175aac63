// Package check reads a table on this machine as a session would, and judges it: what
// would be uploaded, what would be left out, which guards would hold it. It needs no key
// and sends nothing.
package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// Table is what is checked, and against what.
type Table struct {
	File    string
	Columns []schema.Column // all of the data store
	Fields  []string        // those to upload; all where none is given
	Format  schema.Format
	BadRows plan.BadRowsAllowance
	Pin     string
	// RowsPerBlock is that of the session.
	RowsPerBlock int
	Guards       Guards
}

// Guards are those of the data store. LiveRows is 0 where no table is known to be live.
type Guards struct {
	MaxRowDecreasePercent, MaxUnfindablePercent int32
	RequireAllColumns                           bool
	LiveRows                                    int64
}

// Report is what a table is like. It holds no value of the table.
type Report struct {
	File string `json:"file"`
	// Refusal is why no session could upload the table; the counts are 0 then.
	Refusal *Refusal `json:"refusal,omitempty"`
	// Held are the guards that would hold the table.
	Held         []string `json:"held,omitempty"`
	Checksum     string   `json:"checksum,omitempty"`
	Bytes        int64    `json:"bytes,omitempty"`
	Rows         int64    `json:"rows"`
	Blocks       int      `json:"blocks"`
	BadRows      int64    `json:"badRows"`
	BadSamples   []string `json:"badRowSamples,omitempty"`
	BlankLines   int64    `json:"blankLines"`
	SkippedLines int64    `json:"skippedLines"`
	Columns      []Column `json:"columns,omitempty"`
}

// Refusal is a reason of a session's status, and its words.
type Refusal struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Column is how well a searchable column serves to find a row by.
type Column struct {
	Name              string   `json:"name"`
	Empty             int64    `json:"empty"`
	Distinct          int64    `json:"distinct"`
	LargestRepetition int64    `json:"largestRepetition"`
	Short             int64    `json:"short"`
	Unfindable        int64    `json:"unfindable"`
	Weaknesses        []string `json:"weaknesses,omitempty"`
}

// Accepted reports whether a session would upload the table, and no guard hold it.
func (r *Report) Accepted() bool { return r.Refusal == nil && len(r.Held) == 0 }

// Run reads the table. An error is one of reading: what speaks against the table is in
// the report.
func Run(ctx context.Context, t Table) (*Report, error) {
	r := &Report{File: t.File}
	made, err := t.plan(ctx)
	if err != nil {
		return nil, err
	}
	prepared, err := pipeline.Prepare(ctx, made)
	var refused *failure.Error
	switch {
	case errors.As(err, &refused) && !refused.Transient:
		r.Refusal = &Refusal{Reason: string(refused.Reason), Message: refused.Message}
		return r, nil
	case err != nil:
		return nil, err
	}
	r.add(prepared)
	r.Held = t.held(made.Columns, prepared)
	return r, nil
}

// plan is that of a session, with a key that is thrown away.
func (t Table) plan(ctx context.Context) (pipeline.Plan, error) {
	columns, err := t.selected()
	if err != nil {
		return pipeline.Plan{}, err
	}
	if err := Columns(columns); err != nil {
		return pipeline.Plan{}, err
	}
	from, err := open(ctx, t.File)
	if err != nil {
		return pipeline.Plan{}, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return pipeline.Plan{Source: from, Key: key, Plan: plan.Plan{
		Store: "check", Columns: columns, Format: t.Format, RowsPerBlock: t.RowsPerBlock, Pin: t.Pin, BadRows: t.BadRows,
	}}, nil
}

// selected are the columns to upload.
func (t Table) selected() ([]schema.Column, error) {
	if len(t.Fields) == 0 {
		return t.Columns, nil
	}
	var out []schema.Column
	for _, name := range t.Fields {
		at := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("--fields: the data store has no column %q", name)
		}
		out = append(out, t.Columns[at])
	}
	return out, nil
}

// open opens a file wherever it is: the person at the keyboard chose it.
func open(ctx context.Context, file string) (source.Source, error) {
	if info, err := os.Stat(file); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file; save the table into one, since it is read from several places", file)
	}
	path, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: "/" + filepath.Base(path)}
	return source.Open(ctx, source.Config{URI: name.String(), Schemes: []string{"file"}, Root: filepath.Dir(path)})
}

// add takes over what a reading found out.
func (r *Report) add(p *pipeline.Prepared) {
	r.Checksum, r.Bytes, r.Rows, r.Blocks = p.Checksum, p.Bytes, p.Rows, p.Blocks
	r.BadRows, r.BadSamples, r.BlankLines, r.SkippedLines = p.BadRows.Count, p.BadRows.Samples, p.BlankLines, p.SkippedLines
	for _, c := range p.Columns {
		r.Columns = append(r.Columns, Column{
			Name: c.Name, Empty: c.Empty, Distinct: c.Distinct, LargestRepetition: c.LargestRepetition,
			Short: c.Short, Unfindable: c.Unfindable.Total(), Weaknesses: c.Weaknesses(),
		})
	}
}

// held are the guards that would hold the table, as status names them.
func (t Table) held(selected []schema.Column, p *pipeline.Prepared) (against []string) {
	g := t.Guards
	if missing := t.missing(selected); g.RequireAllColumns && len(missing) > 0 {
		against = append(against, "ColumnsMissing: --fields omits "+strings.Join(missing, ", "))
	}
	if fewest := pipeline.FewestRows(g.LiveRows, g.MaxRowDecreasePercent); p.Rows < fewest {
		against = append(against, fmt.Sprintf("RowDecrease: the table has %d rows and the live one %d; at least %d are expected", p.Rows, g.LiveRows, fewest))
	}
	for _, c := range p.Columns {
		if c.IsUnfindableBeyond(g.MaxUnfindablePercent) {
			against = append(against, "UnfindableCells: "+c.Name+": "+strings.Join(c.UnfindableReasons(), ", "))
		}
	}
	return against
}

// missing are the columns that are not selected.
func (t Table) missing(selected []schema.Column) (names []string) {
	for _, c := range t.Columns {
		if !slices.ContainsFunc(selected, func(s schema.Column) bool { return s.Name == c.Name }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// Columns finds what is wrong with the rules of columns themselves.
func Columns(columns []schema.Column) error { return pipeline.CheckDelimiters(columns) }

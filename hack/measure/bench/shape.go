package main

import (
	"fmt"
	"strings"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// The shapes of tables. All but wide have the eight columns of a table of
// patients; mixed is the base case that the others vary in one thing.
const (
	shapeMixed = "mixed" // names beyond ASCII in 26 % of the rows
	shapeASCII = "ascii"
	shapeWide  = "wide"  // the eight columns four times
	shapeShort = "short" // cells of 4 to 8 bytes
	shapeLong  = "long"  // cells of 80 to 200 bytes
	shapeFew   = "few"   // 50 different rows
)

// storeName and storeKey are those of every run, so that its tokens can be
// compared with each other.
const (
	storeName = "patients"
	storeKey  = "a key of the benchmarks: 32 bytes"
)

// mostRowsPerBlock is the default of a session.
const mostRowsPerBlock = 100_000

// patientColumns are the eight columns in the order of the table.
var patientColumns = []schema.Column{
	{Name: "PatientID"},
	{Name: "SSN", IgnoredDelimiters: strings.Split("- ", "")},
	{Name: "FirstName", IsCaseInsensitive: true},
	{Name: "LastName", IsCaseInsensitive: true, IgnoredDelimiters: strings.Split(" -'.", "")},
	{Name: "DOB", IgnoredDelimiters: strings.Split("-/.", "")},
	{Name: "Phone", IgnoredDelimiters: strings.Split("()- +.", "")},
	{Name: "Email", IsCaseInsensitive: true},
	{Name: "Address", IsCaseInsensitive: true},
}

func namesOf(columns []schema.Column) []string {
	names := make([]string, 0, len(columns))
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

// fiveOfEight are the columns that the base case hashes.
var fiveOfEight = []int{1, 3, 4, 5, 6}

// tableSpec names a table and how many of its columns are hashed.
type tableSpec struct {
	Shape  string `json:"shape"`
	Rows   int    `json:"rows"`
	Fields int    `json:"fields"`
}

func (t tableSpec) String() string { return fmt.Sprintf("%s-%d-%d", t.Shape, t.Rows, t.Fields) }

// columns are all columns of the table.
func (t tableSpec) columns() []schema.Column {
	if t.Shape != shapeWide {
		return patientColumns
	}
	var all []schema.Column
	for copies := range 4 {
		for _, c := range patientColumns {
			if copies > 0 {
				c.Name = fmt.Sprintf("%s%d", c.Name, copies+1)
			}
			all = append(all, c)
		}
	}
	return all
}

// positions of the hashed columns in a row.
func (t tableSpec) positions() []int {
	if t.Fields == len(fiveOfEight) {
		return fiveOfEight
	}
	positions := make([]int, t.Fields)
	for i := range positions {
		positions[i] = i
	}
	return positions
}

// hashed are the hashed columns in order.
func (t tableSpec) hashed() []schema.Column {
	all := t.columns()
	hashed := make([]schema.Column, 0, t.Fields)
	for _, at := range t.positions() {
		hashed = append(hashed, all[at])
	}
	return hashed
}

// rowsPerBlock makes at least ten blocks, so that two workers have work.
func (t tableSpec) rowsPerBlock() int { return min(mostRowsPerBlock, max(t.Rows/10, 1)) }

// plan is how the operator takes the table.
func (t tableSpec) plan(from source.Source) pipeline.Plan {
	return pipeline.Plan{
		Plan: plan.Plan{
			Store: storeName, Columns: t.hashed(), RowsPerBlock: t.rowsPerBlock(), BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: from, Key: []byte(storeKey),
	}
}

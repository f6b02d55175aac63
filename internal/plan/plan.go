// Package plan says how a source becomes blocks, and names what decides that by
// digests: values in, values out. It opens nothing, holds no key, and imports the
// standard library and internal/schema only.
package plan

import "exactmatch.dev/operator/internal/schema"

// BadRowsAllowance is how much may be unusable: the lines of bad rows may be at
// most MaxPercent of the lines of all rows, judged once MinSample rows are read
// and at the end.
type BadRowsAllowance struct {
	MaxPercent int
	MinSample  int64
}

// Plan is everything that decides a session's blocks but the bytes of the source
// and of the key.
type Plan struct {
	// Store is the data store's displayName.
	Store string
	// Columns are those of the session's fields, in order.
	Columns      []schema.Column
	Format       schema.Format
	RowsPerBlock int
	// Pin is "sha256:" and 64 hexadecimal digits, of the stored bytes, or "".
	Pin     string
	BadRows BadRowsAllowance
}

// Names are the columns' names in order.
func (p Plan) Names() []string {
	names := make([]string, 0, len(p.Columns))
	for _, c := range p.Columns {
		names = append(names, c.Name)
	}
	return names
}

// Searchable are the names of the searchable columns, in order.
func (p Plan) Searchable() []string {
	var names []string
	for _, c := range p.Columns {
		if c.IsSearchable {
			names = append(names, c.Name)
		}
	}
	return names
}

// Package schema is the one description of a data store's column that every step
// of the table's way reads: its names and the rules of its tokens. It imports the
// standard library only. The API's column becomes one in package controllers; the
// service's contract (package edm) has its own, which is what goes over the wire.
package schema

// Column is one column to hash.
type Column struct {
	// Name is what the data store calls the column.
	Name string `json:"name"`
	// SourceName is its header in the table; Name where it is empty.
	SourceName string `json:"sourceName,omitempty"`
	// IsCaseInsensitive folds cells before they are hashed.
	IsCaseInsensitive bool `json:"isCaseInsensitive,omitempty"`
	// IgnoredDelimiters are taken out of cells before they are hashed: one character
	// each, in any order.
	IgnoredDelimiters []string `json:"ignoredDelimiters,omitempty"`
	// IsSearchable columns are judged when the table is prepared, and indexed by the
	// service.
	IsSearchable bool `json:"isSearchable,omitempty"`
}

// Header is what the table calls the column.
func (c Column) Header() string {
	if c.SourceName != "" {
		return c.SourceName
	}
	return c.Name
}

package plan

import (
	"slices"

	"exactmatch.dev/operator/internal/schema"
)

// AddFormat adds the fields that are not at their defaults.
func (d *Digest) AddFormat(f schema.Format) {
	d.AddUnless(",", "format.delimiter", f.Delimiter)
	d.AddUnless("Auto", "format.encoding", f.Encoding)
	d.AddUnless("Auto", "format.compression", f.Compression)
	d.AddUnless("Auto", "format.quoting", f.Quoting)
	d.AddUnless("Bad", "format.shortRows", f.ShortRows)
	if f.MaxLinesPerRecord != schema.DefaultMaxLinesPerRecord && f.MaxLinesPerRecord != 0 {
		d.AddNumber("format.maxLinesPerRecord", int64(f.MaxLinesPerRecord))
	}
	if f.SkipLines != 0 {
		d.AddNumber("format.skipLines", int64(f.SkipLines))
	}
}

// AddRules adds a column and the rules of its tokens. The ignored delimiters are a set, so
// neither their order nor a second mention counts.
func (d *Digest) AddRules(c schema.Column) {
	d.Add("column", c.Name)
	if !c.IsSearchable {
		d.Add("isSearchable", "false")
	}
	if c.IsCaseInsensitive {
		d.Add("isCaseInsensitive", "true")
	}
	delimiters := slices.Clone(c.IgnoredDelimiters)
	slices.Sort(delimiters)
	for _, one := range slices.Compact(delimiters) {
		d.Add("ignoredDelimiter", one)
	}
}

// AddColumn adds what decides how a column is read and hashed.
func (d *Digest) AddColumn(c schema.Column) {
	d.AddRules(c)
	d.AddUnless(c.Name, "sourceName", c.SourceName)
}

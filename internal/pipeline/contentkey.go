package pipeline

import (
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/table"
)

// contentFormat is the version of content keys, blockFormat that of the blocks
// that they name.
const (
	contentFormat = "content/v2"
	blockFormat   = "block/v1"
)

// KnownContentKey reports whether a content key is of the version that this
// program makes. One of another version says nothing: the content that it names
// may be the same or not.
func KnownContentKey(key string) bool { return strings.HasPrefix(key, contentFormat+":") }

// contentKey names everything that decides the blocks and their index, as
// block/FORMAT.md describes it.
func (p Plan) contentKey(from *Prepared) string {
	d := NewDigest(contentFormat)
	d.Add("content", from.Content)
	d.Add("store", p.Store)
	d.Add("keyID", from.KeyID)
	d.Add("rules", fingerprint.Rules)
	d.Add("blocks", blockFormat)
	d.AddNumber("rowsPerBlock", int64(p.RowsPerBlock))
	p.Format.AddTo(d)
	for _, c := range p.Columns {
		addRules(d, c)
	}
	return contentFormat + ":" + sumPrefix + d.Hex()
}

// AddTo adds the fields that are not at their defaults.
func (f Format) AddTo(d *Digest) {
	d.AddUnless(",", "format.delimiter", f.Delimiter)
	d.AddUnless("Auto", "format.encoding", f.Encoding)
	d.AddUnless("Auto", "format.compression", f.Compression)
	d.AddUnless("Auto", "format.quoting", f.Quoting)
	d.AddUnless("Bad", "format.shortRows", f.ShortRows)
	if f.MaxLinesPerRecord != table.DefaultMaxLinesPerRecord && f.MaxLinesPerRecord != 0 {
		d.AddNumber("format.maxLinesPerRecord", int64(f.MaxLinesPerRecord))
	}
	if f.SkipLines != 0 {
		d.AddNumber("format.skipLines", int64(f.SkipLines))
	}
}

// addRules adds a column and its rules. The ignored delimiters are a set, so
// neither their order nor a second mention counts.
func addRules(d *Digest, c schema.Column) {
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
	addRules(d, c)
	d.AddUnless(c.Name, "sourceName", c.SourceName)
}

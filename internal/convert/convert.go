// Package convert makes values of what the API's objects say of a table, and the other
// way round: the one place where a field of both is named twice.
package convert

import (
	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/schema"
)

// Columns are those of a data store, in their order, as a table is read by them.
func Columns(store *v1alpha1.ExactMatchDataStore) []schema.Column {
	columns := make([]schema.Column, 0, len(store.Spec.Columns))
	for _, c := range store.Spec.Columns {
		columns = append(columns, schema.Column{
			Name: c.Name, SourceName: c.SourceName,
			IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters, IsSearchable: c.Searchable(),
		})
	}
	return columns
}

// RemoteColumns are those of a data store, in their order, as the service takes them.
func RemoteColumns(store *v1alpha1.ExactMatchDataStore) []edm.Column {
	columns := make([]edm.Column, 0, len(store.Spec.Columns))
	for _, c := range store.Spec.Columns {
		columns = append(columns, edm.Column{
			Name: c.Name, IsSearchable: c.Searchable(), IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters,
		})
	}
	return columns
}

// Format is a session's source.format as a table is read by it.
func Format(f v1alpha1.Format) schema.Format {
	return schema.Format{
		Delimiter: f.Delimiter, Encoding: f.Encoding, Compression: f.Compression,
		Quoting: f.Quoting, MaxLinesPerRecord: int(f.MaxLinesPerRecord), SkipLines: int(f.SkipLines), ShortRows: f.ShortRows,
	}
}

// SpecFormat is source.format of a session that reads a table by f.
func SpecFormat(f schema.Format) v1alpha1.Format {
	return v1alpha1.Format{
		Delimiter: f.Delimiter, Encoding: f.Encoding, Compression: f.Compression,
		Quoting: f.Quoting, MaxLinesPerRecord: int32(f.MaxLinesPerRecord), SkipLines: int32(f.SkipLines), ShortRows: f.ShortRows,
	}
}

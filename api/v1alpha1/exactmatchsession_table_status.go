package v1alpha1

// BadRows counts the rows that were left out because they cannot be read.
type BadRows struct {
	// count is the number of rows that were left out.
	// +required
	Count int64 `json:"count"`
	// lines is the number of lines of these rows.
	// +required
	Lines int64 `json:"lines"`
	// samples name the position of each of the first 10 of these rows and the reason
	// why it is bad, never a value.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Samples []string `json:"samples,omitempty"`
}

// ColumnQuality tells how well a searchable column serves to find a row by, in
// numbers of rows (status.rows is the total). It holds no value of the table.
// Values are counted as they stand in the table, before the column's rules apply.
type ColumnQuality struct {
	// name of the column.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// empty is the number of rows with nothing but white space in the column. Exact.
	// +required
	Empty int64 `json:"empty"`
	// distinct is the number of distinct values, the empty one excluded: exact up to
	// 4,096, above that an estimate with a standard error of at most 2.2 %.
	// +required
	Distinct int64 `json:"distinct"`
	// largestRepetition is the number of rows with the most common value, the empty
	// one excluded: exact up to 4,096 distinct values; above that a lower bound that
	// usually misses at most a thousandth of all rows.
	// +required
	LargestRepetition int64 `json:"largestRepetition"`
	// short is the number of rows with a value of fewer than 4 characters. Exact.
	// +required
	Short int64 `json:"short"`
	// unfindable is the number of rows with a value that no message contains, because
	// it holds characters that nobody types. Exact.
	// +optional
	Unfindable int64 `json:"unfindable,omitempty"`
	// unfindableKinds divides the unfindable rows by cause.
	// +optional
	UnfindableKinds *UnfindableKinds `json:"unfindableKinds,omitempty"`
	// lineBreaks is the number of rows with a value of more than one line. Exact.
	// +optional
	LineBreaks int64 `json:"lineBreaks,omitempty"`
	// mostLines is the number of lines of the longest of these values. Exact.
	// +optional
	MostLines int64 `json:"mostLines,omitempty"`
}

// UnfindableKinds counts unfindable values by cause. A value counts once, under
// the first cause that applies.
type UnfindableKinds struct {
	// mojibake is the number of values in UTF-8 that were read as Windows-1252 or
	// Latin-1.
	// +optional
	Mojibake int64 `json:"mojibake,omitempty"`
	// lostCharacters is the number of values with U+FFFD, the replacement character.
	// +optional
	LostCharacters int64 `json:"lostCharacters,omitempty"`
	// invisibleCharacters is the number of values with control characters, soft
	// hyphens or byte order marks, or with zero-width or direction marks that their
	// script does not need.
	// +optional
	InvisibleCharacters int64 `json:"invisibleCharacters,omitempty"`
	// spreadsheetGuards is the number of values in the form ="…" or with a leading
	// apostrophe.
	// +optional
	SpreadsheetGuards int64 `json:"spreadsheetGuards,omitempty"`
	// scientificNotation is the number of values such as 8.8E+08 in place of the
	// digits of an identifier.
	// +optional
	ScientificNotation int64 `json:"scientificNotation,omitempty"`
}

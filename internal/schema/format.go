package schema

// DefaultMaxLinesPerRecord is how many lines a record may have where its format
// says nothing.
const DefaultMaxLinesPerRecord = 100

// Format is how the bytes of a table are to be read, in the words of the API;
// package table says what they mean. Empty words and zeros are the defaults.
type Format struct {
	Delimiter, Encoding, Compression string
	Quoting                          string
	MaxLinesPerRecord, SkipLines     int
	ShortRows                        string
}

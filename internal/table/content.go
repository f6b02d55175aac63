package table

import "strings"

// sniffed is how many bytes tell what a file is: that of a tar archive stands at 257.
const sniffed = 512

// binaries are files that people store in place of a table. In a magic number # stands for a digit. Each has a byte that no
// delimited text has there, or is too long to begin a text by accident.
var binaries = []struct {
	offset      int
	magic, name string
}{
	{0, "PK\x03\x04", "a zip archive (an .xlsx is a zip)"},
	{0, "PK\x05\x06", "an empty zip archive"},
	{0, "PK\x07\x08", "a zip archive (an .xlsx is a zip)"},
	{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an OLE document, such as an .xls"},
	{257, "ustar\x0000", "a tar archive"},
	{257, "ustar  \x00", "a tar archive"},
	{0, "BZh#1AY&SY", "a bzip2 file"},
	{0, "BZh#\x17rE8P\x90", "a bzip2 file"},
	{0, "\xFD7zXZ\x00", "an xz file"},
	{0, "\x04\x22\x4D\x18", "an LZ4 file"},
	{0, "\x02\x21\x4C\x18", "an LZ4 file"},
	{0, "7z\xBC\xAF\x27\x1C", "a 7z archive"},
	{0, "Rar!\x1A\x07", "a RAR archive"},
	{0, "PAR1\x15", "a Parquet file"},
	{0, "Obj\x01", "an Avro file"},
	{0, "%PDF-#.#", "a PDF document"},
}

// binaryOf names the file that starts so, "" for what may be a table.
func binaryOf(start []byte) string {
	for _, b := range binaries {
		if len(start) >= b.offset && hasMagic(start[b.offset:], b.magic) {
			return b.name
		}
	}
	return ""
}

func hasMagic(start []byte, magic string) bool {
	if len(start) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if b := start[i]; b != magic[i] && (magic[i] != '#' || b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// refuseBinary names the archive, the document or the second compression that the bytes are, decompressed with c.
func refuseBinary(start []byte, c Compression) error {
	outer := strings.ToLower(string(c))
	if inner := compressionByMagic(start); c != CompressionNone && inner != CompressionNone {
		return &EncodingError{"the table is compressed twice, " + strings.ToLower(string(inner)) + " within " + outer +
			", as a .gz file stored with Content-Encoding: gzip is: store it compressed once"}
	}
	name := binaryOf(start)
	if name == "" {
		return nil
	}
	if c != CompressionNone {
		name += " within " + outer
	}
	return &EncodingError{"the source is " + name + ", not a table: store the table as delimited text, either plain or compressed with gzip or zstd"}
}

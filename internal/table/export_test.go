package table

// Row is a row by the splitter alone, for tests to hold the chunks against.
type Row struct {
	Cells                     [][]byte
	Number, Line, Offset, End int64
	Bad                       BadReason
}

// ReadRow reads one row by the splitter alone. It must not be mixed with ReadChunk.
func (r *Reader) ReadRow() (Row, error) {
	rec, err := r.read()
	return Row{Cells: rec.cells, Number: rec.number, Line: rec.line, Offset: rec.offset, End: rec.end, Bad: rec.bad}, err
}

// Looked is how many bytes the splitter has looked at, those of every attempt at a record.
func (r *Reader) Looked() int64 { return r.split.looked }

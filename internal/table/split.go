package table

import "bytes"

// outcome is what became of an attempt to split off one record.
type outcome int

const (
	complete  outcome = iota // the record ends within the bytes
	truncated                // more bytes are needed to tell
	faulty                   // the quotes are wrong; splitter.fault says how
)

// splitter splits one record into cells. The cells point into the record, or into scratch where quotes had to be undone.
// It reads its input only, so a record can be split again from its start once more bytes are there.
type splitter struct {
	delimiter byte
	cells     [][]byte
	keep      int // cells beyond this many are counted and not kept
	count     int
	longest   int
	scratch   []byte
	fault     BadReason
}

// record splits the record that starts at b[0] and returns its length with the line end. atEOF tells that nothing follows b.
func (s *splitter) record(b []byte, atEOF bool) (int, outcome) {
	s.cells, s.scratch, s.count, s.longest = s.cells[:0], s.scratch[:0], 0, 0
	for i := 0; ; {
		var end int // of the cell, where its delimiter or line end is; len(b) at the end of the table
		var o outcome
		if i < len(b) && b[i] == '"' {
			end, o = s.quoted(b, i, atEOF)
		} else {
			end, o = s.bare(b, i, atEOF)
		}
		switch {
		case o != complete:
			return 0, o
		case end == len(b):
			return end, complete
		case b[end] == '\n':
			return end + 1, complete
		}
		i = end + 1
	}
}

// bare reads the cell without quotes that starts at b[i].
func (s *splitter) bare(b []byte, i int, atEOF bool) (int, outcome) {
	end := i + s.plain(b[i:])
	cell := b[i:end]
	switch {
	case end == len(b) && !atEOF:
		return 0, truncated
	case end == len(b) || b[end] == '\n':
		cell = bytes.TrimSuffix(cell, carriageReturn)
	case b[end] == '"':
		s.fault = BareQuote
		return 0, faulty
	}
	s.add(cell)
	return end, complete
}

// plain returns how many bytes of b come before the first delimiter, line feed or quote.
func (s *splitter) plain(b []byte) int {
	for i, c := range b {
		if c == s.delimiter || c == '\n' || c == '"' {
			return i
		}
	}
	return len(b)
}

// quoted reads the cell whose opening quote is b[i].
func (s *splitter) quoted(b []byte, i int, atEOF bool) (int, outcome) { //nolint:revive // as bufio.SplitFunc has it
	i++
	start, copied := i, -1
	for {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			s.fault = UnterminatedQuote
			return 0, faultAtEnd(atEOF)
		}
		i += n + 1 // just past the quote
		if i == len(b) && !atEOF {
			return 0, truncated
		}
		if i < len(b) && b[i] == '"' {
			if copied < 0 {
				copied = len(s.scratch)
			}
			s.scratch = append(s.scratch, b[start:i]...)
			i++
			start = i
			continue
		}
		break
	}
	cell := b[start : i-1]
	if copied >= 0 {
		s.scratch = append(s.scratch, cell...)
		cell = s.scratch[copied:len(s.scratch):len(s.scratch)]
	}
	s.add(s.lineFeeds(cell))
	return s.afterQuote(b, i, atEOF)
}

func faultAtEnd(atEOF bool) outcome { //nolint:revive // as bufio.SplitFunc has it
	if atEOF {
		return faulty
	}
	return truncated
}

// afterQuote finds the delimiter or line end that has to follow the closing quote before b[i].
func (s *splitter) afterQuote(b []byte, i int, atEOF bool) (int, outcome) { //nolint:revive // as bufio.SplitFunc has it
	if i < len(b) && b[i] == '\r' {
		i++
		if i == len(b) && !atEOF {
			return 0, truncated
		}
		if i == len(b) || b[i] == '\n' {
			return i, complete
		}
	} else if i == len(b) || b[i] == s.delimiter || b[i] == '\n' {
		return i, complete
	}
	s.fault = BareQuote
	return 0, faulty
}

// lineFeeds writes the line breaks of a quoted cell as \n: the same cell saved on another system is the same value.
func (s *splitter) lineFeeds(cell []byte) []byte {
	if !bytes.Contains(cell, crlf) {
		return cell
	}
	from := len(s.scratch)
	for {
		before, after, found := bytes.Cut(cell, crlf)
		s.scratch = append(s.scratch, before...)
		if !found {
			return s.scratch[from:len(s.scratch):len(s.scratch)]
		}
		s.scratch = append(s.scratch, '\n')
		cell = after
	}
}

// undo takes the doubling of quotes and CRLFs out of the inside of a quoted cell. The result is valid until the next record.
func (s *splitter) undo(inside []byte) []byte {
	s.scratch = s.scratch[:0]
	for {
		n := bytes.IndexByte(inside, '"')
		if n < 0 {
			break
		}
		s.scratch = append(s.scratch, inside[:n+1]...)
		inside = inside[n+2:]
	}
	s.scratch = append(s.scratch, inside...)
	return s.lineFeeds(s.scratch)
}

func (s *splitter) add(cell []byte) {
	s.count++
	s.longest = max(s.longest, len(cell))
	if s.count <= s.keep {
		s.cells = append(s.cells, cell)
	}
}

var (
	carriageReturn = []byte{'\r'}
	lineFeed       = []byte{'\n'}
	crlf           = []byte("\r\n")
)

package table

import "bytes"

// outcome is what became of an attempt to split off one record.
type outcome int

const (
	complete  outcome = iota // the record ends within the bytes
	truncated                // more bytes are needed to tell
	faulty                   // the record cannot be read; splitter.fault says why
)

// splitter splits one record into cells. The cells point into the record, or into scratch where quotes had to be undone.
// It reads its input only, so a record can be split again from its start once more bytes are there.
type splitter struct {
	delimiter byte
	literal   bool // a quote is a character like others
	mostLines int  // of a record
	cells     [][]byte
	keep      int // cells beyond this many are counted and not kept
	count     int
	longest   int
	last      int      // bytes of the last cell
	broken    [][]byte // the insides of quoted cells that hold line breaks, as they stand in the text
	breaks    int      // line breaks within them
	returned  bool     // a cell without quotes holds a carriage return
	scratch   []byte
	fault     BadReason
	at        int   // how many bytes a faulty record was read for
	looked    int64 // at bytes, those of all attempts together
}

func (s *splitter) reset() {
	s.cells, s.broken, s.scratch = s.cells[:0], s.broken[:0], s.scratch[:0]
	s.count, s.longest, s.breaks, s.returned = 0, 0, 0, false
}

// record splits the record that starts at b[0] and returns its length with the line end. atEOF tells that nothing follows b.
func (s *splitter) record(b []byte, atEOF bool) (int, outcome) {
	n, o := s.cellsOf(b, atEOF)
	switch o {
	case complete:
		s.looked += int64(n)
	case faulty:
		s.looked += int64(s.at)
	case truncated:
		s.looked += int64(len(b))
	}
	return n, o
}

func (s *splitter) cellsOf(b []byte, atEOF bool) (int, outcome) {
	s.reset()
	for i := 0; ; {
		var end int // of the cell, where its delimiter or line end is; len(b) at the end of the table
		var o outcome
		if i < len(b) && b[i] == '"' && !s.literal {
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
		cell = cell[:len(cell)-lineEnd(cell)]
	case b[end] == '"' && !s.literal:
		return s.failed(quoteFault(cell), end+1)
	}
	s.returned = s.returned || bytes.IndexByte(cell, '\r') >= 0
	s.add(cell)
	return end, complete
}

// quoteFault is why a quote may not stand behind the start of a cell.
func quoteFault(before []byte) BadReason {
	switch {
	case bytes.HasSuffix(before, backslash):
		return EscapedQuote
	case len(bytes.Trim(before, " \t")) == 0:
		return SpaceBeforeQuote
	}
	return BareQuote
}

// failed ends a record at fault, which at bytes of it tell.
func (s *splitter) failed(why BadReason, at int) (int, outcome) {
	s.fault, s.at = why, at
	return 0, faulty
}

// lineEnd counts the carriage returns that belong to the line feed behind a line: one, or the two that a writer leaves
// who turns the end of a line into CR LF twice.
func lineEnd(line []byte) int {
	n := 0
	for n < 2 && n < len(line) && line[len(line)-1-n] == '\r' {
		n++
	}
	return n
}

// plain returns how many bytes of b come before the first delimiter, line feed or quote.
func (s *splitter) plain(b []byte) int {
	for i, c := range b {
		if c == s.delimiter || c == '\n' || c == '"' && !s.literal {
			return i
		}
	}
	return len(b)
}

// quoted reads the cell whose opening quote is b[i].
func (s *splitter) quoted(b []byte, i int, atEOF bool) (int, outcome) { //nolint:revive // as bufio.SplitFunc has it
	i++
	opened, start, copied := i, i, -1
	for {
		n := bytes.IndexByte(b[i:], '"')
		if at := s.excess(b, i, n); at >= 0 {
			return s.failed(TooManyLines, at)
		}
		if n < 0 {
			return s.unterminated(b, atEOF)
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
	if inside := b[opened : i-1]; bytes.IndexByte(inside, '\n') >= 0 {
		s.broken = append(s.broken, inside)
		cell = s.lineFeeds(cell)
	}
	s.add(cell)
	return s.afterQuote(b, i, atEOF)
}

// excess counts the line breaks of the next n bytes of a quoted cell, of all where n is negative, and returns where the record has
// one line too many, or -1.
func (s *splitter) excess(b []byte, i, n int) int {
	piece := b[i:]
	if n >= 0 {
		piece = piece[:n]
	}
	feeds := bytes.Count(piece, lineFeed)
	if s.breaks+feeds < s.mostLines || s.mostLines == 0 {
		s.breaks += feeds
		return -1
	}
	for ; s.breaks < s.mostLines; s.breaks++ {
		i += bytes.IndexByte(b[i:], '\n') + 1
	}
	return i
}

func (s *splitter) unterminated(b []byte, atEOF bool) (int, outcome) { //nolint:revive // as bufio.SplitFunc has it
	if atEOF {
		return s.failed(UnterminatedQuote, len(b))
	}
	return 0, truncated
}

// afterQuote finds the delimiter or line end that has to follow the closing quote before b[i].
func (s *splitter) afterQuote(b []byte, i int, atEOF bool) (int, outcome) {
	closed := i
	for i < len(b) && i < closed+2 && b[i] == '\r' {
		i++
	}
	switch {
	case i == len(b) && !atEOF:
		return 0, truncated
	case i == len(b) || b[i] == '\n' || i == closed && b[i] == s.delimiter:
		return i, complete
	case i > closed:
		return s.failed(CarriageReturn, closed+1)
	case b[closed-2] == '\\':
		return s.failed(EscapedQuote, closed)
	}
	return s.failed(BareQuote, closed)
}

// lineFeeds writes the line breaks of a quoted cell as \n: the same cell saved on another system is the same value.
func (s *splitter) lineFeeds(cell []byte) []byte {
	if !bytes.Contains(cell, crlf) {
		return cell
	}
	from := len(s.scratch)
	for {
		before, after, found := bytes.Cut(cell, lineFeed)
		if !found {
			s.scratch = append(s.scratch, before...)
			return s.scratch[from:len(s.scratch):len(s.scratch)]
		}
		s.scratch = append(s.scratch, before[:len(before)-lineEnd(before)]...)
		s.scratch = append(s.scratch, '\n')
		cell = after
	}
}

// undo takes the doubling of quotes out of the inside of a quoted cell that holds no line break. The result is valid until the
// next record.
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
	return s.scratch
}

func (s *splitter) add(cell []byte) {
	s.count++
	s.last = len(cell)
	s.longest = max(s.longest, len(cell))
	if s.count <= s.keep {
		s.cells = append(s.cells, cell)
	}
}

var (
	carriageReturn = []byte{'\r'}
	lineFeed       = []byte{'\n'}
	crlf           = []byte("\r\n")
	backslash      = []byte{'\\'}
)

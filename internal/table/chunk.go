package table

import (
	"fmt"
	"iter"
	"sort"

	"exactmatch.dev/operator/internal/simd"
)

// Chunk is a run of rows that were read in one go. It can be handed to another goroutine while its Reader reads the next
// one, and given to ReadChunk again later. Printing it prints no cell.
type Chunk struct {
	// Text is what the spans of Cells are of; it is more than the rows.
	Text []byte
	// Cells are the cells of the chosen columns: Cells[c][i] is that of the i-th good row in the c-th column given to Select.
	Cells [][]simd.Span
	// Bad are the rows among them that cannot be used.
	Bad []BadRow

	lines  []simd.Span // of the good rows, with their line ends
	runs   []run
	offset int64 // of Text[0] in the table's text
}

// run is good rows with nothing between them: those from first on, up to the next run's.
type run struct {
	first  int
	number int64
}

// Rows is how many good rows there are.
func (c *Chunk) Rows() int { return len(c.lines) }

// Number is the number of the i-th good row among the data rows, from 1; bad rows count, blank lines and the header do not.
func (c *Chunk) Number(i int) int64 {
	r := c.runs[c.runOf(i)]
	return r.number + int64(i-r.first)
}

// Offset is where the i-th good row starts in the decoded text of the table, in bytes.
func (c *Chunk) Offset(i int) int64 { return c.offset + int64(c.lines[i].Start) }

// End is where the line behind the i-th good row starts.
func (c *Chunk) End(i int) int64 { return c.offset + int64(c.lines[i].End) }

// Lines are the good rows from one up to another as they stand in the text, line ends and quotes included, in as few pieces
// as there are.
func (c *Chunk) Lines(from, to int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for k := c.runOf(from); from < to; k++ {
			end := to
			if k+1 < len(c.runs) {
				end = min(to, c.runs[k+1].first)
			}
			if !yield(c.Text[c.lines[from].Start:c.lines[end-1].End]) {
				return
			}
			from = end
		}
	}
}

// Cell is the i-th good row's cell in the c-th chosen column.
func (c *Chunk) Cell(column, i int) []byte {
	s := c.Cells[column][i]
	return c.Text[s.Start:s.End]
}

// Format keeps the cells out of every print.
func (c *Chunk) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%d rows, %d bad ones", c.Rows(), len(c.Bad))
}

func (c *Chunk) runOf(i int) int {
	return sort.Search(len(c.runs), func(k int) bool { return c.runs[k].first > i }) - 1
}

func (c *Chunk) isEmpty() bool { return len(c.lines) == 0 && len(c.Bad) == 0 }

func (c *Chunk) reset(columns int) {
	c.lines, c.runs, c.Bad = c.lines[:0], c.runs[:0], c.Bad[:0]
	for len(c.Cells) < columns {
		c.Cells = append(c.Cells, nil)
	}
	c.Cells = c.Cells[:columns]
	for i := range c.Cells {
		c.Cells[i] = c.Cells[i][:0]
	}
}

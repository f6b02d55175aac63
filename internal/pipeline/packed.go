package pipeline

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/table"
)

// packedVersion is the first byte of a packed reading.
const packedVersion = 2

// maxPacked bounds a packed reading in bytes, before base64 makes four of three: 3.5 KiB
// then. maxPackedSample bounds one position of a bad row in it.
const (
	maxPacked       = 3584 / 4 * 3
	maxPackedSample = 96
)

// Pack packs what a reading has found out, so that another process can upload
// the blocks without a second one: binary, in base64, at most 3.5 KiB however
// many stripes and columns there are, for a pod's termination message takes 4 KiB.
// What follows from the plan (names of columns, the content key) is not in it, and
// of the samples of bad rows only as many are as fit.
func (p *Prepared) Pack() string {
	b := []byte{packedVersion}
	for _, n := range []int64{p.Rows, p.Bytes, int64(p.Blocks), boolBit(p.striped), p.BlankLines, p.SkippedLines, p.TrailingBytes} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendShape(b, p.shape)
	for _, digits := range []string{strings.TrimPrefix(p.Checksum, sumPrefix), strings.TrimPrefix(p.Content, sumPrefix), p.KeyID} {
		raw, err := hex.DecodeString(digits)
		if err != nil {
			panic(err) // Prepare made them
		}
		b = append(b, raw...)
	}
	b = binary.AppendUvarint(b, uint64(len(p.positions)))
	for _, at := range p.positions {
		b = binary.AppendUvarint(b, uint64(at))
	}
	b = p.appendStripes(p.appendColumns(b))
	return base64.StdEncoding.EncodeToString(p.appendBadRows(b))
}

// appendColumns writes the numbers of each column. Its rows are those of the table.
func (p *Prepared) appendColumns(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.Columns)))
	for i := range p.Columns {
		for _, n := range p.Columns[i].numbers() {
			b = binary.AppendUvarint(b, uint64(*n))
		}
	}
	return b
}

// numbers are what a packed reading has of a column, in its order.
func (c *ColumnQuality) numbers() []*int64 {
	numbers := []*int64{&c.Empty, &c.Distinct, &c.LargestRepetition, &c.Short, &c.LineBreaks, &c.MostLines}
	for kind := range c.Unfindable {
		numbers = append(numbers, &c.Unfindable[kind])
	}
	return numbers
}

// appendBadRows writes the count of bad rows and of their lines, and last of all
// the first samples, as many as there is room for.
func (p *Prepared) appendBadRows(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.BadRows.Count))
	b = binary.AppendUvarint(b, uint64(p.BadRows.Lines))
	var samples []byte
	n := 0
	for _, s := range p.BadRows.Samples {
		s = strings.ToValidUTF8(s[:min(len(s), maxPackedSample)], "")
		more := append(binary.AppendUvarint(samples, uint64(len(s))), s...)
		if len(b)+1+len(more) > maxPacked {
			break
		}
		samples = more
		n++
	}
	return append(append(b, byte(n)), samples...) // n is a number of one byte
}

func appendShape(b []byte, s table.Shape) []byte {
	for _, n := range []int{s.Columns, s.Named, s.HeaderBytes} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return binary.BigEndian.AppendUint64(append(b, s.HeaderFirst), s.HeaderSum)
}

// appendStripes writes where each stripe starts, as the distance from the one
// before, and its sum; then where the last one ends.
func (p *Prepared) appendStripes(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.Stripes)))
	offset, row, end := int64(0), int64(0), int64(0)
	for _, s := range p.Stripes {
		b = binary.AppendUvarint(b, uint64(s.Offset-offset))
		b = binary.AppendUvarint(b, uint64(s.Row-row))
		b = binary.BigEndian.AppendUint64(b, s.Sum)
		offset, row, end = s.Offset, s.Row, s.Bytes
	}
	return binary.AppendUvarint(b, uint64(end))
}

func boolBit(is bool) int64 { //nolint:revive // a conversion, not a mode
	if is {
		return 1
	}
	return 0
}

// errPacked says that a text is no packed reading of a plan.
var errPacked = errors.New("the result of the reading does not belong to this table")

// Unpack reads what Pack made of a reading of this plan. It believes nothing that
// the plan contradicts, so that a foreign or damaged one is refused.
func (p Plan) Unpack(packed string) (*Prepared, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(packed)
	if err != nil || len(raw) == 0 || raw[0] != packedVersion {
		return nil, errPacked
	}
	r := &packedReader{rest: raw[1:]}
	out := &Prepared{Rows: r.number(), Bytes: r.number(), Blocks: int(r.number()), striped: r.number() == 1, BlankLines: r.number(), SkippedLines: r.number(), TrailingBytes: r.number()}
	out.shape = r.shape()
	out.Checksum, out.Content, out.KeyID = sumPrefix+hex.EncodeToString(r.bytes(32)), sumPrefix+hex.EncodeToString(r.bytes(32)), hex.EncodeToString(r.bytes(8))
	for range r.count(len(p.Columns)) {
		out.positions = append(out.positions, int(r.number()))
	}
	out.Columns = r.columns(p, out)
	out.Stripes = r.stripes(p, out)
	out.BadRows = r.badRows()
	if r.failed || len(r.rest) > 0 || !p.fits(out) {
		return nil, errPacked
	}
	out.ContentKey = p.contentKey(out)
	return out, nil
}

// fits holds a packed reading against the plan: blocks follow from rows, and every
// column has its place and its quality.
func (p Plan) fits(out *Prepared) bool {
	perBlock := int64(p.RowsPerBlock)
	if out.Rows < 1 || perBlock < 1 || int64(out.Blocks) != (out.Rows+perBlock-1)/perBlock || out.Blocks > MaxBlocks {
		return false
	}
	if len(out.positions) != len(p.Columns) || len(out.Columns) != len(p.Searchable()) {
		return false
	}
	for _, at := range out.positions {
		if at >= out.shape.Columns {
			return false
		}
	}
	if out.shape.Named > out.shape.Columns {
		return false
	}
	for _, c := range out.Columns {
		if !c.adds() {
			return false
		}
	}
	keyID, err := KeyID(p.Key, p.Store)
	return err == nil && keyID == out.KeyID && len(out.Stripes) == out.stripeCount()
}

// adds reports whether the numbers of a column fit together: stripes are assigned by them.
func (c ColumnQuality) adds() bool {
	return c.values() >= 0 && max(c.Distinct, c.LargestRepetition, c.Short, c.Unfindable.Total(), c.LineBreaks) <= c.values()
}

// stripeCount is into how many stripes the blocks are cut.
func (p *Prepared) stripeCount() int {
	if !p.striped {
		return 1
	}
	return min(MaxStripes, p.Blocks)
}

// packedReader reads the fields of a packed reading; after a failure it gives zeros.
type packedReader struct {
	rest   []byte
	failed bool
}

func (r *packedReader) number() int64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > maxBytes*2 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return int64(n)
}

// count reads how many of something follow; more than most is a failure.
func (r *packedReader) count(most int) int {
	n := r.number()
	if n > int64(most) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *packedReader) bytes(n int) []byte {
	if len(r.rest) < n {
		r.failed = true
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// text reads what reaches a condition's message, which must be UTF-8.
func (r *packedReader) text(most int) string {
	b := r.bytes(r.count(most))
	if !utf8.Valid(b) {
		r.failed = true
	}
	return string(b)
}

func (r *packedReader) columns(p Plan, of *Prepared) []ColumnQuality {
	var columns []ColumnQuality
	searchable := p.Searchable()
	for i := range r.count(len(searchable)) {
		c := ColumnQuality{Name: searchable[i], Rows: of.Rows}
		for _, n := range c.numbers() {
			*n = r.number()
		}
		columns = append(columns, c)
	}
	return columns
}

func (r *packedReader) shape() table.Shape {
	s := table.Shape{Columns: int(r.number()), Named: int(r.number()), HeaderBytes: int(r.number())}
	s.HeaderFirst = r.bytes(1)[0]
	s.HeaderSum = binary.BigEndian.Uint64(r.bytes(8))
	return s
}

func (r *packedReader) badRows() BadRows {
	bad := BadRows{Count: r.number(), Lines: r.number()}
	for range r.count(maxSamples) {
		bad.Samples = append(bad.Samples, r.text(maxPackedSample))
	}
	return bad
}

func (r *packedReader) stripes(p Plan, of *Prepared) []Stripe {
	n := r.count(MaxStripes)
	stripes := make([]Stripe, 0, n)
	offset, row := int64(0), int64(0)
	for i := range n {
		first, next := i*of.Blocks/n, (i+1)*of.Blocks/n
		offset += r.number()
		row += r.number()
		s := Stripe{FirstBlock: first, Blocks: next - first, FirstRow: int64(first) * int64(p.RowsPerBlock), Row: row, Offset: offset}
		s.Sum = binary.BigEndian.Uint64(r.bytes(8))
		if i > 0 {
			stripes[i-1].Bytes = offset - stripes[i-1].Offset
		}
		stripes = append(stripes, s)
	}
	if n > 0 {
		stripes[n-1].Bytes = r.number()
	}
	return stripes
}

// Striped reports whether the table can be read in several stripes. A table
// that is compressed, or no UTF-8, is one stripe.
func (p *Prepared) Striped() bool { return p.striped }

// StripesOf returns the stripes of one of the pods: neighbours, so that a pod
// reads the table in as few ranges as it can. index counts from 0.
func (p *Prepared) StripesOf(index, pods int) ([]Stripe, error) {
	if pods < 1 || index < 0 || index >= pods {
		return nil, fmt.Errorf("pod %d of %d does not exist", index, pods)
	}
	return p.Stripes[index*len(p.Stripes)/pods : (index+1)*len(p.Stripes)/pods], nil
}

package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// Prepare reads the source once and decides everything that can be decided
// without the service, so that bad input costs no quota. Errors are *Error, or
// the context's.
func Prepare(ctx context.Context, plan Plan) (*Prepared, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	p := &preparation{plan: plan, stored: sha256.New(), content: sha256.New()}
	if err := p.read(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, classify(err)
	}
	return p.result()
}

// check refuses what no table could mend.
func (p Plan) check() error {
	if most := block.LargestRowsPerBlock(len(p.Columns)); p.RowsPerBlock > most {
		return refuse(BlockTooLarge, "spec.rowsPerBlock %d with %d fields makes blocks over %d MiB; give at most %d",
			p.RowsPerBlock, len(p.Columns), block.MaxSize>>20, most)
	}
	if len(p.Columns) == 0 || p.RowsPerBlock < 1 {
		return refuse(FormatInvalid, "a session needs at least one field and one row a block")
	}
	key, err := fingerprint.NewKey(p.Key)
	if err != nil {
		return classify(err)
	}
	for _, c := range p.Columns {
		if _, err := key.Hasher(p.Store, c.rules()); err != nil {
			return classify(err)
		}
	}
	return nil
}

// preparation is the state of one reading.
type preparation struct {
	plan            Plan
	stored, content hash.Hash
	bytes           int64
	width           int
	positions       []int
	striped         bool

	good, all int64
	bad       BadRows
	blocks    int
	starts    []blockStart
	end       int64  // where the last good row ends
	sums      []byte // CRCs of the finished blocks, 8 bytes each
	cells     []byte // the cells of the open block, encoded
	crc       *crcWriter
}

// blockStart is where a block's first row lies.
type blockStart struct{ offset, row int64 }

func (p *preparation) read(ctx context.Context) (err error) {
	body, err := p.plan.Source.Open(ctx, 0, source.ToEnd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	counted := io.TeeReader(&contextReader{ctx, body}, writerFunc(func(b []byte) {
		p.stored.Write(b)
		p.bytes += int64(len(b))
	}))
	text, err := table.Decode(counted, p.plan.format(), p.plan.Limits)
	if err != nil {
		return err
	}
	p.striped = text.Striped
	rows := table.NewReader(text, p.plan.format().Delimiter, p.plan.Limits)
	header, err := rows.Header()
	if err != nil {
		return err
	}
	if p.positions, err = table.MatchHeader(header, p.plan.wanted()); err != nil {
		return err
	}
	p.width = len(header)
	if err := p.readRows(rows); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, counted) // what a decoder leaves behind still belongs to the stored bytes
	return err
}

func (p *preparation) readRows(rows *table.Reader) error {
	p.crc = newCRC()
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			p.closeBlock()
			return nil
		}
		if err != nil {
			return err
		}
		p.all++
		if row.Bad == nil {
			p.addGood(row)
			continue
		}
		if err := p.addBad(row.Bad); err != nil {
			return err
		}
	}
}

func (p *preparation) addBad(bad *table.BadRow) error {
	p.bad.Count++
	if len(p.bad.Samples) < maxSamples {
		p.bad.Samples = append(p.bad.Samples, bad.String())
	}
	if p.all >= p.plan.BadRows.MinSample {
		return p.judgeBadRows()
	}
	return nil
}

// judgeBadRows holds the bad rows against the allowance.
func (p *preparation) judgeBadRows() error {
	if p.bad.Count*100 <= p.all*int64(p.plan.BadRows.MaxPercent) {
		return nil
	}
	return refuse(TooManyBadRows, "%d of the first %d rows cannot be used and spec.badRows.maxPercent allows %d%%: %s; correct these rows or allow more",
		p.bad.Count, p.all, p.plan.BadRows.MaxPercent, joinSamples(p.bad.Samples))
}

func (p *preparation) addGood(row table.Row) {
	if p.good%int64(p.plan.RowsPerBlock) == 0 {
		p.closeBlock()
		p.openBlock(row)
	}
	p.good++
	p.end = row.End
	p.cells = appendCells(p.cells[:0], row, p.positions)
	p.content.Write(p.cells)
	p.crc.Write(p.cells)
}

// openBlock remembers where a block starts. Beyond the limit of blocks only
// their number matters, for the message.
func (p *preparation) openBlock(row table.Row) {
	p.blocks++
	if p.blocks <= MaxBlocks {
		p.starts = append(p.starts, blockStart{offset: row.Offset, row: row.Number})
	}
}

// closeBlock keeps the sum of the open block, if one is.
func (p *preparation) closeBlock() {
	if len(p.starts) > len(p.sums)/8 {
		p.sums = binary.BigEndian.AppendUint64(p.sums, p.crc.Sum64())
		p.crc.Reset()
	}
}

// appendCells writes the fields of a row so that no two rows read alike: each
// cell behind its length.
func appendCells(dst []byte, row table.Row, positions []int) []byte {
	for _, at := range positions {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(row.Cells[at])))
		dst = append(dst, row.Cells[at]...)
	}
	return dst
}

// result judges the whole table.
func (p *preparation) result() (*Prepared, error) {
	checksum := sumOf(p.stored)
	if p.plan.Pin != "" && p.plan.Pin != checksum {
		return nil, refuse(ChecksumMismatch, "the source's checksum is %s, spec.checksum asks for %s; correct either", checksum, p.plan.Pin)
	}
	if err := p.judgeBadRows(); err != nil {
		return nil, err
	}
	if p.good == 0 {
		return nil, refuse(EmptyTable, "the table has no row that can be used (%d rows read, %d bad)", p.all, p.bad.Count)
	}
	if p.blocks > MaxBlocks {
		least := (p.good + MaxBlocks - 1) / MaxBlocks
		return nil, refuse(TooManyBlocks, "%d rows make %d blocks of %d; at most %d blocks are allowed: give spec.rowsPerBlock at least %d",
			p.good, p.blocks, p.plan.RowsPerBlock, MaxBlocks, least)
	}
	keyID, err := KeyID(p.plan.Key, p.plan.Store)
	if err != nil {
		return nil, classify(err)
	}
	out := &Prepared{
		Checksum: checksum, Content: sumOf(p.content), KeyID: keyID, Rows: p.good, Bytes: p.bytes, Blocks: p.blocks,
		BadRows: p.bad, width: p.width, positions: p.positions, striped: p.striped,
	}
	out.Stripes = p.stripes()
	out.ContentKey = p.plan.contentKey(out)
	return out, nil
}

// stripes cuts the blocks into at most MaxStripes runs of nearly equal length.
func (p *preparation) stripes() []Stripe {
	blocks, n := p.blocks, 1
	if p.striped {
		n = min(MaxStripes, blocks)
	}
	stripes := make([]Stripe, 0, n)
	for i := range n {
		first, next := i*blocks/n, (i+1)*blocks/n
		s := Stripe{
			FirstBlock: first, Blocks: next - first, FirstRow: int64(first) * int64(p.plan.RowsPerBlock),
			Row: p.starts[first].row, Offset: p.starts[first].offset, Bytes: p.end - p.starts[first].offset,
			Sum: block.Sum(p.sums[8*first : 8*next]),
		}
		if next < blocks {
			s.Bytes = p.starts[next].offset - s.Offset
		}
		stripes = append(stripes, s)
	}
	return stripes
}

// contentKey names everything that decides the blocks.
func (p Plan) contentKey(from *Prepared) string {
	h := sha256.New()
	text, err := json.Marshal([]any{from.Content, p.Format, p.Columns, p.RowsPerBlock, from.KeyID, p.Store, fingerprint.Rules, "block/v1"})
	if err != nil {
		panic(err) // strings and numbers marshal
	}
	h.Write(text)
	return sumOf(h)
}

func sumOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

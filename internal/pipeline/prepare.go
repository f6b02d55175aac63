package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// Prepare reads the source once and decides everything that can be decided
// without the service, so that bad input costs no quota. Errors are *failure.Error, or
// the context's.
func Prepare(ctx context.Context, plan Plan) (*Prepared, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	p := newPreparation(plan)
	if err := p.read(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, Classify(err)
	}
	return p.result()
}

// check refuses what no table could mend.
func (p Plan) check() error {
	if most := block.LargestRowsPerBlock(len(p.Columns)); p.RowsPerBlock > most {
		return failure.New(failure.BlockTooLarge, "spec.rowsPerBlock %d with %d fields makes blocks of more than %d MiB; set it to at most %d",
			p.RowsPerBlock, len(p.Columns), block.MaxSize>>20, most)
	}
	if len(p.Columns) > block.MaxColumns {
		return failure.New(failure.LimitExceeded, "spec.fields has %d fields (or is empty, and the data store has that many columns); select at most %d", len(p.Columns), block.MaxColumns)
	}
	if len(p.Columns) == 0 || p.RowsPerBlock < 1 {
		return failure.New(failure.FormatInvalid, "a session needs at least one field and one row per block")
	}
	key, err := fingerprint.NewKey(p.Key)
	if err != nil {
		return Classify(err)
	}
	for _, c := range p.Columns {
		if _, err := key.Hasher(p.Store, c); err != nil {
			return Classify(err)
		}
	}
	return nil
}

// preparation is what one reading finds out.
type preparation struct {
	plan      Plan
	stored    *storedSum
	content   hash.Hash
	shape     table.Shape
	positions []int
	striped   bool
	quality   []columnQuality // by field; of those that are not searchable nothing is gathered

	good, all int64
	bad       BadRows
	lines     table.Lines // of the whole table
	trailing  int64       // bytes behind the compressed table
	blocks    int
	starts    []blockStart
	end       int64  // where the last good row ends
	sums      []byte // CRCs of the finished blocks, 8 bytes each
	cells     []byte // of some rows, encoded
	crc       *crcWriter
}

func newPreparation(plan Plan) *preparation {
	return &preparation{plan: plan, content: sha256.New(), crc: newCRC(), quality: qualitiesOf(plan.Columns)}
}

// blockStart is where a block's first row lies.
type blockStart struct{ offset, row int64 }

func (p *preparation) read(ctx context.Context) (err error) {
	body, err := p.plan.Source.Open(ctx, 0, source.ToEnd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	p.stored = newStoredSum(&contextReader{ctx, body})
	defer p.stored.finish()
	text, err := table.Decode(p.stored, p.plan.format(), p.plan.limits())
	if err != nil {
		return err
	}
	p.striped = text.Striped
	rows := table.NewReader(text, p.plan.format(), p.plan.limits())
	if err := p.matchHeader(rows); err != nil {
		return text.Explain(err, p.plan.Columns, p.plan.format())
	}
	p.shape = rows.Shape()
	rows.Select(p.positions)
	if err := p.readRows(ctx, rows); err != nil {
		return err
	}
	p.lines, p.trailing = rows.Lines(), text.TrailingBytes()
	_, err = io.Copy(io.Discard, p.stored) // what a decoder leaves behind still belongs to the stored bytes
	return err
}

// matchHeader finds the wanted columns in the first line, or says on which of the next lines they are.
func (p *preparation) matchHeader(rows *table.Reader) error {
	header, err := rows.Header()
	if err != nil {
		return err
	}
	p.positions, err = table.MatchHeader(header, p.plan.Columns, p.plan.format())
	var missing *table.MissingColumnsError
	if !errors.As(err, &missing) {
		return err
	}
	before := rows.LinesBefore(func(cells []string) bool {
		_, err := table.MatchHeader(cells, p.plan.Columns, p.plan.format())
		return err == nil
	})
	if before > 0 {
		missing.NamesLine = before + 1
	}
	return missing
}

// chunksAhead is how many chunks may be between the stages of a reading.
const chunksAhead = 6

// readRows takes the rows through the stages of the reading, which run side by
// side and see every chunk, in order.
func (p *preparation) readRows(ctx context.Context, rows *table.Reader) error {
	group, ctx := errgroup.WithContext(ctx)
	stages := []func(*table.Chunk) error{p.addChunk, p.judgeCells}
	free, inputs := make(chan *chunk, chunksAhead), make([]chan *chunk, 0, len(stages))
	for range chunksAhead {
		free <- new(chunk)
	}
	for _, stage := range stages {
		input := make(chan *chunk, chunksAhead)
		inputs = append(inputs, input)
		group.Go(func() error {
			for c := range input {
				if err := stage(&c.Chunk); err != nil {
					return err
				}
				if c.users.Add(-1) == 0 {
					free <- c
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer func() {
			for _, input := range inputs {
				close(input)
			}
		}()
		return readInto(ctx, rows, free, inputs)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	p.closeBlock()
	return nil
}

// readInto reads chunks and gives each to all stages.
func readInto(ctx context.Context, rows *table.Reader, free <-chan *chunk, stages []chan *chunk) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-free:
			err := rows.ReadChunk(&c.Chunk)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			c.users.Store(int32(len(stages)))
			for _, stage := range stages {
				stage <- c // never blocks: there are no more chunks than it holds
			}
		}
	}
}

// judgeCells gathers the quality of the searchable columns.
func (p *preparation) judgeCells(c *table.Chunk) error {
	for column, of := range p.plan.Columns {
		if !of.IsSearchable {
			continue
		}
		p.quality[column].add(c.Text, c.Cells[column])
	}
	return nil
}

// addChunk counts rows and adds them to the sums.
func (p *preparation) addChunk(c *table.Chunk) error {
	p.all += int64(c.Rows() + len(c.Bad))
	for _, bad := range c.Bad {
		if err := p.addBad(bad); err != nil {
			return err
		}
	}
	perBlock := int64(p.plan.RowsPerBlock)
	for from := 0; from < c.Rows(); {
		if p.good%perBlock == 0 {
			p.closeBlock()
			p.openBlock(c, from)
		}
		to := int(min(int64(c.Rows()), int64(from)+perBlock-p.good%perBlock))
		p.crc.addLines(c, from, to)
		p.good += int64(to - from)
		from = to
	}
	if c.Rows() > 0 {
		p.end = c.End(c.Rows() - 1)
	}
	p.addContent(c)
	return nil
}

func (p *preparation) addBad(bad table.BadRow) error {
	p.bad.add(bad)
	if bad.Number >= p.plan.BadRows.MinSample {
		return p.refuseBadRows(bad.DataLines, 0)
	}
	return nil
}

// openBlock remembers where a block starts. Beyond the limit of blocks only
// their number matters, for the message.
func (p *preparation) openBlock(c *table.Chunk, i int) {
	p.blocks++
	if p.blocks <= MaxBlocks {
		p.starts = append(p.starts, blockStart{offset: c.Offset(i), row: c.Number(i)})
	}
}

// closeBlock keeps the sum of the open block, if one is.
func (p *preparation) closeBlock() {
	if len(p.starts) > len(p.sums)/8 {
		p.sums = binary.BigEndian.AppendUint64(p.sums, p.crc.Sum64())
		p.crc.Reset()
	}
}

// shortCell is how many bytes are copied without a look at how many there are:
// most cells have fewer, and a call costs more than that.
const shortCell = 32

// addContent adds the fields of each row so that no two rows read alike: each
// cell behind its length.
func (p *preparation) addContent(c *table.Chunk) {
	to, text := p.cells[:0], c.Text
	for i := range c.Rows() {
		for _, spans := range c.Cells {
			s, at := spans[i], len(to)
			n := int(s.End - s.Start)
			if n > shortCell || cap(to)-at < 4+shortCell || len(text)-int(s.Start) < shortCell {
				to = append(binary.BigEndian.AppendUint32(to, uint32(n)), text[s.Start:s.End]...)
				continue
			}
			to = to[:at+4+n]
			putCell((*[4 + shortCell]byte)(to[at:at+4+shortCell]), uint32(n), (*[shortCell]byte)(text[s.Start:]))
		}
	}
	p.cells = to
	p.content.Write(p.cells)
}

// putCell writes a length and the bytes of a cell with what stands behind them.
func putCell(to *[4 + shortCell]byte, n uint32, cell *[shortCell]byte) {
	binary.BigEndian.PutUint32(to[:], n)
	for i := 0; i < shortCell; i += 8 {
		binary.LittleEndian.PutUint64(to[4+i:], binary.LittleEndian.Uint64(cell[i:]))
	}
}

// result judges the whole table.
func (p *preparation) result() (*Prepared, error) {
	checksum := sumOf(p.stored.hash)
	if p.plan.Pin != "" && p.plan.Pin != checksum {
		return nil, failure.New(failure.ChecksumMismatch, "the checksum of the source is %s, and spec.checksum is %s; correct one of them", checksum, p.plan.Pin)
	}
	if err := p.refuseBadRows(p.lines.Good+p.lines.Bad, p.lines.Doubtful); err != nil {
		return nil, err
	}
	if p.good == 0 {
		return nil, failure.New(failure.EmptyTable, "the table has no row that can be used (%d rows read, %d bad)", p.all, p.bad.Count)
	}
	if p.blocks > MaxBlocks {
		least := (p.good + MaxBlocks - 1) / MaxBlocks
		return nil, failure.New(failure.TooManyBlocks, "%d rows make %d blocks of %d; at most %d blocks are allowed: set spec.rowsPerBlock to at least %d",
			p.good, p.blocks, p.plan.RowsPerBlock, MaxBlocks, least)
	}
	keyID, err := KeyID(p.plan.Key, p.plan.Store)
	if err != nil {
		return nil, Classify(err)
	}
	out := &Prepared{
		Checksum: checksum, Content: sumOf(p.content), KeyID: keyID, Rows: p.good, Bytes: p.stored.bytes, Blocks: p.blocks,
		BadRows: p.bad, BlankLines: p.lines.Blank, SkippedLines: p.lines.Skipped, TrailingBytes: p.trailing, shape: p.shape, positions: p.positions, striped: p.striped,
	}
	for i, c := range p.plan.Columns {
		if c.IsSearchable {
			out.Columns = append(out.Columns, p.quality[i].result(c.Name))
		}
	}
	out.Stripes = p.stripes()
	out.ContentKey = p.plan.contentKey(out)
	return out, nil
}

// stripes cuts the blocks into at most MaxStripes runs of nearly equal length.
func (p *preparation) stripes() []Stripe {
	blocks, n := p.blocks, (&Prepared{Blocks: p.blocks, striped: p.striped}).stripeCount()
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

func sumOf(h hash.Hash) string { return sumPrefix + hex.EncodeToString(h.Sum(nil)) }

// refuseBadRows holds the lines of bad rows, and those that are rows only if a quote is a mistake, against the allowance.
func (p *preparation) refuseBadRows(dataLines, doubtful int64) error {
	percent := int64(p.plan.BadRows.MaxPercent)
	if (p.bad.Lines+doubtful)*100 <= dataLines*percent {
		return nil
	}
	doubt := ""
	if doubtful > 0 {
		doubt = fmt.Sprintf(", %d more are within a quoted cell that could not be split", doubtful)
	}
	return failure.New(failure.TooManyBadRows, "%d of the first %d lines of data cannot be used%s, and spec.badRows.maxPercent allows %d%%: %s; %s",
		p.bad.Lines, dataLines, doubt, percent, joinSamples(p.bad.Samples), p.bad.advice())
}

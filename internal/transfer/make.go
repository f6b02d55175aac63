package transfer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/table"
)

// maker turns the rows of one stripe into blocks and proves, by the sums of
// Prepare, that the source is still the same.
type maker struct {
	u       *upload
	stripe  *Stripe
	keyID   fingerprint.KeyID
	hashers []*fingerprint.Hasher
	crc     *crcWriter
	cells   []byte
	sums    []byte
}

func newMaker(u *upload, s *Stripe) (*maker, error) {
	m := &maker{u: u, stripe: s, crc: newCRC()}
	key, err := fingerprint.NewKey(u.plan.Key)
	if err != nil {
		return nil, err
	}
	m.keyID = key.ID(u.plan.Store)
	for _, c := range u.plan.Columns {
		h, err := key.Hasher(u.plan.Store, c.rules())
		if err != nil {
			return nil, err
		}
		m.hashers = append(m.hashers, h)
	}
	return m, nil
}

// errChanged says that a stripe does not read as it did in Prepare.
func errChanged(s *Stripe) error {
	return refuse(SourceChanged, "rows from %d on differ from those that were read first: the source changed; a new attempt reads it afresh", s.Row)
}

// blocks makes every block of the stripe and hands it to send.
func (m *maker) blocks(ctx context.Context, rows *table.Reader, send func(made)) error {
	left := m.rowsOfStripe()
	for i := range m.stripe.Blocks {
		n := int(min(left, int64(m.u.plan.RowsPerBlock)))
		out, err := m.block(ctx, rows, m.stripe.FirstBlock+i, n)
		if err != nil {
			return err
		}
		left -= int64(n)
		send(out)
	}
	if block.Sum(m.sums) != m.stripe.Sum {
		return errChanged(m.stripe)
	}
	return nil
}

// rowsOfStripe counts the good rows of the stripe; only the last block of a
// table may be short.
func (m *maker) rowsOfStripe() int64 {
	return min(int64(m.stripe.Blocks)*int64(m.u.plan.RowsPerBlock), m.u.prepared.Rows-m.stripe.FirstRow)
}

// block reads n good rows and encodes them. The memory that it takes is asked
// for first, so that all uploads together stay within their one budget.
func (m *maker) block(ctx context.Context, rows *table.Reader, index, n int) (made, error) {
	release, err := m.reserve(ctx)
	if err != nil {
		return made{}, err
	}
	columns := make([][]byte, len(m.hashers))
	for c := range columns {
		columns[c] = make([]byte, 0, n*fingerprint.TokenSize)
	}
	if err := m.hashRows(rows, n, columns); err != nil {
		release()
		return made{}, err
	}
	m.sums = binary.BigEndian.AppendUint64(m.sums, m.crc.Sum64())
	m.crc.Reset()
	data, err := block.Append(nil, block.Header{
		Rules: fingerprint.Rules, KeyID: m.keyID, Store: m.u.plan.Store, Index: index,
		FirstRow: int64(index) * int64(m.u.plan.RowsPerBlock), Rows: n, Columns: m.u.plan.names(),
	}, columns)
	if errors.Is(err, block.ErrTooLarge) {
		err = refuse(BlockTooLarge, "%s", err.Error())
	}
	if err != nil {
		release()
		return made{}, err
	}
	return made{index: index, data: data, release: release}, nil
}

// reserve takes one block's memory. A block that is larger than the whole
// budget is made alone.
func (m *maker) reserve(ctx context.Context) (func(), error) {
	weight := min(m.u.plan.blockMemory(), m.u.options.MemorySize)
	if err := m.u.options.Memory.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { m.u.options.Memory.Release(weight) }, nil
}

func (m *maker) hashRows(rows *table.Reader, n int, columns [][]byte) error {
	for got := 0; got < n; {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return errChanged(m.stripe)
		}
		if err != nil {
			return err
		}
		if row.Bad != nil {
			continue // left out, as Prepare did
		}
		m.cells = appendCells(m.cells[:0], row, m.u.prepared.positions)
		m.crc.Write(m.cells)
		for c, at := range m.u.prepared.positions {
			columns[c] = m.hashers[c].AppendToken(columns[c], row.Cells[at])
		}
		got++
	}
	return nil
}

package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// MakeOptions say which blocks are made, and how. Emit gets each of them, from
// several goroutines and in no order; data is valid until it returns.
type MakeOptions struct {
	// Stripes are those to make: Prepared.Stripes for the whole table.
	Stripes []Stripe
	// AtOnce bounds the stripes that are read at once, Workers the goroutines that
	// hash: at least 1 each.
	AtOnce, Workers int
	// Reserve takes the memory of one block, Plan.BlockMemory bytes, before the
	// block is begun; nil where nothing bounds it.
	Reserve func(context.Context) (release func(), err error)
	Emit    func(ctx context.Context, index int, data []byte) error
}

// Make makes the blocks of a prepared plan. Errors are *failure.Error, Emit's own,
// or the context's.
func Make(ctx context.Context, plan Plan, prepared *Prepared, o MakeOptions) error {
	m, err := newMaker(plan, prepared, o.Workers)
	if err != nil {
		return Classify(err)
	}
	if m.emit = o.Emit; o.Reserve != nil {
		m.reserve = o.Reserve
	}
	return m.run(ctx, o.Stripes, o.AtOnce)
}

// maker turns the rows of a prepared plan into blocks.
type maker struct {
	plan     Plan
	prepared *Prepared
	keyID    fingerprint.KeyID
	// workers are hashers of all columns; the goroutine that takes them may use one core.
	workers chan []*fingerprint.Hasher
	drafts  sync.Pool
	chunks  sync.Pool
	// reserve takes the memory of one block, so that all uploads together stay
	// within their one budget.
	reserve func(context.Context) (release func(), err error)
	emit    func(ctx context.Context, index int, data []byte) error
}

func newMaker(plan Plan, prepared *Prepared, workers int) (*maker, error) {
	m := &maker{plan: plan, prepared: prepared, workers: make(chan []*fingerprint.Hasher, workers)}
	m.drafts.New = func() any { return new(block.Draft) }
	m.chunks.New = func() any { return new(chunk) }
	m.reserve = func(context.Context) (func(), error) { return func() {}, nil }
	key, err := fingerprint.NewKey(plan.Key)
	if err != nil {
		return nil, err
	}
	m.keyID = key.ID(plan.Store)
	var first []*fingerprint.Hasher
	for _, c := range plan.Columns {
		h, err := key.Hasher(plan.Store, c)
		if err != nil {
			return nil, err
		}
		first = append(first, h)
	}
	for range workers {
		set := make([]*fingerprint.Hasher, 0, len(first))
		for _, h := range first {
			h = h.Clone()
			h.Remember(memoMemory / len(first))
			set = append(set, h)
		}
		m.workers <- set
	}
	return m, nil
}

// run makes the blocks of stripes, of so many at once.
func (m *maker) run(ctx context.Context, stripes []Stripe, atOnce int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range stripes {
		group.Go(func() error { return m.stripe(ctx, &stripes[i]) })
	}
	return group.Wait()
}

// errChanged says that a stripe does not read as it did in Prepare.
func errChanged(s *Stripe) error {
	return failure.New(failure.SourceChanged, "rows from %d on differ from the first reading: the source changed; a new attempt reads it again", s.Row)
}

// stripe makes the blocks of one stripe and proves, by the sum of Prepare, that
// the source is still the same.
func (m *maker) stripe(ctx context.Context, s *Stripe) (err error) {
	rows, body, err := m.open(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	rows.Select(m.prepared.positions)
	group, ctx := errgroup.WithContext(ctx)
	r := &stripeReader{maker: m, stripe: s, rows: rows, group: group, crc: newCRC(), left: m.rowsOf(s)}
	r.chunks = make(chan *chunk, cap(m.workers)+1)
	for range cap(r.chunks) {
		r.chunks <- m.chunks.Get().(*chunk)
	}
	readErr := r.read(ctx)
	err = group.Wait()
	for len(r.chunks) > 0 {
		m.chunks.Put(<-r.chunks)
	}
	if err != nil {
		return err
	}
	return readErr
}

// rowsOf counts the good rows of a stripe; only the last block of a table may
// be short.
func (m *maker) rowsOf(s *Stripe) int64 {
	return min(int64(s.Blocks)*int64(m.plan.RowsPerBlock), m.prepared.Rows-s.FirstRow)
}

// open returns the stripe's rows: from its offset, or from the start where the
// stored bytes have to be decoded.
func (m *maker) open(ctx context.Context, s *Stripe) (*table.Reader, io.Closer, error) {
	offset, length := int64(0), source.ToEnd
	if m.prepared.striped {
		offset, length = s.Offset, s.Bytes
	}
	body, err := m.plan.Source.Open(ctx, offset, length)
	if err != nil {
		return nil, nil, err
	}
	text := io.Reader(&contextReader{ctx, body})
	if m.prepared.striped {
		rows := table.NewReader(text, m.plan.format(), m.plan.limits())
		rows.Resume(m.prepared.shape, s.Row, s.Offset)
		return rows, body, nil
	}
	rows, err := m.decode(text)
	if err != nil {
		return nil, nil, errors.Join(err, body.Close())
	}
	return rows, body, nil
}

// decode reads a table from its start, up to its first row.
func (m *maker) decode(stored io.Reader) (*table.Reader, error) {
	text, err := table.Decode(stored, m.plan.format(), m.plan.limits())
	if err != nil {
		return nil, err
	}
	rows := table.NewReader(text, m.plan.format(), m.plan.limits())
	_, err = rows.Header()
	return rows, err
}

// stripeReader reads the rows of a stripe and hands them to workers, chunk by
// chunk, each with its place in a block.
type stripeReader struct {
	*maker
	stripe *Stripe
	rows   *table.Reader
	group  *errgroup.Group
	chunks chan *chunk // that nobody uses
	draft  *draft      // the block that rows go into; nil between two
	made   int         // blocks that were begun
	left   int64       // rows of the stripe
	crc    *crcWriter
	sums   []byte
}

// chunk is returned to its reader when the last who uses it is done.
type chunk struct {
	table.Chunk
	users atomic.Int32
}

// draft is a block in the making. The last who uses it ends it.
type draft struct {
	*block.Draft
	index, rows int
	filled      int // rows that were handed out
	users       atomic.Int32
	release     func()
}

func (r *stripeReader) read(ctx context.Context) error {
	defer func() {
		if r.draft != nil { // cut off by an error
			r.draft.release()
		}
	}()
	for r.left > 0 {
		c, err := r.next(ctx)
		if err != nil {
			return err
		}
		for from := 0; from < c.Rows() && r.left > 0; {
			n, err := r.handOut(ctx, c, from)
			if err != nil {
				return err
			}
			from += n
		}
		r.done(c)
	}
	if block.Sum(r.sums) != r.stripe.Sum {
		return errChanged(r.stripe)
	}
	return nil
}

// next reads a chunk once one is free.
func (r *stripeReader) next(ctx context.Context) (*chunk, error) {
	var c *chunk
	select {
	case c = <-r.chunks:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.users.Store(1)
	err := r.rows.ReadChunk(&c.Chunk)
	if errors.Is(err, io.EOF) {
		return nil, errChanged(r.stripe)
	}
	return c, err
}

func (r *stripeReader) done(c *chunk) {
	if c.users.Add(-1) == 0 {
		r.chunks <- c
	}
}

// handOut gives rows of a chunk, as many as their block still takes, to the next
// worker that is free.
func (r *stripeReader) handOut(ctx context.Context, c *chunk, from int) (int, error) {
	if r.draft == nil {
		if err := r.begin(ctx); err != nil {
			return 0, err
		}
	}
	d := r.draft
	at, n := d.filled, min(c.Rows()-from, d.rows-d.filled)
	r.crc.addLines(&c.Chunk, from, from+n)
	var worker []*fingerprint.Hasher
	select {
	case worker = <-r.workers:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	c.users.Add(1)
	d.users.Add(1)
	d.filled += n
	r.left -= int64(n)
	if d.filled == d.rows {
		r.sums = binary.BigEndian.AppendUint64(r.sums, r.crc.Sum64())
		r.crc.Reset()
		d.users.Add(-1) // the reader's own: the last worker ends the block
		r.draft = nil
	}
	r.group.Go(func() error {
		for column, h := range worker {
			h.Tokens(d.Column(column)[at*fingerprint.TokenSize:(at+n)*fingerprint.TokenSize], c.Text, c.Cells[column][from:from+n])
		}
		r.workers <- worker
		r.done(c)
		return r.leave(ctx, d)
	})
	return n, nil
}

// begin starts the next block once there is memory for it.
func (r *stripeReader) begin(ctx context.Context) error {
	release, err := r.reserve(ctx)
	if err != nil {
		return err
	}
	index := r.stripe.FirstBlock + r.made
	d := &draft{Draft: r.drafts.Get().(*block.Draft), index: index, rows: int(min(r.left, int64(r.plan.RowsPerBlock))), release: release}
	err = d.Begin(block.Header{
		Rules: fingerprint.Rules, KeyID: r.keyID, Store: r.plan.Store, Index: index,
		FirstRow: int64(index) * int64(r.plan.RowsPerBlock), Rows: d.rows, Columns: r.plan.Names(),
	})
	if errors.Is(err, block.ErrTooLarge) {
		err = failure.New(failure.BlockTooLarge, "%s", err.Error())
	}
	if err != nil {
		release()
		return err
	}
	d.users.Store(1)
	r.draft = d
	r.made++
	return nil
}

// leave ends a block when all its rows are hashed.
func (r *stripeReader) leave(ctx context.Context, d *draft) error {
	if d.users.Add(-1) > 0 {
		return nil
	}
	defer r.drafts.Put(d.Draft)
	defer d.release()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.emit(ctx, d.index, d.Encode())
}

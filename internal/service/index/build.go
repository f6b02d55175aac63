package index

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
)

// Builder makes the table of a session out of its blocks: Read, Index, Commit. What it
// has written before Commit is of no use after a crash, which begins again.
type Builder struct {
	tables   *Tables
	files    group
	manifest Manifest
	pages    *blockPages
}

// Build begins the table of a session, in place of what an earlier try left.
func (l *Tables) Build(ctx context.Context, meta Meta) (*Builder, error) {
	if err := l.Drop(ctx, meta.SessionID); err != nil {
		return nil, err
	}
	return &Builder{tables: l, files: l.files(meta.SessionID), manifest: Manifest{Version: manifestVersion, Meta: meta, RowsPerBlock: 1}}, nil
}

// Read reads the blocks of the table, in this order, and has check compare each with
// what is wanted of it. It writes where their tokens are and the sums of their pages.
func (b *Builder) Read(ctx context.Context, ids []string, check func(n int, h *block.Header) error) error {
	read := make([]blockRead, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	group.Go(func() error {
		defer close(next)
		for n := range ids {
			select {
			case next <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range b.tables.limits.readers() {
		group.Go(func() error {
			var buf []byte
			for n := range next {
				var err error
				if buf, err = b.readBlock(ctx, ids[n], &read[n], buf); err != nil {
					return err
				}
				if err := check(n, &read[n].header); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.lay(ids, read)
	return b.writePages(ctx)
}

// blockRead is what is kept of a block that was read.
type blockRead struct {
	header  block.Header
	columns []block.Place
	size    int64
	sums    []uint64
}

// readBlock reads a block into buf, which it returns.
func (b *Builder) readBlock(ctx context.Context, id string, into *blockRead, buf []byte) ([]byte, error) {
	data, err := b.tables.blocks.ReadInto(ctx, b.files.session, id, buf)
	if err != nil {
		return buf, err
	}
	n, _, _ := block.ParseID(id) // ReadInto did too
	l, err := block.LayoutOf(data)
	if err != nil {
		return data, blobs.NewInvalid(n, blobs.Undecodable, ": "+err.Error())
	}
	into.header, into.columns, into.size = l.Header, l.Columns, int64(len(data))
	for at := 0; at < len(data); at += pageSize {
		into.sums = append(into.sums, block.Sum(data[at:min(at+pageSize, len(data))]))
	}
	return data, nil
}

// lay joins what was read of the blocks.
func (b *Builder) lay(ids []string, read []blockRead) {
	p := &blockPages{columns: len(b.manifest.Columns), rowsPerBlock: 1}
	for n, one := range read {
		if n == 0 {
			p.rowsPerBlock = int64(one.header.Rows)
		}
		p.blocks = append(p.blocks, blockLayout{id: ids[n], size: one.size, columns: one.columns, first: int64(len(p.sums))})
		p.sums = append(p.sums, one.sums...)
		p.rows += int64(one.header.Rows)
	}
	b.pages, b.manifest.Rows, b.manifest.RowsPerBlock = p, p.rows, p.rowsPerBlock
}

func (b *Builder) writePages(ctx context.Context) error {
	text := b.pages.encode(saltOf(b.files.session, pagesName))
	if err := b.files.store.Put(ctx, b.files.session, pagesName, text); err != nil {
		return err
	}
	for _, one := range b.pages.blocks {
		name, err := blobs.Name(one.id)
		if err != nil {
			return err
		}
		_, sum, _ := block.ParseID(one.id) // Name did too
		b.manifest.Files = append(b.manifest.Files, File{Kind: KindBlock, Name: name, Size: one.size, Sum: sumText(sum)})
	}
	b.manifest.Files = append(b.manifest.Files, File{Kind: KindPages, Name: pagesName, Size: int64(len(text)), Sum: sumText(block.Sum(text))})
	return nil
}

// Index sorts the tokens of the searchable columns, some of them side by side, and
// calls done with how many of them, from the first one on, are synced.
func (b *Builder) Index(ctx context.Context, done func(columns int) error) error {
	var columns []int
	for c := range b.manifest.Columns {
		if b.manifest.Columns[c].IsSearchable {
			columns = append(columns, c)
		}
	}
	files, err := b.tables.indexColumns(ctx, b.pages, b.files, columns, done)
	b.manifest.Files = append(b.manifest.Files, files...)
	return err
}

// Commit writes the manifest, and opens the table. Once it has returned nil the table
// survives a crash.
func (b *Builder) Commit(ctx context.Context) (*Table, error) {
	if err := b.files.writeManifest(ctx, &b.manifest); err != nil {
		return nil, err
	}
	return b.tables.openAs(ctx, b.files, 0, nil)
}

// progress counts what is done in order.
type progress struct {
	mu    sync.Mutex
	whole []bool
	said  int
	done  func(int) error
}

func (p *progress) add(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whole[n] = true
	for p.said < len(p.whole) && p.whole[p.said] {
		p.said++
		if err := p.done(p.said); err != nil {
			return err
		}
	}
	return nil
}

// indexColumns indexes columns side by side, and returns the files of their indexes.
// A file is synced while the next column is sorted.
func (l *Tables) indexColumns(ctx context.Context, p *blockPages, files group, columns []int, done func(columns int) error) ([]File, error) {
	workers := min(l.limits.Workers, len(columns))
	room := cmp.Or(l.limits.room, roomFor(l.limits.Memory/int64(max(workers, 1))))
	made, progress := make([][]File, len(columns)), &progress{whole: make([]bool, len(columns)), done: done}
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int, len(columns))
	for n := range columns {
		next <- n
	}
	close(next)
	for range workers {
		group.Go(func() error {
			x := newColumnIndexer(p, l.blockFiles(files.session), files, room)
			for n := range next {
				writers, err := x.index(ctx, columns[n])
				if err != nil {
					return err
				}
				for _, w := range writers {
					made[n] = append(made[n], w.of)
				}
				group.Go(func() error {
					return errors.Join(commitAll(writers), progress.add(n))
				})
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(made...), err
}

// commitAll syncs files.
func commitAll(writers []*pageWriter) (err error) {
	for _, w := range writers {
		err = errors.Join(err, w.commit())
	}
	return err
}

// Limits bound what indexing takes. Zero values mean the defaults that are named.
type Limits struct {
	// Memory is what the indexing of one table may take, in bytes: default 256 MiB.
	Memory int64
	// Workers are the columns that are sorted side by side: default one for each core, as
	// far as each has memory for some passes over its column.
	Workers int

	room int // entries that a column collects at once, in tests
}

const (
	defaultMemory = 256 << 20
	processMemory = 40 << 20 // of the process beside indexing
	workerMemory  = 64 << 20 // what a column has at least where several are sorted
)

func (l Limits) withDefaults() Limits {
	if l.Memory == 0 {
		l.Memory = defaultMemory
	}
	l.Memory = max(l.Memory-processMemory, workerMemory)
	if l.Workers == 0 {
		l.Workers = max(min(runtime.GOMAXPROCS(0), int(l.Memory/workerMemory)), 1)
	}
	return l
}

// readers are the blocks that are read side by side: each is in memory whole.
func (l Limits) readers() int {
	return max(min(runtime.GOMAXPROCS(0), int(l.Memory/block.MaxSize)), 1)
}

// Reindex makes the indexes that an open table lacks for these columns, beside
// those that lookups are answered from, and opens the table with them. An error is
// a *Damaged where the table's own files are.
func (l *Tables) Reindex(ctx context.Context, old *Table, columns []edm.Column) (*Table, error) {
	manifest, err := ReadManifest(ctx, l.store, old.SessionID)
	if err != nil {
		return nil, err
	}
	var lacking []int
	for c := range columns {
		if columns[c].IsSearchable && !old.Searchable(c) {
			lacking = append(lacking, c)
		}
	}
	manifest = manifest.without(lacking)
	for _, c := range lacking {
		// What a reader may have open yet stays as it is.
		if err := old.files.dropIndex(ctx, c); err != nil {
			return nil, err
		}
	}
	made, err := l.indexColumns(ctx, old.blocks.blockPages, old.files, lacking, func(int) error { return nil })
	if err != nil {
		return nil, err
	}
	manifest.Files = append(manifest.Files, made...)
	if err := old.files.writeManifest(ctx, manifest); err != nil {
		return nil, err
	}
	return l.openAs(ctx, old.files, 0, columns)
}

// dropIndex removes the files of a column's index. A reader that has them open keeps
// them.
func (g group) dropIndex(ctx context.Context, column int) error {
	return errors.Join(g.store.Remove(ctx, g.session, indexName(column)), g.store.Remove(ctx, g.session, collisionsName(column)))
}

// Tidy removes the indexes of columns that are not searchable any more.
func (l *Tables) Tidy(ctx context.Context, t *Table) {
	if err := l.tidy(ctx, t); err != nil {
		l.log.Warn("an index that is not needed is left; it goes with its table", "session", t.SessionID, "error", err)
	}
}

func (l *Tables) tidy(ctx context.Context, t *Table) error {
	manifest, err := ReadManifest(ctx, l.store, t.SessionID)
	if err != nil {
		return err
	}
	var unused []int
	for c := range t.Columns {
		if !t.Columns[c].IsSearchable && manifest.file(KindIndex, c) != nil {
			unused = append(unused, c)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	if err := t.files.writeManifest(ctx, manifest.without(unused)); err != nil {
		return err
	}
	for _, c := range unused {
		err = errors.Join(err, t.files.dropIndex(ctx, c))
	}
	return err
}

package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

// Tables of earlier versions had no blocks: a file of tokens for each column, in
// pages of 256 with a CRC-64/NVME behind each, and the description legacyName.
const (
	legacyName       = "table.json"
	legacyPage       = 256
	legacyFooterSize = 4 + 8 + sumSize
)

func legacyTokensName(column int) string { return fmt.Sprintf("col-%d.tok", column) }

// readLegacy reads the description of a table of an earlier version.
func readLegacy(ctx context.Context, store blobs.Store, session string) (*Meta, error) {
	whole, err := blobs.ReadAll(ctx, store, session, legacyName)
	if err != nil {
		return nil, err
	}
	text, sum, _ := bytes.Cut(whole, []byte("\n"))
	meta := new(Meta)
	if string(sum) != sumText(block.Sum(text))+"\n" || json.Unmarshal(text, meta) != nil {
		return nil, damaged("%s does not have its sum", legacyName)
	}
	return meta, nil
}

// Earlier reports whether a session's table has the form of an earlier version, which
// Migrate changes.
func Earlier(ctx context.Context, store blobs.Store, session string) (bool, error) {
	files, err := store.List(ctx, session)
	if err != nil {
		return false, err
	}
	has := func(name string) bool {
		return slices.ContainsFunc(files, func(f blobs.File) bool { return f.Name == name })
	}
	return has(legacyName) && !has(manifestName), nil
}

// ReadMeta reads what a session's table says of itself, of whichever version it is.
func ReadMeta(ctx context.Context, store blobs.Store, session string) (*Meta, error) {
	m, err := ReadManifest(ctx, store, session)
	if err == nil {
		return &m.Meta, nil
	}
	if earlier, looked := Earlier(ctx, store, session); looked != nil || !earlier {
		return nil, errors.Join(err, looked)
	}
	return readLegacy(ctx, store, session)
}

// legacyTokens reads a file of tokens.
type legacyTokens struct {
	name    string
	file    blobs.Reader
	entries int64
}

func openLegacyTokens(ctx context.Context, files group, column int, rows int64) (*legacyTokens, error) {
	name := legacyTokensName(column)
	file, err := files.store.Open(ctx, files.session, name)
	if err != nil {
		return nil, err
	}
	f := &legacyTokens{name: name, file: file, entries: rows}
	if err := f.measure(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// measure makes sure that the file ends as one with n tokens does.
func (f *legacyTokens) measure() error {
	size, err := f.file.Size()
	if err != nil {
		return err
	}
	pages := (f.entries + legacyPage - 1) / legacyPage
	want := binary.LittleEndian.AppendUint32(nil, fingerprint.TokenSize)
	want = binary.LittleEndian.AppendUint64(want, uint64(f.entries))
	want = binary.LittleEndian.AppendUint64(want, block.Sum(append([]byte(f.name), want...)))
	if size != f.entries*fingerprint.TokenSize+pages*sumSize+legacyFooterSize {
		return damaged("%s has another size than %d tokens", f.name, f.entries)
	}
	end := make([]byte, legacyFooterSize)
	if n, err := f.file.ReadAt(end, size-legacyFooterSize); n < len(end) {
		return fmt.Errorf("read the end of %s: %w", f.name, err)
	}
	if !bytes.Equal(end, want) {
		return damaged("%s does not end as it was written", f.name)
	}
	return nil
}

// read fills to with the tokens from a row on, which begins a page.
func (f *legacyTokens) read(row int64, to []byte) error {
	for len(to) > 0 {
		size := int(min(legacyPage, f.entries-row)) * fingerprint.TokenSize
		page := make([]byte, size+sumSize)
		if n, err := f.file.ReadAt(page, row/legacyPage*(legacyPage*fingerprint.TokenSize+sumSize)); n < len(page) {
			return fmt.Errorf("read %s: %w", f.name, err)
		}
		if block.Sum(page[:size]) != binary.LittleEndian.Uint64(page[size:]) {
			return damaged("page %d of %s does not have its sum", row/legacyPage, f.name)
		}
		to = to[copy(to, page[:size]):]
		row += legacyPage
	}
	return nil
}

// legacyRows are the rows of the blocks that Migrate makes: whole pages.
const legacyRows = legacyPage * 256

// Migrate gives a session's table of an earlier version the present form: it makes
// blocks of its tokens and indexes them. store is the displayName of its data store,
// and columns say what is searchable, nil for what was so when the table was made. Cut
// off at any place, it begins again: what it was made of goes last.
func (l *Tables) Migrate(ctx context.Context, session, store string, columns []edm.Column) error {
	files := l.files(session)
	made, err := l.made(ctx, files)
	if err != nil {
		return err
	}
	if !made {
		if err := l.migrate(ctx, files, store, columns); err != nil {
			return err
		}
	}
	return files.dropLegacy(ctx)
}

// made reports whether the table has the present form, and is whole where what it was
// made of is still there.
func (l *Tables) made(ctx context.Context, files group) (bool, error) {
	list, err := l.store.List(ctx, files.session)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(list, func(f blobs.File) bool { return f.Name == legacyName }) {
		return true, nil
	}
	table, err := l.openAs(ctx, files, 0, nil)
	if err != nil {
		return false, nil //nolint:nilerr // it is made again
	}
	return table.Verify(ctx) == nil, table.Close()
}

func (l *Tables) migrate(ctx context.Context, files group, store string, columns []edm.Column) error {
	meta, err := readLegacy(ctx, l.store, files.session)
	if err != nil {
		return err
	}
	if columns != nil && !sameRules(meta.Columns, columns) {
		return damaged("%s is another table's", legacyName)
	}
	if columns != nil {
		meta.Columns = columns
	}
	if err := l.blocks.Drop(ctx, files.session); err != nil {
		return err
	}
	ids, err := l.legacyBlocks(ctx, files, meta, store)
	if err != nil {
		return err
	}
	if err := l.remake(ctx, files, meta, ids); err != nil {
		return fmt.Errorf("make the table again: %v", err) //nolint:errorlint // what is wrong with the new files is not damage of the old ones
	}
	return nil
}

// remake makes a table out of blocks, and reads all of it.
func (l *Tables) remake(ctx context.Context, files group, meta *Meta, ids []string) error {
	b := &Builder{tables: l, files: files, manifest: Manifest{Version: manifestVersion, Meta: *meta, RowsPerBlock: 1}}
	if err := b.Read(ctx, ids, func(int, *block.Header) error { return nil }); err != nil {
		return err
	}
	if err := b.Index(ctx, func(int) error { return nil }); err != nil {
		return err
	}
	table, err := b.Commit(ctx)
	if err != nil {
		return err
	}
	return errors.Join(table.Verify(ctx), table.Close())
}

// legacyBlocks stages blocks of the tokens of a table of an earlier version.
func (l *Tables) legacyBlocks(ctx context.Context, files group, meta *Meta, store string) (ids []string, err error) {
	key, err := fingerprint.ParseKeyID(meta.KeyID)
	if err != nil {
		return nil, damaged("%s: %v", legacyName, err)
	}
	h := block.Header{Rules: fingerprint.Rules, KeyID: key, Store: store}
	var columns []*legacyTokens
	defer func() {
		for _, f := range columns {
			err = errors.Join(err, f.file.Close())
		}
	}()
	for c := range meta.Columns {
		h.Columns = append(h.Columns, meta.Columns[c].Name)
		f, err := openLegacyTokens(ctx, files, c, meta.Rows)
		if err != nil {
			return nil, err
		}
		columns = append(columns, f)
	}
	for ; h.FirstRow < meta.Rows; h.FirstRow += legacyRows {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h.Index, h.Rows = len(ids), int(min(legacyRows, meta.Rows-h.FirstRow))
		id, err := l.legacyBlock(ctx, files.session, h, columns)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (l *Tables) legacyBlock(ctx context.Context, session string, h block.Header, columns []*legacyTokens) (id string, err error) {
	var d block.Draft
	if err := d.Begin(h); err != nil {
		return "", err
	}
	for c, f := range columns {
		if err := f.read(h.FirstRow, d.Column(c)); err != nil {
			return "", err
		}
	}
	data := d.Encode()
	id = block.ID(h.Index, block.Sum(data))
	return id, l.blocks.Put(ctx, session, id, data)
}

// dropLegacy removes the files of an earlier version, its description first: without
// it they are of nothing.
func (g group) dropLegacy(ctx context.Context) error {
	files, err := g.store.List(ctx, g.session)
	if err != nil {
		return err
	}
	if err := g.store.Remove(ctx, g.session, legacyName); err != nil {
		return err
	}
	for _, f := range files {
		var column int
		if n, _ := fmt.Sscanf(f.Name, "col-%d.", &column); n == 1 {
			err = errors.Join(err, g.store.Remove(ctx, g.session, f.Name))
		}
	}
	return err
}

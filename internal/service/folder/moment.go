package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// moment is what a backup has at one moment of the records.
type moment struct {
	*Backup
	contents Contents
	// open are the sessions that are not sealed: their records do not name their blocks.
	open []string
	bad  []Copied
}

// moment takes the records, and lists the files that they name.
func (b *Backup) moment(ctx context.Context, id string) (*moment, error) {
	m := &moment{Backup: b, contents: Contents{Version: backupVersion, ID: id}}
	dir := b.copies.backup(id)
	var err error
	if m.contents.Records, err = b.takeRecords(ctx, dir); err != nil {
		return nil, fmt.Errorf("take the records: %w", err)
	}
	db, err := bolt.OpenReading(filepath.Join(dir, recordsName), b.Log)
	if err != nil {
		return nil, err
	}
	return m, errors.Join(m.list(ctx, db), db.Close())
}

func (m *moment) list(ctx context.Context, db *bolt.Store) error {
	is, err := db.Identity(ctx)
	if err != nil {
		return err
	}
	m.contents.Folder, m.contents.Stamp = is.ID, is.Stamp
	if err := m.sameFolder(is.ID); err != nil {
		return err
	}
	kept, err := keptTables(ctx, db)
	if err != nil {
		return err
	}
	for _, one := range kept {
		if err := m.listTable(ctx, one); err != nil {
			return err
		}
	}
	return m.listSessions(ctx, db)
}

// listTable lists the files of a table that a data store keeps.
func (m *moment) listTable(ctx context.Context, one kept) error {
	session, tables := one.live.SessionID, blobs.NewFolder(m.FS, filepath.Join(m.Dir, Tables))
	files, err := index.Listing(ctx, tables, one.live)
	var damaged *index.Damaged
	switch {
	case errors.As(err, &damaged) || errors.Is(err, fs.ErrNotExist):
		if is, err := index.Earlier(ctx, tables, session); err == nil && is {
			return &earlier{m.Dir, 1}
		}
		m.bad = append(m.bad, Copied{Kind: Tables, Session: session, Name: contentsName})
		return nil
	case err != nil:
		return err
	}
	for _, f := range files {
		kind := Tables
		if f.Kind == index.KindBlock {
			kind = Blocks
		}
		m.contents.Files = append(m.contents.Files, Copied{kind, session, f.Name, f.Size, f.Sum})
	}
	return nil
}

// listSessions lists the blocks of the sessions that take some, or are being indexed.
func (m *moment) listSessions(ctx context.Context, db *bolt.Store) error {
	tenants, err := db.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		err := db.Of(tenant).View(ctx, func(tx records.Tx) error {
			all, err := tx.Sessions().List()
			for _, one := range all {
				if !one.Unfinished() && !one.Processing() {
					continue
				}
				whole, failed := tx.Sessions().Get(one.ID) // with its list of blocks
				if failed == nil {
					failed = m.listBlocks(ctx, whole)
				}
				err = errors.Join(err, failed)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// listBlocks lists the blocks of a session: those of its seal, or all that are there.
// Some may have come since.
func (m *moment) listBlocks(ctx context.Context, one *records.Session) error {
	files, err := blobs.NewFolder(m.FS, filepath.Join(m.Dir, Blocks)).List(ctx, one.ID)
	if errors.Is(err, fs.ErrNotExist) { // one of them went meanwhile
		m.bad = append(m.bad, Copied{Kind: Blocks, Session: one.ID})
		return nil
	}
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		if _, whole := blobs.ID(f.Name); whole {
			sizes[f.Name] = f.Size
		}
	}
	names := sortedKeys(sizes)
	if len(one.Sealed) > 0 {
		names = nil
		for _, id := range one.Sealed {
			name, err := blobs.Name(id)
			if err != nil {
				return err
			}
			names = append(names, name)
		}
	} else {
		m.open = append(m.open, one.ID)
	}
	for _, name := range names {
		id, _ := blobs.ID(name)
		_, sum, _ := block.ParseID(id) // it is the id of the name
		f := Copied{Blocks, one.ID, name, sizes[name], fmt.Sprintf("%016x", sum)}
		if _, there := sizes[name]; !there { // an earlier backup may have it
			if f.Size, err = m.sizeOfCopy(f); err != nil {
				return err
			}
		}
		m.contents.Files = append(m.contents.Files, f)
	}
	return nil
}

// copyAll copies what is not there yet, and returns the files that are not what they are
// to be.
func (m *moment) copyAll(ctx context.Context) ([]Copied, error) {
	touched := map[string]bool{}
	for _, f := range m.contents.Files {
		if err := m.copy(ctx, f, touched); err != nil {
			return nil, err
		}
	}
	for _, dir := range sortedKeys(touched) {
		if err := m.FS.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	return m.bad, m.stillOpen(ctx)
}

func (m *moment) copy(ctx context.Context, f Copied, touched map[string]bool) error {
	there, err := m.has(f)
	if err != nil || there {
		return err
	}
	dir := m.copies.group(f)
	if !touched[dir] {
		if err := m.FS.MkdirAll(dir); err != nil {
			return err
		}
		touched[dir] = true
	}
	err = copyFile(ctx, m.FS, filepath.Join(m.Dir, f.String()), f, filepath.Join(dir, f.copyName()))
	var other *changed
	switch {
	case errors.As(err, &other) || errors.Is(err, fs.ErrNotExist):
		m.bad = append(m.bad, f)
		return nil
	case err != nil:
		return fmt.Errorf("copy %s: %w", f, err)
	}
	m.there[dir][f.copyName()] = f.Size
	m.count.files++
	m.count.bytes += f.Size
	return nil
}

// stillOpen finds the sessions that have ended since the records were taken. Their
// blocks go then, so that those which were listed may not be all.
func (m *moment) stillOpen(ctx context.Context) error {
	if len(m.open) == 0 {
		return nil
	}
	now, err := m.Source.Unfinished(ctx)
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, id := range now {
		open[id] = true
	}
	for _, id := range m.open {
		if !open[id] {
			m.bad = append(m.bad, Copied{Kind: Blocks, Session: id})
		}
	}
	return nil
}

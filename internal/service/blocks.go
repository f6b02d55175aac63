package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"exactmatch.dev/operator/internal/block"
)

// blockFiles keeps staged blocks, one file each, named by index and sum. A
// block that was acknowledged is synced, and so is its name.
type blockFiles struct {
	root string

	mu       sync.Mutex
	sessions map[string]map[string]int64 // session → block id → size
}

// staged is one block that is there.
type staged struct {
	id   string
	size int64
}

func newBlockFiles(root string) *blockFiles {
	return &blockFiles{root: root, sessions: map[string]map[string]int64{}}
}

func fileOf(id string) (string, error) {
	index, sum, err := block.ParseID(id)
	return fmt.Sprintf("%08d-%016x", index, sum), err
}

// load finds the staged blocks of a session again and drops half-written files.
func (b *blockFiles) load(session string) error {
	entries, err := os.ReadDir(filepath.Join(b.root, session))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	known := map[string]int64{}
	for _, e := range entries {
		var index int
		var sum uint64
		if _, err := fmt.Sscanf(e.Name(), "%08d-%016x", &index, &sum); err != nil || strings.HasSuffix(e.Name(), ".new") {
			if err := os.Remove(filepath.Join(b.root, session, e.Name())); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		known[block.ID(index, sum)] = info.Size()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions[session] = known
	return nil
}

// put writes a block: a new file is synced, named, and the name is synced.
func (b *blockFiles) put(session, id string, data []byte) error {
	if b.has(session, id) {
		return nil
	}
	name, err := fileOf(id)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.root, session)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := writeSynced(dir, name, data); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions[session] == nil {
		b.sessions[session] = map[string]int64{}
	}
	b.sessions[session][id] = int64(len(data))
	return nil
}

// writeSynced makes a file appear whole or not at all.
func writeSynced(dir, name string, data []byte) error {
	f, err := os.CreateTemp(dir, name+"-*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// syncDir makes names in a folder survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (b *blockFiles) has(session, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.sessions[session][id]
	return there
}

// count is the number of different indexes that are staged.
func (b *blockFiles) count(session string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[int]bool{}
	for id := range b.sessions[session] {
		if index, _, err := block.ParseID(id); err == nil {
			seen[index] = true
		}
	}
	return len(seen)
}

// list returns the staged blocks in the order of their ids.
func (b *blockFiles) list(session string) []staged {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]staged, 0, len(b.sessions[session]))
	for id, size := range b.sessions[session] {
		out = append(out, staged{id, size})
	}
	slices.SortFunc(out, func(a, b staged) int { return strings.Compare(a.id, b.id) })
	return out
}

// read returns a block's bytes, checked against the sum in its name.
func (b *blockFiles) read(session, id string) ([]byte, error) {
	name, err := fileOf(id)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(b.root, session, name))
	if err != nil {
		return nil, err
	}
	if index, sum, _ := block.ParseID(id); block.Sum(data) != sum {
		return nil, &damaged{fmt.Sprintf("block %d does not have the sum it was acknowledged with", index)}
	}
	return data, nil
}

// damaged says that stored bytes are not what was written.
type damaged struct{ what string }

func (d *damaged) Error() string { return d.what }

// drop removes all blocks of a session.
func (b *blockFiles) drop(session string) error {
	b.mu.Lock()
	delete(b.sessions, session)
	b.mu.Unlock()
	return os.RemoveAll(filepath.Join(b.root, session))
}

// dropUnknown removes the folders of sessions that no record names.
func (b *blockFiles) dropUnknown(known map[string]bool) error {
	entries, err := os.ReadDir(b.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !known[e.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(b.root, e.Name())))
		}
	}
	return err
}

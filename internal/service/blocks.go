package service

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/fsys"
)

// blockFiles keeps staged blocks, one file each, named by index and sum. A
// block that was acknowledged is synced, and so is its name.
type blockFiles struct {
	files fsys.FS
	root  string
	log   *slog.Logger

	mu       sync.Mutex
	sessions map[string]map[string]int64 // session → block id → size
	bytes    int64                       // of all of them
}

// staged is one block that is there.
type staged struct {
	id   string
	size int64
}

func newBlockFiles(fs fsys.FS, root string, log *slog.Logger) *blockFiles {
	return &blockFiles{files: fs, root: root, log: log, sessions: map[string]map[string]int64{}}
}

func fileOf(id string) (string, error) {
	index, sum, err := block.ParseID(id)
	return fmt.Sprintf("%08d-%016x", index, sum), err
}

// idOf is the block that a file's name stands for; false where it is none.
func idOf(name string) (string, bool) {
	var index int
	var sum uint64
	if _, err := fmt.Sscanf(name, "%08d-%016x", &index, &sum); err != nil {
		return "", false
	}
	id := block.ID(index, sum)
	again, err := fileOf(id)
	return id, err == nil && again == name
}

// invalidBlockCode is the code of a block that contradicts its session, to whoever
// stages it and in the error of a session.
const invalidBlockCode = "InvalidBlock"

// invalidBlock says which block of a session is at fault.
type invalidBlock struct{ what string }

func (i *invalidBlock) Error() string { return i.what }

// load finds the staged blocks of a session again and drops half-written files,
// which nobody was told of.
func (b *blockFiles) load(session string) error {
	dir := filepath.Join(b.root, session)
	entries, err := b.files.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	known := map[string]int64{}
	for _, e := range entries {
		id, whole := idOf(e.Name())
		if !whole {
			err := b.files.RemoveAll(filepath.Join(dir, e.Name()))
			b.log.Warn("dropped a half-written file; no acknowledged block is lost", "session", session, "file", e.Name(), "error", err)
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		known[id] = info.Size()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetAll(session)
	b.sessions[session] = known
	for _, size := range known {
		b.bytes += size
	}
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
	if err := b.files.MkdirAll(dir); err != nil {
		return err
	}
	if err := fsys.WriteSynced(b.files, dir, name, data); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions[session] == nil {
		b.sessions[session] = map[string]int64{}
	}
	b.bytes += int64(len(data)) - b.sessions[session][id]
	b.sessions[session][id] = int64(len(data))
	return nil
}

func (b *blockFiles) has(session, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.sessions[session][id]
	return there
}

// size is what all staged blocks take, in bytes.
func (b *blockFiles) size() (total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// missing is the first of the ids that is not there, -1 where all are.
func (b *blockFiles) missing(session string, ids []string) int {
	return slices.IndexFunc(ids, func(id string) bool { return !b.has(session, id) })
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
	index, sum, _ := block.ParseID(id) // fileOf did too
	data, err := fsys.ReadWhole(b.files, filepath.Join(b.root, session, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &invalidBlock{fmt.Sprintf("block %d was acknowledged and is gone", index)}
	}
	if err != nil {
		return nil, err
	}
	if block.Sum(data) != sum {
		return nil, &invalidBlock{fmt.Sprintf("block %d does not have the sum it was acknowledged with", index)}
	}
	return data, nil
}

// forget takes a damaged block off the list, so that its uploader stages it
// again.
func (b *blockFiles) forget(session, id string) error {
	name, err := fileOf(id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.bytes -= b.sessions[session][id]
	delete(b.sessions[session], id)
	b.mu.Unlock()
	return b.files.RemoveAll(filepath.Join(b.root, session, name))
}

// drop removes all blocks of a session.
func (b *blockFiles) drop(session string) error {
	b.mu.Lock()
	b.forgetAll(session)
	b.mu.Unlock()
	return b.files.RemoveAll(filepath.Join(b.root, session))
}

// forgetAll takes a session's blocks off the list. b.mu is held.
func (b *blockFiles) forgetAll(session string) {
	for _, size := range b.sessions[session] {
		b.bytes -= size
	}
	delete(b.sessions, session)
}

// dropUnknown removes the folders of sessions that need no blocks any more.
func (b *blockFiles) dropUnknown(known map[string]bool) error {
	entries, err := b.files.ReadDir(b.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if known[e.Name()] {
			continue
		}
		err := b.files.RemoveAll(filepath.Join(b.root, e.Name()))
		b.log.Warn("dropped the blocks of a session that has ended or is not known", "session", e.Name(), "error", err)
	}
	return nil
}

package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"exactmatch.dev/operator/internal/block"
)

// Blocks are the staged blocks of sessions: a file each, named by index and sum,
// in a group for each session. It remembers which are there. A block that was
// acknowledged survives a crash.
type Blocks struct {
	store Store
	log   *slog.Logger

	mu       sync.Mutex
	sessions map[string]map[string]int64 // session → block id → size
	bytes    int64                       // of all of them
	owners   map[string]string           // of sessions
	owned    map[string]int64            // bytes, by owner
	kept     map[string]map[string]int64 // as sessions: the blocks that are a table's
}

// Block is one that is staged.
type Block struct {
	ID   string
	Size int64
}

// NewBlocks knows no block before Load.
func NewBlocks(s Store, log *slog.Logger) *Blocks {
	return &Blocks{store: s, log: log, sessions: map[string]map[string]int64{}, owners: map[string]string{}, owned: map[string]int64{}, kept: map[string]map[string]int64{}}
}

// Name is the name of a block's file.
func Name(id string) (string, error) {
	index, sum, err := block.ParseID(id)
	return fmt.Sprintf("%08d-%016x", index, sum), err
}

// ID is the block that a file's name stands for; false where it is none.
func ID(name string) (string, bool) {
	var index int
	var sum uint64
	if _, err := fmt.Sscanf(name, "%08d-%016x", &index, &sum); err != nil {
		return "", false
	}
	id := block.ID(index, sum)
	again, err := Name(id)
	return id, err == nil && again == name
}

// Invalid says which block of a session is at fault.
type Invalid struct {
	Block int    // its index
	Code  string // one of the codes below
	What  string // the same for people, with the index
}

// How a block can be at fault.
const (
	Missing     = "BlockMissing"
	Damaged     = "BlockDamaged"
	Undecodable = "BlockUndecodable"
	Mismatch    = "BlockMismatch" // it is not its session's, or not of its place
)

// NewInvalid is the fault of a block, told behind its index.
func NewInvalid(index int, code, what string) *Invalid {
	return &Invalid{Block: index, Code: code, What: fmt.Sprintf("block %d%s", index, what)}
}

func (i *Invalid) Error() string { return i.What }

// Load finds the staged blocks of a session again and drops half-written files,
// which nobody was told of.
func (b *Blocks) Load(ctx context.Context, session string) error {
	files, err := b.store.List(ctx, session)
	if err != nil {
		return err
	}
	known := map[string]int64{}
	for _, f := range files {
		id, whole := ID(f.Name)
		if !whole {
			err := b.store.Remove(ctx, session, f.Name)
			b.log.Warn("dropped a half-written file; no acknowledged block is lost", "session", session, "file", f.Name, "error", err)
			continue
		}
		known[id] = f.Size
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetAll(session)
	b.sessions[session] = known
	for _, size := range known {
		b.count(session, size)
	}
	return nil
}

// Own counts the blocks of a session as an owner's, from now on, until they are
// dropped.
func (b *Blocks) Own(session, owner string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, size := range b.sessions[session] {
		b.owned[b.owners[session]] -= size
		b.owned[owner] += size
	}
	b.owners[session] = owner
}

// count adds bytes to what a session has. b.mu is held.
func (b *Blocks) count(session string, bytes int64) {
	b.bytes += bytes
	b.owned[b.owners[session]] += bytes
}

// Put stages a block. Once it has returned nil the block survives a crash.
func (b *Blocks) Put(ctx context.Context, session, id string, data []byte) error {
	if b.Has(session, id) {
		return nil
	}
	name, err := Name(id)
	if err != nil {
		return err
	}
	if err := b.store.Put(ctx, session, name, data); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions[session] == nil {
		b.sessions[session] = map[string]int64{}
	}
	b.count(session, int64(len(data))-b.sessions[session][id])
	b.sessions[session][id] = int64(len(data))
	return nil
}

// Has reports whether a block is staged.
func (b *Blocks) Has(session, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.sessions[session][id]
	return there
}

// Size is what all staged blocks take, in bytes.
func (b *Blocks) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// SizeOf is what the staged blocks of an owner take, in bytes.
func (b *Blocks) SizeOf(owner string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owned[owner]
}

// Missing is the first of the ids that is not staged, -1 where all are.
func (b *Blocks) Missing(session string, ids []string) int {
	return slices.IndexFunc(ids, func(id string) bool { return !b.Has(session, id) })
}

// Count is the number of different indexes that are staged.
func (b *Blocks) Count(session string) int {
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

// Different counts the staged blocks of a session, whatever their indexes.
func (b *Blocks) Different(session string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions[session])
}

// List returns the staged blocks in the order of their ids.
func (b *Blocks) List(session string) []Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Block, 0, len(b.sessions[session]))
	for id, size := range b.sessions[session] {
		out = append(out, Block{id, size})
	}
	slices.SortFunc(out, func(a, b Block) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Sizes are those of blocks that a session or its table has, 0 of any other.
func (b *Blocks) Sizes(session string, ids []string) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = max(b.sessions[session][id], b.kept[session][id])
	}
	return out
}

// Read returns a block's bytes, checked against the sum in its name. A block that
// is gone or damaged is an Invalid one.
func (b *Blocks) Read(ctx context.Context, session, id string) ([]byte, error) {
	return b.ReadInto(ctx, session, id, nil)
}

// ReadInto is Read into the memory of buf, where that is large enough.
func (b *Blocks) ReadInto(ctx context.Context, session, id string, buf []byte) ([]byte, error) {
	name, err := Name(id)
	if err != nil {
		return nil, err
	}
	index, sum, _ := block.ParseID(id) // Name did too
	data, err := b.readInto(ctx, session, name, buf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone(index)
	}
	if err != nil {
		return nil, err
	}
	if block.Sum(data) != sum {
		return nil, NewInvalid(index, Damaged, " does not have the sum it was acknowledged with")
	}
	return data, nil
}

func (b *Blocks) readInto(ctx context.Context, session, name string, buf []byte) (data []byte, err error) {
	f, err := b.store.Open(ctx, session, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	data = buf[:size]
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, err
	}
	return data, nil
}

// Head returns the first bytes of a block, as many as most, unchecked. A block that
// is gone is an Invalid one.
func (b *Blocks) Head(ctx context.Context, session, id string, most int) (head []byte, err error) {
	name, err := Name(id)
	if err != nil {
		return nil, err
	}
	f, err := b.store.Open(ctx, session, name)
	if errors.Is(err, fs.ErrNotExist) {
		index, _, _ := block.ParseID(id) // Name did too
		return nil, gone(index)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head = make([]byte, most)
	n, err := f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

func gone(index int) *Invalid { return NewInvalid(index, Missing, " was acknowledged and is gone") }

// Forget takes a damaged block off the list, so that its uploader stages it
// again.
func (b *Blocks) Forget(ctx context.Context, session, id string) error {
	name, err := Name(id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.count(session, -b.sessions[session][id])
	delete(b.sessions[session], id)
	b.mu.Unlock()
	return b.store.Remove(ctx, session, name)
}

// DropStaged removes the blocks of a session that are staged, and leaves those of a
// table.
func (b *Blocks) DropStaged(ctx context.Context, session string) (err error) {
	b.mu.Lock()
	kept, staged := b.kept[session], b.sessions[session]
	b.forgetAll(session)
	b.mu.Unlock()
	if kept == nil {
		return b.store.RemoveAll(ctx, session)
	}
	for id := range staged {
		if _, is := kept[id]; is {
			continue
		}
		name, bad := Name(id)
		err = errors.Join(err, bad, b.store.Remove(ctx, session, name))
	}
	return err
}

// Store is where the blocks lie, each under the Name of its id in the group of its
// session.
func (b *Blocks) Store() Store { return b.store }

// Drop removes all blocks of a session.
func (b *Blocks) Drop(ctx context.Context, session string) error {
	b.mu.Lock()
	b.forgetAll(session)
	delete(b.kept, session)
	b.mu.Unlock()
	return b.store.RemoveAll(ctx, session)
}

// forgetAll takes a session's blocks off the list. b.mu is held.
func (b *Blocks) forgetAll(session string) {
	for _, size := range b.sessions[session] {
		b.count(session, -size)
	}
	delete(b.sessions, session)
	delete(b.owners, session)
}

// Sessions are those that have blocks, or had some.
func (b *Blocks) Sessions(ctx context.Context) ([]string, error) { return b.store.Groups(ctx) }

// DropUnknown removes the blocks of sessions that need none any more.
func (b *Blocks) DropUnknown(ctx context.Context, known map[string]bool) error {
	sessions, err := b.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if known[session] {
			continue
		}
		err := b.store.RemoveAll(ctx, session)
		b.log.Warn("dropped the blocks of a session that has ended or is not known", "session", session, "error", err)
	}
	return nil
}

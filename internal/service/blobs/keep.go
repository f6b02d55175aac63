package blobs

import "context"

// Keep makes the blocks of a session with these ids those of a table: they are
// staged no more, and stay until Drop. Its other blocks go.
func (b *Blocks) Keep(ctx context.Context, session string, ids []string) error {
	b.mu.Lock()
	kept := map[string]int64{}
	for _, id := range ids {
		kept[id] = max(b.sessions[session][id], b.kept[session][id])
	}
	b.kept[session] = kept
	b.mu.Unlock()
	return b.DropStaged(ctx, session)
}

// KeepAll is Keep of all the blocks that a session has.
func (b *Blocks) KeepAll(ctx context.Context, session string) error {
	var ids []string
	for _, one := range b.List(session) {
		ids = append(ids, one.ID)
	}
	return b.Keep(ctx, session, ids)
}

// Kept is what the blocks of tables take, in bytes.
func (b *Blocks) Kept() (bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for session := range b.kept {
		bytes += b.keptOf(session)
	}
	return bytes
}

// KeptBy is what the blocks of the tables of sessions take, in bytes.
func (b *Blocks) KeptBy(sessions map[string]bool) (bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for session := range sessions {
		bytes += b.keptOf(session)
	}
	return bytes
}

// keptOf is what the blocks of a session's table take. b.mu is held.
func (b *Blocks) keptOf(session string) (bytes int64) {
	for _, size := range b.kept[session] {
		bytes += size
	}
	return bytes
}

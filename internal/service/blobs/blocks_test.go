package blobs_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/testkit"
)

// onDisk is the size of all files below a folder.
func onDisk(t *testing.T, root string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*", "*"))
	testkit.Must(t, err)
	for _, path := range files {
		info, err := os.Stat(path)
		testkit.Must(t, err)
		n += info.Size()
	}
	return n
}

// The owner of a session has its blocks, and no others.
func TestBlocksAreTheirOwners(t *testing.T) {
	b := blobs.NewBlocks(blobs.NewFolder(fsys.OS{}, t.TempDir()), slog.New(slog.DiscardHandler))
	data := []byte("one block")
	b.Own("a", "ours")
	b.Own("b", "theirs")
	for _, session := range []string{"a", "b", "c"} {
		testkit.Must(t, b.Put(t.Context(), session, block.ID(0, block.Sum(data)), data))
	}
	want := func(what string, ours, theirs int64) {
		t.Helper()
		if b.SizeOf("ours") != ours || b.SizeOf("theirs") != theirs {
			t.Errorf("%s: %d and %d bytes, want %d and %d", what, b.SizeOf("ours"), b.SizeOf("theirs"), ours, theirs)
		}
	}
	each := int64(len(data))
	want("a block each", each, each)
	b.Own("c", "ours")
	want("another session", 2*each, each)
	testkit.Must(t, b.Drop(t.Context(), "b"))
	want("a session dropped", 2*each, 0)
}

// The size of all blocks is what lies there, whatever was done to them.
func TestTheSizeOfBlocksIsTrue(t *testing.T) {
	root := t.TempDir()
	b := blobs.NewBlocks(blobs.NewFolder(fsys.OS{}, root), slog.New(slog.DiscardHandler))
	data := [][]byte{[]byte("one block"), []byte("another block")}
	id := func(n int) string { return block.ID(n, block.Sum(data[n])) }
	ctx := t.Context()
	for _, session := range []string{"sealed", "staged", "processing", "created"} {
		b.Own(session, "ours")
	}
	for _, session := range []string{"sealed", "staged", "processing"} {
		testkit.Must(t, b.Put(ctx, session, id(0), data[0]))
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"put", func() error { return b.Put(ctx, "created", id(1), data[1]) }},
		{"put again", func() error { return b.Put(ctx, "created", id(1), data[1]) }},
		{"forget", func() error { return b.Forget(ctx, "sealed", id(0)) }},
		{"drop", func() error { return b.Drop(ctx, "staged") }},
		{"own", func() error { b.Own("processing", "theirs"); b.Own("created", "ours"); return nil }},
		{"load", func() error { return b.Load(ctx, "processing") }},
		{"own again", func() error { b.Own("processing", "theirs"); b.Own("processing", "theirs"); return nil }},
		{"load again", func() error { return b.Load(ctx, "created") }},
		{"drop no one", func() error { return b.Drop(ctx, "nobody") }},
	} {
		testkit.Must(t, step.do())
		if want := onDisk(t, root); b.Size() != want || want == 0 {
			t.Errorf("after %s: %d bytes, want %d", step.what, b.Size(), want)
		}
		if sum := b.SizeOf("ours") + b.SizeOf("theirs") + b.SizeOf(""); sum != b.Size() {
			t.Errorf("after %s the owners have %d bytes of %d", step.what, sum, b.Size())
		}
	}
}

// The blocks that a table keeps are staged no more; the others of its session go.
func TestBlocksOfATableAreKept(t *testing.T) {
	root := t.TempDir()
	b := blobs.NewBlocks(blobs.NewFolder(fsys.OS{}, root), slog.New(slog.DiscardHandler))
	data := [][]byte{[]byte("one block"), []byte("another block")}
	id := func(n int) string { return block.ID(n, block.Sum(data[n])) }
	for n := range data {
		testkit.Must(t, b.Put(t.Context(), "done", id(n), data[n]))
	}
	testkit.Must(t, b.Keep(t.Context(), "done", []string{id(1)}))
	if want := onDisk(t, root); b.Kept() != want || want != int64(len(data[1])) || b.Size() != 0 || b.Has("done", id(1)) {
		t.Errorf("%d bytes are kept and %d staged, want %d and none", b.Kept(), b.Size(), want)
	}
	// One that comes too late is of nobody, and another's end takes nothing of the table.
	for n := range data {
		testkit.Must(t, b.Put(t.Context(), "done", id(n), data[n]))
	}
	testkit.Must(t, b.DropStaged(t.Context(), "done"))
	if want := onDisk(t, root); b.Kept() != want || want != int64(len(data[1])) || b.Size() != 0 || b.KeptBy(map[string]bool{"done": true}) != want {
		t.Errorf("%d bytes are kept and %d staged, want %d and none", b.Kept(), b.Size(), want)
	}
	testkit.Must(t, b.Drop(t.Context(), "done"))
	if left := onDisk(t, root); left != 0 || b.Kept() != 0 {
		t.Errorf("%d bytes are left, %d are said to be", left, b.Kept())
	}
}

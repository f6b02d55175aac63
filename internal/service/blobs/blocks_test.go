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

// The size of all blocks is what lies there, whatever was done to them.
func TestTheSizeOfBlocksIsTrue(t *testing.T) {
	root := t.TempDir()
	b := blobs.NewBlocks(blobs.NewFolder(fsys.OS{}, root), slog.New(slog.DiscardHandler))
	data := [][]byte{[]byte("one block"), []byte("another block")}
	id := func(n int) string { return block.ID(n, block.Sum(data[n])) }
	ctx := t.Context()
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
		{"load", func() error { return b.Load(ctx, "processing") }},
		{"load again", func() error { return b.Load(ctx, "created") }},
		{"drop no one", func() error { return b.Drop(ctx, "nobody") }},
	} {
		testkit.Must(t, step.do())
		if want := onDisk(t, root); b.Size() != want || want == 0 {
			t.Errorf("after %s: %d bytes, want %d", step.what, b.Size(), want)
		}
	}
}

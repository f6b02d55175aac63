package blobs_test

import (
	"testing"

	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/blobs/blobstest"
	"exactmatch.dev/operator/internal/service/fsys"
)

func TestFolder(t *testing.T) {
	blobstest.Run(t, func(t *testing.T) func() blobs.Store {
		root := t.TempDir()
		return func() blobs.Store { return blobs.NewFolder(fsys.OS{}, root) }
	})
}

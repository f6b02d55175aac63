package interop

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// blocksOf are the blocks of a table, in order.
func blocksOf(t *testing.T, plan pipeline.Plan, p *pipeline.Prepared) [][]byte {
	t.Helper()
	out, mu := make([][]byte, p.Blocks), sync.Mutex{}
	testkit.Must(t, pipeline.Make(t.Context(), plan, p, pipeline.MakeOptions{Stripes: p.Stripes, AtOnce: 1, Workers: 2, Emit: func(_ context.Context, index int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		out[index] = slices.Clone(data)
		return nil
	}}))
	return out
}

// azure is the Azure SDK's client of an upload URI, with its own retries.
type azure struct {
	*testing.T
	*blockblob.Client
}

func newAzure(t *testing.T, uri string) azure {
	t.Helper()
	c, err := blockblob.NewClientWithNoCredential(uri, nil)
	testkit.Must(t, err)
	return azure{t, c}
}

// stage stages blocks, and returns their ids. Half of them carry their CRC64, half their MD5.
func (a azure) stage(blocks [][]byte) (ids []string) {
	a.Helper()
	for i, data := range blocks {
		sum := block.Sum(data)
		id := block.ID(i, sum)
		o := &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeCRC64(sum)}
		if i%2 > 0 {
			digest := md5.Sum(data)
			o.TransactionalValidation = blob.TransferValidationTypeMD5(digest[:])
		}
		_, err := a.StageBlock(a.Context(), id, streaming.NopCloser(bytes.NewReader(data)), o)
		testkit.Must(a, err)
		ids = append(ids, id)
	}
	return ids
}

func (a azure) seal(ids []string) blockblob.CommitBlockListResponse {
	a.Helper()
	got, err := a.CommitBlockList(a.Context(), ids, nil)
	testkit.Must(a, err)
	return got
}

func namesOf(blocks []*blockblob.Block) (names []string) {
	for _, b := range blocks {
		names = append(names, *b.Name)
	}
	return names
}

// refused wants an error of the protocol.
func refused(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("%s: want a %d %s, got %v", what, status, code, err)
	}
}

// TestAzureSDK uploads to our upload URI by every call of the Azure SDK's block blob client
// that the contract has, and sees the others refused.
func TestAzureSDK(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(1_000), 4)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	blocks := blocksOf(t, plan, p)
	a := newAzure(t, one.DataUploadURI)

	_, err := a.GetProperties(t.Context(), nil)
	refused(t, "the properties before the seal", err, http.StatusNotFound, "BlobNotFound")
	ids := a.stage(blocks)
	listed, err := a.GetBlockList(t.Context(), blockblob.BlockListTypeUncommitted, nil)
	testkit.Must(t, err)
	if got := namesOf(listed.UncommittedBlocks); len(got) != len(ids) {
		t.Fatalf("%d of %d blocks are listed", len(got), len(ids))
	}
	sealed := a.seal(ids)
	listed, err = a.GetBlockList(t.Context(), blockblob.BlockListTypeAll, nil)
	testkit.Must(t, err)
	if got := namesOf(listed.CommittedBlocks); !slices.Equal(got, ids) || len(listed.UncommittedBlocks) > 0 {
		t.Fatalf("after the seal %d blocks are committed, %d uncommitted", len(got), len(listed.UncommittedBlocks))
	}
	shown, err := a.GetProperties(t.Context(), nil)
	testkit.Must(t, err)
	if size := int64(len(slices.Concat(blocks...))); *shown.ContentLength != size || *shown.ETag != *sealed.ETag || *listed.BlobContentLength != size {
		t.Errorf("%d bytes under %s, want %d under %s", *shown.ContentLength, *shown.ETag, size, *sealed.ETag)
	}
	stale := azcore.ETag(`"0x1"`)
	_, err = a.CommitBlockList(t.Context(), ids, &blockblob.CommitBlockListOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &stale}}})
	refused(t, "a seal under another ETag", err, http.StatusPreconditionFailed, "ConditionNotMet")

	_, err = a.UploadBuffer(t.Context(), blocks[0], nil)
	refused(t, "UploadBuffer, which puts a small blob whole", err, http.StatusBadRequest, "MissingRequiredQueryParameter")
	_, err = a.UploadStream(t.Context(), strings.NewReader(strings.Repeat("x", 3<<20)), &blockblob.UploadStreamOptions{BlockSize: 1 << 20})
	refused(t, "UploadStream, which names blocks in its own way", err, http.StatusBadRequest, "InvalidQueryParameterValue")
	_, err = a.DownloadStream(t.Context(), nil)
	refused(t, "DownloadStream", err, http.StatusBadRequest, "MissingRequiredQueryParameter")
	_, err = a.Delete(t.Context(), nil)
	refused(t, "Delete", err, http.StatusMethodNotAllowed, "UnsupportedHttpVerb")
	_, err = a.CommitBlockList(t.Context(), ids, &blockblob.CommitBlockListOptions{Metadata: map[string]*string{"owner": &plan.Store}})
	refused(t, "metadata", err, http.StatusBadRequest, "UnsupportedHeader")
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("after what was refused the session is %s", state)
	}
	t.Logf("the Azure SDK: %d blocks staged, listed, sealed and looked at; 5 operations refused by their codes", len(ids))
}

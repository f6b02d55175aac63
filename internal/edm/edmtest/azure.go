package edmtest

import (
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
)

// listed are the names of blocks in the order of a list.
func listed(blocks []*blockblob.Block) (names []string) {
	for _, b := range blocks {
		names = append(names, *b.Name)
	}
	return names
}

// sealedList wants the list of a sealed session as it was committed, in order, and
// apart from it what was staged since.
func sealedList(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(209*rowsPerBlock)) // the id of block 208 comes before that of block 0
	ids := idsOf(blocks)
	s := f.session(t, len(blocks))
	for i, data := range blocks {
		must(t, f.stage(t, s.DataUploadURI, i, data))
	}
	list := func(kind blockblob.BlockListType) blockblob.GetBlockListResponse {
		t.Helper()
		got, err := f.blob(t, s.DataUploadURI).GetBlockList(f.ctx, kind, nil)
		must(t, err)
		return got
	}
	if got := list("all"); len(got.CommittedBlocks) != 0 || !reflect.DeepEqual(listed(got.UncommittedBlocks), slices.Sorted(slices.Values(ids))) || got.ETag != nil {
		t.Fatalf("before the seal %d blocks are committed, and uncommitted %v", len(got.CommittedBlocks), listed(got.UncommittedBlocks))
	}
	must(t, f.seal(t, s.DataUploadURI, ids))
	another := f.other(t, 0, func(*block.Header) {})
	must(t, f.stage(t, s.DataUploadURI, 0, another))
	size := int64(0)
	for _, data := range blocks {
		size += int64(len(data))
	}
	for kind, want := range map[blockblob.BlockListType][2][]string{
		"all": {ids, idsOf([][]byte{another})}, "committed": {ids, nil}, "uncommitted": {nil, idsOf([][]byte{another})}, "": {ids, nil},
	} {
		got := list(kind)
		if committed, uncommitted := listed(got.CommittedBlocks), listed(got.UncommittedBlocks); !reflect.DeepEqual(committed, want[0]) || !reflect.DeepEqual(uncommitted, want[1]) {
			t.Errorf("a list of %q has %v and %v", kind, committed, uncommitted)
		}
		if got.BlobContentLength == nil || *got.BlobContentLength != size || got.ETag == nil || got.LastModified == nil {
			t.Errorf("a list of %q says %+v", kind, got)
		}
	}
	_, err := f.blob(t, s.DataUploadURI).GetBlockList(f.ctx, "latest", nil)
	wantStorage(t, err, http.StatusBadRequest, "InvalidQueryParameterValue")
}

// properties wants a sealed session to show what a blob shows.
func properties(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(8))
	s := f.session(t, 2)
	c := f.blob(t, s.DataUploadURI)
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	_, err := c.GetProperties(f.ctx, nil)
	wantStorage(t, err, http.StatusNotFound, "BlobNotFound")
	must(t, f.stage(t, s.DataUploadURI, 1, blocks[1]))
	sealed, err := c.CommitBlockList(f.ctx, idsOf(blocks), nil)
	must(t, err)
	got, err := c.GetProperties(f.ctx, nil)
	must(t, err)
	if *got.ContentLength != int64(len(blocks[0])+len(blocks[1])) || *got.BlobType != blob.BlobTypeBlockBlob || *got.ETag != *sealed.ETag || !got.LastModified.Equal(*sealed.LastModified) {
		t.Fatalf("the properties are %+v, the seal said %+v", got, sealed)
	}
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, s.ID))
	_, err = c.GetProperties(f.ctx, nil)
	wantStorage(t, err, http.StatusNotFound, "BlobNotFound")
}

// conditions wants a seal under conditions to be taken only where they hold.
func conditions(t *testing.T, f *fixture) {
	f.open(t)
	blocks, other := f.blocks(t, people(4)), f.other(t, 0, func(*block.Header) {})
	s := f.session(t, 1)
	c := f.blob(t, s.DataUploadURI)
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	must(t, f.stage(t, s.DataUploadURI, 0, other))
	seal := func(data []byte, m blob.ModifiedAccessConditions) (azcore.ETag, error) {
		t.Helper()
		got, err := c.CommitBlockList(f.ctx, idsOf([][]byte{data}), &blockblob.CommitBlockListOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &m}})
		if err != nil {
			return "", err
		}
		return *got.ETag, nil
	}
	refused := func(m blob.ModifiedAccessConditions, status int, code string) {
		t.Helper()
		_, err := seal(other, m)
		wantStorage(t, err, status, code)
	}
	refused(blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETagAny)}, http.StatusPreconditionFailed, "ConditionNotMet")
	if got := f.get(t, s.ID); got.State != edm.StateUploadInProgress {
		t.Fatalf("after a refused seal the session is %s", got.State)
	}
	first, err := seal(blocks[0], blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)})
	must(t, err)
	refused(blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}, http.StatusConflict, "BlobAlreadyExists")
	refused(blob.ModifiedAccessConditions{IfNoneMatch: &first}, http.StatusPreconditionFailed, "ConditionNotMet")
	refused(blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"0x0"`))}, http.StatusPreconditionFailed, "ConditionNotMet")
	refused(blob.ModifiedAccessConditions{IfModifiedSince: to.Ptr(time.Now().Add(time.Hour))}, http.StatusPreconditionFailed, "ConditionNotMet")
	refused(blob.ModifiedAccessConditions{IfUnmodifiedSince: to.Ptr(time.Now().Add(-time.Hour))}, http.StatusPreconditionFailed, "ConditionNotMet")
	again, err := seal(blocks[0], blob.ModifiedAccessConditions{IfMatch: &first}) // as a client whose answer was lost
	must(t, err)
	second, err := seal(other, blob.ModifiedAccessConditions{IfMatch: &again, IfUnmodifiedSince: to.Ptr(time.Now().Add(time.Hour))})
	must(t, err)
	if again != first || second == first {
		t.Errorf("the ETags are %s, of the same list %s, and of another %s", first, again, second)
	}
	refused(blob.ModifiedAccessConditions{IfMatch: &first}, http.StatusPreconditionFailed, "ConditionNotMet")
	look := func(m blob.ModifiedAccessConditions) error {
		_, err := c.GetProperties(f.ctx, &blob.GetPropertiesOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &m}})
		return err
	}
	must(t, look(blob.ModifiedAccessConditions{IfMatch: &second}))
	wantStorage(t, look(blob.ModifiedAccessConditions{IfMatch: &first}), http.StatusPreconditionFailed, "ConditionNotMet")
	wantStorage(t, look(blob.ModifiedAccessConditions{IfNoneMatch: &second}), http.StatusNotModified, "ConditionNotMet")
}

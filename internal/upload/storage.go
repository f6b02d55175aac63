package upload

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/progress"
)

// Target is where blocks go. URI returns the upload URI as it is now: it is a
// bearer capability, so it is asked for at each use and never kept or printed.
// Refused is told of a URI that the storage does not take any more; a caller that can
// renew it has Patience (default 1 min), in which the upload keeps its place.
// nil: nobody can.
// Parallelism bounds the stripes that are read and the blocks that are on their
// way at once; at least 1.
type Target struct {
	URI         func() string
	Refused     func(uri string)
	Patience    time.Duration
	HTTP        *http.Client
	Parallelism int
}

// How long a call waits for a renewal, how often it looks for one, and how many
// renewed URIs may be refused in a row.
const (
	renewPatience = time.Minute
	renewLook     = 50 * time.Millisecond
	maxRefusals   = 3
)

// stageTries bounds how often one block is sent because its sum was wrong at
// the other end.
const stageTries = 4

// storage speaks Azure Block Blob to a Target.
type storage struct {
	target Target

	// bare: the storage refuses a checksum beside a block.
	bare atomic.Bool

	mu     sync.Mutex
	uri    string
	client *blockblob.Client
}

// at returns the client of the upload URI as it is now.
func (s *storage) at() (*blockblob.Client, string, error) {
	uri := s.target.URI()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && s.uri == uri {
		return s.client, uri, nil
	}
	client, err := blockblob.NewClientWithNoCredential(uri, &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: boundedAnswers{s.target.HTTP},
		Retry:     policy.RetryOptions{MaxRetries: 4, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 10 * time.Second, ShouldRetry: mayPass},
		Telemetry: policy.TelemetryOptions{ApplicationID: "exactmatch-operator"},
	}})
	if err != nil {
		return nil, "", failure.New(failure.StorageRefused, "the upload URI that the service issued cannot be used")
	}
	s.client, s.uri = client, uri
	return client, uri, nil
}

// do runs one call and, where the storage says 403, once more as soon as the URI
// is another: it has expired, or was revoked. What a stranger answers is told as
// no answer, before anybody goes by its status or its code.
func (s *storage) do(ctx context.Context, op string, call func(*blockblob.Client) error) error {
	for refusals := 1; ; refusals++ {
		client, used, err := s.at()
		if err != nil {
			return err
		}
		err = judged(op, call(client))
		if err == nil || statusOf(err) != http.StatusForbidden || refusals == maxRefusals || !s.renewed(ctx, used) {
			return err
		}
	}
}

// renewed waits until there is another URI than the one that was refused.
func (s *storage) renewed(ctx context.Context, refused string) bool {
	if s.target.Refused == nil || s.target.URI() != refused {
		return s.target.URI() != refused
	}
	s.target.Refused(refused)
	wait := s.target.Patience
	if wait == 0 {
		wait = renewPatience
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	look := time.NewTicker(renewLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-patience.C:
			return false
		case <-look.C:
			if s.target.URI() != refused {
				return true
			}
		}
	}
}

// staged lists the ids of the blocks that are there, by index. A signature that
// may not list is no fault: everything is staged again then.
func (s *storage) staged(ctx context.Context) (map[int]string, error) {
	ids := map[int]string{}
	if !readable(s.target.URI()) {
		return ids, nil
	}
	const op = "list the staged blocks"
	err := s.do(ctx, op, func(c *blockblob.Client) error {
		list, err := blocksOf(ctx, c)
		if err != nil {
			return err
		}
		for _, b := range append(list.UncommittedBlocks, list.CommittedBlocks...) {
			name := ""
			if b.Name != nil {
				name = *b.Name
			}
			if err := addStaged(ids, name); err != nil {
				return err
			}
		}
		return nil
	})
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.AuthorizationPermissionMismatch) {
		return ids, nil
	}
	return ids, storageError(op, err)
}

// readable reports whether a signature may list: one that says what it permits
// and leaves reading out may not.
func readable(uri string) bool {
	parsed, err := url.Parse(uri)
	if err != nil {
		return true // the client says what is wrong with it
	}
	permissions := parsed.Query().Get("sp")
	return permissions == "" || strings.Contains(permissions, "r")
}

// addStaged refuses two different blocks of one index: they come from two
// contents, and a list of them would be a mixture.
func addStaged(ids map[int]string, id string) error {
	index, _, err := block.ParseID(id)
	if err != nil {
		return failure.New(failure.SourceChanged, "the remote session contains a block that this operator did not make; a new attempt starts over")
	}
	if known, ok := ids[index]; ok && known != id {
		return failure.New(failure.SourceChanged, "the remote session contains two different blocks %d: the source changed during the upload", index)
	}
	ids[index] = id
	return nil
}

// stage sends one block. A sum that is wrong at either end means bytes that were
// damaged on the way, so they are sent again. A storage that refuses the checksum
// beside a block gets blocks without one from then on.
func (s *storage) stage(ctx context.Context, id string, sum uint64, data []byte) (progress.Checked, error) {
	var checked progress.Checked
	var err error
	for range stageTries {
		options := s.validation(sum)
		checked, err = s.stageOnce(ctx, id, sum, data, options)
		switch {
		case options != nil && refusesChecksum(err):
			s.bare.Store(true)
		case !hasCode(err, "Crc64Mismatch") && !errors.Is(err, errDamaged):
			checked.HeaderRefused = s.bare.Load()
			return checked, storageError(stageOp, err)
		}
	}
	if errors.Is(err, errDamaged) {
		return progress.Checked{}, failure.New(failure.StorageRefused, "the storage returned a checksum of a block that differs from that of the bytes that were sent, %d times; find out what changes them on the way", stageTries)
	}
	return progress.Checked{}, storageError(stageOp, err)
}

const stageOp = "stage a block"

// validation asks the storage to compare a block's checksum, nil where it refuses
// to.
func (s *storage) validation(sum uint64) *blockblob.StageBlockOptions {
	if s.bare.Load() {
		return nil
	}
	return &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeCRC64(sum)}
}

func (s *storage) stageOnce(ctx context.Context, id string, sum uint64, data []byte, o *blockblob.StageBlockOptions) (checked progress.Checked, err error) {
	err = s.do(ctx, stageOp, func(c *blockblob.Client) error {
		got, err := c.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(data)), o)
		if err != nil {
			return err
		}
		if !isMarked(got.RequestID, got.Version) {
			return foreign(stageOp, http.StatusCreated)
		}
		checked, err = compared(got.ContentCRC64, got.ContentMD5, sum, data)
		return err
	})
	return checked, err
}

// errUnsealed says that the storage misses a block of the list.
var errUnsealed = errors.New("a block of the list does not exist")

// seal commits the block list, which publishes nothing by itself. request bounds the
// request alone: nobody knows what became of one that is cut off, so that it may outlive
// ctx, while the wait for another URI does not.
func (s *storage) seal(ctx, request context.Context, ids []string) error {
	const op = "seal the block list"
	err := s.do(ctx, op, func(c *blockblob.Client) error {
		got, err := c.CommitBlockList(request, ids, nil)
		if err == nil && !isMarked(got.RequestID, got.Version) {
			return foreign(op, http.StatusCreated)
		}
		return err
	})
	if bloberror.HasCode(err, bloberror.InvalidBlockList) {
		return errUnsealed
	}
	return storageError(op, err)
}

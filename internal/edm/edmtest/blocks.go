package edmtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// blocks encodes rows of the fixture's three columns under the store's rules.
func (f *fixture) blocks(t *testing.T, rows [][]string) [][]byte {
	t.Helper()
	return f.blocksUnder(t, rows, f.store.Columns)
}

func namesOf(columns []edm.Column) []string {
	out := make([]string, 0, len(columns))
	for _, c := range columns {
		out = append(out, c.Name)
	}
	return out
}

func (f *fixture) blocksUnder(t *testing.T, rows [][]string, under []edm.Column) [][]byte {
	t.Helper()
	var out [][]byte
	for first := 0; first < len(rows); first += rowsPerBlock {
		part := rows[first:min(first+rowsPerBlock, len(rows))]
		columns := make([][]byte, len(under))
		for c, column := range under {
			for _, row := range part {
				cell := row[slices.Index(peopleColumns, column.Name)]
				token, err := base64.StdEncoding.DecodeString(f.tokenUnder(t, under, column.Name, cell))
				must(t, err)
				columns[c] = append(columns[c], token...)
			}
		}
		encoded, err := block.Append(nil, block.Header{
			Rules: fingerprint.Rules, KeyID: f.key.ID(f.store.DisplayName), Store: f.store.DisplayName,
			Index: len(out), FirstRow: int64(first), Rows: len(part), Columns: namesOf(under),
		}, columns)
		must(t, err)
		out = append(out, encoded)
	}
	return out
}

// blob is the Azure SDK's own client of an upload URI, without its retries.
func (f *fixture) blob(t *testing.T, uri string) *blockblob.Client {
	t.Helper()
	c, err := blockblob.NewClientWithNoCredential(uri, &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{
		Retry: policy.RetryOptions{MaxRetries: -1}, Transport: &http.Client{},
	}})
	must(t, err)
	return c
}

func (f *fixture) stage(t *testing.T, uri string, index int, data []byte) error {
	t.Helper()
	sum := block.Sum(data)
	_, err := f.blob(t, uri).StageBlock(f.ctx, block.ID(index, sum), streaming.NopCloser(bytes.NewReader(data)),
		&blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeCRC64(sum)})
	return err
}

func idsOf(blocks [][]byte) []string {
	ids := make([]string, 0, len(blocks))
	for i, data := range blocks {
		ids = append(ids, block.ID(i, block.Sum(data)))
	}
	return ids
}

func (f *fixture) seal(t *testing.T, uri string, ids []string) error {
	t.Helper()
	_, err := f.blob(t, uri).CommitBlockList(f.ctx, ids, nil)
	return err
}

// stageAll stages every block and seals the list.
func (f *fixture) stageAll(t *testing.T, s *edm.Session, blocks [][]byte) {
	t.Helper()
	for i, data := range blocks {
		must(t, f.stage(t, s.DataUploadURI, i, data))
	}
	must(t, f.seal(t, s.DataUploadURI, idsOf(blocks)))
}

// wantStorage fails unless the storage answered with that status and code.
func wantStorage(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Fatalf("want a %d %s of the storage, got %v", status, code, err)
	}
}

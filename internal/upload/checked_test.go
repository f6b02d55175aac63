package upload

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/progress"
)

// fakeBlob answers as a storage of the protocol does, and counts what it was asked.
type fakeBlob struct {
	answer func(call int, r *http.Request, body []byte) (status int, header http.Header, text string)
	calls  int
}

func (f *fakeBlob) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	status, header, text := f.answer(f.calls, r, body)
	f.calls++
	header.Set("x-ms-request-id", "1")
	header.Set("x-ms-version", "2021-12-02")
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r, ContentLength: int64(len(text))}, nil
}

func headerOf(name, value string) http.Header {
	header := http.Header{}
	if name != "" {
		header.Set(name, value)
	}
	return header
}

// Checksums as answers carry them.
func crcOf(body []byte) http.Header {
	return headerOf("x-ms-content-crc64", base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, block.Sum(body))))
}

func md5Of(body []byte) http.Header {
	sum := md5.Sum(body)
	return headerOf("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
}

type blobAnswer = func(int, *http.Request, []byte) (int, http.Header, string)

func keeps(sums func([]byte) http.Header) blobAnswer {
	return func(_ int, _ *http.Request, body []byte) (int, http.Header, string) {
		return http.StatusCreated, sums(body), ""
	}
}

// damages keeps the first blocks with another byte.
func damages(first int, sums func([]byte) http.Header) blobAnswer {
	return func(call int, _ *http.Request, body []byte) (int, http.Header, string) {
		if call < first {
			body[0] ^= 1
		}
		return http.StatusCreated, sums(body), ""
	}
}

// strict refuses a block that comes with a checksum.
func strict(status int, code string, sums func([]byte) http.Header) blobAnswer {
	return func(_ int, r *http.Request, body []byte) (int, http.Header, string) {
		if len(r.Header["x-ms-content-crc64"]) > 0 { //nolint:staticcheck // as the SDK spells it
			return status, headerOf("x-ms-error-code", code), "<Error><Code>" + code + "</Code></Error>"
		}
		return http.StatusCreated, sums(body), ""
	}
}

func noSum([]byte) http.Header { return http.Header{} }

// TestReturnedChecksumsAreCompared stages two blocks at storages that return
// checksums, wrong ones, or none, and at those that refuse ours.
func TestReturnedChecksumsAreCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  blobAnswer
		checked progress.Checked
		calls   int
		outcome string
	}{
		"CRC":                   {keeps(crcOf), progress.Checked{Compared: 2}, 2, "success"},
		"MD5":                   {keeps(md5Of), progress.Checked{Compared: 2}, 2, "success"},
		"none":                  {keeps(noSum), progress.Checked{Unverified: 2}, 2, "success"},
		"one damaged, by CRC":   {damages(1, crcOf), progress.Checked{Compared: 2}, 3, "success"},
		"one damaged, by MD5":   {damages(1, md5Of), progress.Checked{Compared: 2}, 3, "success"},
		"all damaged, by CRC":   {damages(99, crcOf), progress.Checked{}, 4, "terminal: StorageRefused"},
		"all damaged, by MD5":   {damages(99, md5Of), progress.Checked{}, 4, "terminal: StorageRefused"},
		"a CRC that is none":    {keeps(func([]byte) http.Header { return headerOf("x-ms-content-crc64", "AAAA") }), progress.Checked{}, 4, "terminal: StorageRefused"},
		"Azurite, strict":       {strict(500, "FeatureNotSupported", noSum), progress.Checked{Unverified: 2, HeaderRefused: true}, 3, "success"},
		"an unsupported header": {strict(400, "UnsupportedHeader", crcOf), progress.Checked{Compared: 2, HeaderRefused: true}, 3, "success"},
		"an invalid header":     {strict(400, "InvalidHeaderValue", md5Of), progress.Checked{Compared: 2, HeaderRefused: true}, 3, "success"},
		"not implemented":       {strict(501, "NotImplemented", md5Of), progress.Checked{Compared: 2, HeaderRefused: true}, 3, "success"},
		"refused without a checksum": {func(int, *http.Request, []byte) (int, http.Header, string) {
			return http.StatusBadRequest, headerOf("x-ms-error-code", "InvalidHeaderValue"), ""
		}, progress.Checked{}, 2, "terminal: StorageRefused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				blob := &fakeBlob{answer: tc.answer}
				s, checked, err := toStorage(blob), progress.Checked{}, error(nil)
				for index, data := range [][]byte{[]byte("one block"), []byte("another")} {
					var one progress.Checked
					if one, err = s.stage(t.Context(), block.ID(index, block.Sum(data)), block.Sum(data), data); err != nil {
						break
					}
					checked.Add(one)
				}
				if outcomeOf(err) != tc.outcome || checked != tc.checked || blob.calls != tc.calls {
					t.Errorf("%s, %+v in %d calls; want %s, %+v in %d: %v", outcomeOf(err), checked, blob.calls, tc.outcome, tc.checked, tc.calls, err)
				}
			})
		})
	}
}

// TestAListThatIsCutIsNoList: blocks that cannot be read are not known to be absent.
func TestAListThatIsCutIsNoList(t *testing.T) {
	one := "<Block><Name>" + block.ID(0, 7) + "</Name><Size>1</Size></Block>"
	list := `<?xml version="1.0"?><BlockList><CommittedBlocks/><UncommittedBlocks>` + one + `</UncommittedBlocks></BlockList>`
	for name, tc := range map[string]struct {
		status  int
		header  http.Header
		text    string
		outcome string
		blocks  int
	}{
		"whole":                  {200, http.Header{}, list, "success", 1},
		"with a byte order mark": {200, http.Header{}, "\ufeff" + list, "success", 1},
		"nothing is staged":      {404, headerOf("x-ms-error-code", "BlobNotFound"), "", "success", 0},
		"may not list":           {403, headerOf("x-ms-error-code", "AuthorizationPermissionMismatch"), "", "success", 0},
		"empty":                  {200, http.Header{}, "", "StorageUnavailable", 0},
		"cut off":                {200, http.Header{}, list[:len(list)-5], "StorageUnavailable", 0},
		"of something else":      {200, http.Header{}, `<?xml version="1.0"?><EnumerationResults><Blobs/></EnumerationResults>`, "StorageUnavailable", 0},
		"too long":               {200, http.Header{}, "<BlockList><UncommittedBlocks>" + strings.Repeat(one, maxAnswer/len(one)+1) + "</UncommittedBlocks></BlockList>", "StorageUnavailable", 0},
	} {
		t.Run(name, func(t *testing.T) {
			blob := &fakeBlob{answer: func(int, *http.Request, []byte) (int, http.Header, string) {
				return tc.status, tc.header.Clone(), tc.text
			}}
			var found map[int]string
			var err error
			synctest.Test(t, func(t *testing.T) { found, err = toStorage(blob).staged(t.Context()) })
			if outcomeOf(err) != tc.outcome || err == nil && len(found) != tc.blocks {
				t.Errorf("%d blocks, %s; want %d, %s: %v", len(found), outcomeOf(err), tc.blocks, tc.outcome, err)
			}
		})
	}
}

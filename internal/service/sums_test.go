package service

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/block"
)

// Each sum that comes with a block is compared with its bytes.
func TestSumsOfABlockAreCompared(t *testing.T) {
	h := newHarness(t)
	data := h.data[1]
	md5Of := func(b []byte) string {
		sum := md5.Sum(b)
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	for name, tc := range map[string]struct {
		header string
		body   []byte
		code   string
	}{
		"no sum":          {"", data, ""},
		"the right CRC":   {"x-ms-content-crc64: " + crcHeader(block.Sum(data)), data, ""},
		"another CRC":     {"x-ms-content-crc64: " + crcHeader(block.Sum(data)+1), data, "Crc64Mismatch"},
		"a malformed CRC": {"x-ms-content-crc64: AAAA", data, "Crc64Mismatch"},
		"the right MD5":   {"Content-MD5: " + md5Of(data), data, ""},
		"another MD5":     {"Content-MD5: " + md5Of(data[1:]), data, "Md5Mismatch"},
		"other bytes":     {"", h.data[0], "Crc64Mismatch"},
	} {
		_, w := h.call(http.MethodPut, h.blockURI("created"), tc.header, tc.body)
		got, want := w.Header().Get("x-ms-error-code"), http.StatusCreated
		if tc.code != "" {
			want = http.StatusBadRequest
		}
		if w.Code != want || tc.code != "" && got != tc.code {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, got, want, tc.code)
		}
	}
}

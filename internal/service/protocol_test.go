package service

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/block"
)

// What the upload URI does not have of the protocol is refused by the protocol's codes,
// and changes nothing.
func TestWhatIsNotSupportedIsRefused(t *testing.T) {
	h := newHarness(t)
	uri, _, _ := strings.Cut(strings.TrimPrefix(h.blockURI("staged"), "http://service"), "&comp=")
	id := url.QueryEscape(block.ID(1, block.Sum(h.data[1])))
	stage, list := uri+"&comp=block&blockid="+id, uri+"&comp=blocklist"
	for _, one := range []struct {
		method, target, header string
		status                 int
		code, names            string
	}{
		{http.MethodPut, uri, "x-ms-blob-type: BlockBlob", http.StatusBadRequest, "MissingRequiredQueryParameter", "comp"}, // Put Blob
		{http.MethodGet, uri, "", http.StatusBadRequest, "MissingRequiredQueryParameter", "comp"},                          // Get Blob
		{http.MethodDelete, uri, "", http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "DELETE"},
		{http.MethodPost, uri + "&comp=query", "", http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "POST"},
		{http.MethodPut, uri + "&comp=tier", "", http.StatusBadRequest, "InvalidQueryParameterValue", "comp"},
		{http.MethodHead, list, "", http.StatusBadRequest, "InvalidQueryParameterValue", ""},
		{http.MethodPut, stage, "x-ms-lease-id: 1", http.StatusBadRequest, "UnsupportedHeader", "x-ms-lease-id"},
		{http.MethodPut, stage, "x-ms-encryption-key: 1", http.StatusBadRequest, "UnsupportedHeader", "x-ms-encryption-key"},
		{http.MethodPut, stage, "x-ms-copy-source: http://elsewhere", http.StatusBadRequest, "UnsupportedHeader", "x-ms-copy-source"},
		{http.MethodPut, list, "x-ms-meta-owner: me", http.StatusBadRequest, "UnsupportedHeader", "x-ms-meta-owner"},
		{http.MethodPut, list, "x-ms-tags: a=b", http.StatusBadRequest, "UnsupportedHeader", "x-ms-tags"},
		{http.MethodPut, list, "x-ms-access-tier: Cool", http.StatusBadRequest, "UnsupportedHeader", "x-ms-access-tier"},
		{http.MethodPut, list, "If-Match: etag", http.StatusBadRequest, "InvalidHeaderValue", "If-Match"},
		{http.MethodPut, list, "If-Modified-Since: yesterday", http.StatusBadRequest, "InvalidHeaderValue", "If-Modified-Since"},
		{http.MethodPut, list, "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", http.StatusBadRequest, "Md5Mismatch", "Content-MD5"},
		{http.MethodPut, list, "x-ms-content-crc64: AAAAAAAAAAA=", http.StatusBadRequest, "Crc64Mismatch", "x-ms-content-crc64"},
	} {
		_, w := h.call(one.method, one.target, one.header+"\nx-ms-client-request-id: mine", []byte("<BlockList></BlockList>"))
		var said struct{ Code, Message string }
		if one.method != http.MethodHead {
			h.must(xml.Unmarshal(w.Body.Bytes(), &said))
			if said.Code != one.code || !strings.Contains(said.Message, one.names) {
				t.Errorf("%s %s says %q: %s", one.method, one.header, said.Code, said.Message)
			}
		}
		if got := w.Header(); w.Code != one.status || got.Get("x-ms-error-code") != one.code || got.Get("x-ms-request-id") == "" || got.Get("x-ms-client-request-id") != "mine" {
			t.Errorf("%s %s %s: %d %s", one.method, strings.Replace(one.target, uri, "", 1), one.header, w.Code, w.Body)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD, PUT" {
			t.Errorf("%s allows %q", one.method, w.Header().Get("Allow"))
		}
	}
	if h.changed() || len(h.staged("staged")) != 1 {
		t.Error("something has changed")
	}
}

// The blocks of a list count in the order in which they stand, whatever each is called
// there, and the list may carry its sum.
func TestAListIsInTheOrderOfItsElements(t *testing.T) {
	h := newHarness(t)
	first, second := block.ID(0, block.Sum(h.data[0])), block.ID(1, block.Sum(h.data[1]))
	h.must(h.Service.blocks.Put(t.Context(), "created", first, h.data[0]))
	h.must(h.Service.blocks.Put(t.Context(), "created", second, h.data[1]))
	uri, _, _ := strings.Cut(strings.TrimPrefix(h.blockURI("created"), "http://service"), "&comp=")
	put := func(list string) int {
		sum := md5.Sum([]byte(list))
		_, w := h.call(http.MethodPut, uri+"&comp=blocklist", "Content-MD5: "+base64.StdEncoding.EncodeToString(sum[:])+"\nx-ms-content-crc64: "+crcHeader(block.Sum([]byte(list))), []byte(list))
		return w.Code
	}
	for _, refused := range []string{
		"<BlockList><Latest>" + second + "</Latest><Uncommitted>" + first + "</Uncommitted></BlockList>",
		"<BlockList><Other>" + first + "</Other><Latest>" + second + "</Latest></BlockList>",
		"<Blocks><Latest>" + first + "</Latest><Latest>" + second + "</Latest></Blocks>",
	} {
		if got := put(refused); got != http.StatusBadRequest {
			t.Errorf("%s: %d", refused, got)
		}
	}
	if got := put("<BlockList><Uncommitted>" + first + "</Uncommitted><Latest>" + second + "</Latest></BlockList>\n<!-- behind -->"); got != http.StatusCreated {
		t.Errorf("the list in order: %d", got)
	}
}

package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
)

// blockURI is where the second block of a session goes.
func (h *harness) blockURI(session string) string {
	one, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, session)
	h.must(err)
	uri := h.uploadURI(httptest.NewRequest(http.MethodGet, "/", nil), one)
	return strings.TrimPrefix(uri, "http://service") + "&comp=block&blockid=" + url.QueryEscape(block.ID(1, block.Sum(h.data[1])))
}

// expire makes a session like another whose upload URI has ended.
func (h *harness) expire(like, id string) {
	h.t.Helper()
	h.must(h.records.Of("").Update(h.t.Context(), func(tx records.Tx) error {
		one, err := tx.Sessions().Get(like)
		if err != nil {
			return err
		}
		one.ID, one.UploadURIExpiry = id, fuzzNow.Add(-time.Second)
		return tx.Sessions().Put(one)
	}))
}

func TestBlocksWaitForMemory(t *testing.T) {
	h := newHarness(t)
	uri := h.blockURI("staged")
	h.must(h.memory.acquire(t.Context(), uploader{session: "another"}, h.config.UploadMemory))
	h.patience = time.Millisecond
	_, w := h.call(http.MethodPut, uri, "", h.data[1])
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("x-ms-error-code") != "ServerBusy" || !strings.Contains(w.Body.String(), "256 MiB") {
		t.Errorf("without memory: %d %v %s", w.Code, w.Header(), w.Body)
	}
	h.patience = time.Minute
	answered := make(chan int)
	go func() {
		r := httptest.NewRequest(http.MethodPut, uri, bytes.NewReader(h.data[1]))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answered <- w.Code
	}()
	h.memory.release(uploader{session: "another"}, h.config.UploadMemory)
	if code := <-answered; code != http.StatusCreated {
		t.Errorf("once there is memory: %d", code)
	}
	if h.memory.free != h.config.UploadMemory || len(h.memory.held)+len(h.memory.open)+len(h.memory.waiting) > 0 {
		t.Errorf("memory was not given back: %+v", h.memory)
	}
}

func TestBlocksThatAreNotRead(t *testing.T) {
	h := newHarness(t)
	uri := h.blockURI("staged")
	for name, tc := range map[string]struct {
		length int64
		status int
		says   string
	}{
		"no length": {-1, http.StatusLengthRequired, "Content-Length"},
		"too large": {block.MaxSize + 1, http.StatusRequestEntityTooLarge, "67108865 bytes and must have at most 67108864; lower rowsPerBlock"},
		"cut off":   {100, http.StatusBadRequest, "incomplete"},
	} {
		r := httptest.NewRequest(http.MethodPut, uri, strings.NewReader("x"))
		r.ContentLength = tc.length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestRefusedCallersReadWhy: a caller sends all of its body before it reads, as much
// as no buffer between the two holds.
func TestRefusedCallersReadWhy(t *testing.T) {
	h := newHarness(t)
	server := httptest.NewUnstartedServer(h)
	server.Config = h.Server()
	server.Start()
	defer server.Close()
	h.expire("staged", "old")
	for name, tc := range map[string]struct {
		target string
		size   int
		status int
	}{
		"a block under another signature": {"/upload/staged?sig=none&comp=block&blockid=x", 900 << 10, http.StatusForbidden},
		"a block under an old signature":  {h.blockURI("old"), 32 << 20, http.StatusForbidden},
		"a block of no index":             {strings.Split(h.blockURI("staged"), "&comp=")[0] + "&comp=block&blockid=x", 32 << 20, http.StatusBadRequest},
		"a call without a token":          {base + "/exactMatchUploadAgents", 900 << 10, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", server.Listener.Addr().String())
			h.must(err)
			defer c.Close()
			method := http.MethodPut
			if strings.HasPrefix(tc.target, base) {
				method = http.MethodPost
			}
			if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: service\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", method, tc.target, tc.size); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Write(make([]byte, tc.size)); err != nil {
				t.Fatalf("after %d of %d bytes: %v", n, tc.size, err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			h.must(err)
			h.must(answer.Body.Close())
			if answer.StatusCode != tc.status {
				t.Errorf("%d, want %d", answer.StatusCode, tc.status)
			}
		})
	}
}

// crammed lists more blocks of a session, which are nowhere.
func (h *harness) crammed(session string, blocks int) {
	h.t.Helper()
	store := blobs.NewFolder(fsys.OS{}, filepath.Join(h.config.Dir, folder.Blocks))
	h.Service.blocks = blobs.NewBlocks(manyBlocks{store, blocks}, h.config.Log)
	h.must(h.Service.blocks.Load(h.t.Context(), session))
}

// manyBlocks lists blocks that are not there.
type manyBlocks struct {
	blobs.Store
	more int
}

func (m manyBlocks) List(ctx context.Context, group string) ([]blobs.File, error) {
	files, err := m.Store.List(ctx, group)
	for i := range m.more {
		files = append(files, blobs.File{Name: fmt.Sprintf("%08d-%016x", i+2, i), Size: 1})
	}
	return files, err
}

func TestBlocksOfASessionAreBounded(t *testing.T) {
	h := newHarness(t)
	h.must(h.Service.blocks.Put(t.Context(), "created", block.ID(0, block.Sum(h.data[0])), h.data[0]))
	h.crammed("created", maxStaged-1)
	_, w := h.call(http.MethodPut, h.blockURI("created"), "", h.data[1])
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "100000 blocks") || !strings.Contains(w.Body.String(), "create another") {
		t.Errorf("one block too many: %d %s", w.Code, w.Body)
	}
	again := strings.Replace(h.blockURI("created"), url.QueryEscape(block.ID(1, block.Sum(h.data[1]))), url.QueryEscape(block.ID(0, block.Sum(h.data[0]))), 1)
	if _, w := h.call(http.MethodPut, again, "", h.data[0]); w.Code != http.StatusCreated {
		t.Errorf("one that is there: %d %s", w.Code, w.Body)
	}
}

func TestListsOfBlocksAreBounded(t *testing.T) {
	h := newHarness(t)
	uri := strings.Split(h.blockURI("staged"), "&comp=")[0] + "&comp=blocklist"
	r := httptest.NewRequest(http.MethodPut, uri, io.MultiReader(strings.NewReader("<BlockList>"), strings.NewReader(strings.Repeat(" ", maxBlockList))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "8388608 bytes and 50000 blocks") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	h := newHarness(t)
	f := h.failureOf(h.config.Log, noSession(strings.Repeat("é", 2000)), "request", "id")
	if len(f.message) > maxMessage || !utf8.ValidString(f.message) {
		t.Errorf("%d bytes: %q", len(f.message), f.message)
	}
	var joined *failure
	if err := errors.Join(nil, f); !errors.As(err, &joined) || joined != f {
		t.Error("a joined refusal is lost")
	}
}

// A create that is repeated answers the same, however long its id, and another
// data store's create of the same id is another one.
func TestLongRequestIDsAreRemembered(t *testing.T) {
	h := newHarness(t)
	made := func(target, id, body string) string {
		t.Helper()
		_, w := h.call(http.MethodPost, base+target, "client-request-id: "+id, []byte(body))
		var one struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &one); err != nil || w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return one.ID
	}
	long := strings.Repeat("x", 40_000)
	first := made("/exactMatchUploadAgents", long, "{}")
	if again := made("/exactMatchUploadAgents", long, "{}"); again != first {
		t.Error("a repetition made another one")
	}
	if other := made("/exactMatchUploadAgents", long+"y", "{}"); other == first {
		t.Error("another id is taken for a repetition")
	}
	session := `{"fields":["ID"],"fileName":"a","rowsPerBlock":1,"totalBlockCount":1,"keyId":"` + fuzzKeyID + `"}`
	if made("/exactMatchDataStores/live/sessions", "same", session) == made("/exactMatchDataStores/bare/sessions", "same", session) {
		t.Error("two data stores share a session")
	}
}

package service

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A caller without a valid token or signature may send a bounded number of bytes,
// and its connection is closed.
func TestUnprovenBytesAreBounded(t *testing.T) {
	h := newHarness(t)
	at := h.over()
	for name, target := range map[string]string{
		"no token":     "POST " + base + "/exactMatchDataStores",
		"no signature": "PUT /upload/staged?sig=none&comp=block&blockid=x",
	} {
		t.Run(name, func(t *testing.T) {
			c := h.dial(at, "%s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n", target, 60<<20)
			h.must(c.SetWriteDeadline(time.Now().Add(10 * time.Second)))
			sent := 0
			for sent < 60<<20 {
				n, err := c.Write(make([]byte, 1<<20))
				sent += n
				if err != nil {
					break
				}
			}
			if sent >= 60<<20 {
				t.Errorf("%d bytes were taken", sent)
			}
		})
	}
	for name, target := range map[string]string{
		"no token":     "GET " + base + "/exactMatchDataStores",
		"no signature": "GET /upload/staged?sig=none&comp=blocklist",
	} {
		c := h.dial(at, "%s HTTP/1.1\r\nHost: service\r\n\r\n", target)
		if status, _ := c.answer(); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
		h.must(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection is kept: %v", name, err)
		}
	}
}

// Connections without a valid token or signature are bounded in number: one more
// closes the oldest of them, and never one that has shown either.
func TestUnprovenConnectionsAreBounded(t *testing.T) {
	h := newHarness(t)
	const most = 5
	h.gate.most = most
	h.times.grace = time.Minute
	at := h.over()
	proven := h.dial(at, "GET %s HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\n\r\n", base+"/exactMatchUploadAgents", fuzzToken)
	if status, _ := proven.answer(); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	upload := h.dial(at, slowHead, h.blockURI("staged"), len(h.data[1]))
	h.eventually("the upload is in progress", func() bool { return h.sending("staged") == 1 })
	if n := h.unproven(); n != 0 {
		t.Fatalf("%d of those that have shown a token or a signature are taken for strangers", n)
	}
	var strangers []*raw
	for n := range 2 * most {
		strangers = append(strangers, h.dial(at, "POST %s HTTP/1.1\r\nHost: service\r\nContent-Length: 100\r\n\r\nx", base+"/exactMatchDataStores"))
		h.eventually("it is accepted", func() bool { return h.unproven() == min(n+1, most) })
	}
	for _, one := range strangers[:most] {
		if status, _ := one.answer(); status != 0 {
			t.Errorf("one of the oldest is answered %d", status)
		}
	}
	if status, _ := h.stages(at, "created"); status != http.StatusCreated {
		t.Errorf("who has a signature is answered %d beside strangers", status)
	}
	_, err := fmt.Fprintf(proven, "GET %s HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\n\r\n", base+"/exactMatchUploadAgents", fuzzToken)
	h.must(err)
	if status, _ := proven.answer(); status != http.StatusOK {
		t.Errorf("a connection that has shown the token is answered %d", status)
	}
	_, err = upload.Write(h.data[1][1:])
	h.must(err)
	if status, text := upload.answer(); status != http.StatusBadRequest || !strings.Contains(text, "Crc64Mismatch") { // its first byte is another
		t.Errorf("an upload under a signature of ours is answered %d %s", status, text)
	}
}

func (h *harness) unproven() int {
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	return h.gate.order.Len()
}

// A header that does not come whole, and a body that no handler waits for, end
// with their deadlines. Each has only one that is short.
func TestTheServerHasDeadlines(t *testing.T) {
	for name, tc := range map[string]struct {
		short func(*times) *time.Duration
		sends string
	}{
		"header": {func(t *times) *time.Duration { return &t.header }, "GET /healthz HTTP/1.1\r\nHost: ser"},
		"read":   {func(t *times) *time.Duration { return &t.read }, "POST " + base + "/exactMatchDataStores HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer " + fuzzToken + "\r\nContent-Length: 100\r\n\r\n{"},
		"idle":   {func(t *times) *time.Duration { return &t.idle }, "GET /healthz HTTP/1.1\r\nHost: service\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if d := *tc.short(&h.times); d <= 0 || d > 2*time.Minute {
				t.Errorf("it is %s by default", d)
			}
			h.times = times{header: time.Hour, read: time.Hour, grace: time.Hour, write: time.Hour, idle: time.Hour}
			*tc.short(&h.times) = 50 * time.Millisecond
			c := h.dial(h.over(), "%s", tc.sends)
			h.must(c.SetReadDeadline(time.Now().Add(20 * time.Second)))
			if _, err := io.ReadAll(c); err != nil { // the end of the connection
				t.Errorf("the connection is kept: %v", err)
			}
		})
	}
}

// A caller that does not take its answer does not keep what the answer holds.
func TestAnswersAreTakenInTime(t *testing.T) {
	h := newHarness(t)
	h.times.write = 50 * time.Millisecond
	h.crammed("created", 4*maxBlocks) // more than the buffers of a connection hold
	h.dial(h.over(), "GET %s HTTP/1.1\r\nHost: service\r\n\r\n", strings.Split(h.blockURI("created"), "&comp=")[0]+"&comp=blocklist")
	h.eventually("its memory is taken", func() bool { return h.freeMemory() < h.config.UploadMemory })
	h.eventually("its memory is given back", func() bool { return h.freeMemory() == h.config.UploadMemory })
}

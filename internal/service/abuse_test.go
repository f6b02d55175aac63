package service

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
)

// over serves a house at a port, with its own bounds.
func (h *house) over() net.Addr {
	h.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = h.Server()
	server.Start()
	h.t.Cleanup(server.Close)
	return server.Listener.Addr()
}

// raw is a caller that writes what it likes.
type raw struct {
	net.Conn
	h *house
}

func (h *house) dial(at net.Addr, head string, args ...any) *raw {
	h.t.Helper()
	c, err := net.Dial(at.Network(), at.String())
	h.must(err)
	h.t.Cleanup(func() { _ = c.Close() })
	h.must(c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(c, head, args...)
	h.must(err)
	return &raw{c, h}
}

// answer reads the answer, its status 0 where the connection ends without one.
func (r *raw) answer() (status int, text string) {
	r.h.t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(r), nil)
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		r.h.t.Fatal("the service never answers and keeps the connection")
	}
	if err != nil {
		return 0, ""
	}
	body, err := io.ReadAll(answer.Body)
	r.h.must(errors.Join(err, answer.Body.Close()))
	return answer.StatusCode, string(body)
}

const slowHead = "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\nx"

// Senders that announce the largest blocks and hardly send them take neither the
// memory nor the uploads of another session.
func TestSlowBodiesHoldNothing(t *testing.T) {
	h := newHouse(t)
	h.patience = time.Second
	at := h.over()
	for range 8 {
		h.dial(at, slowHead, h.blockURI("staged"), block.MaxSize)
	}
	h.eventually("all of them are at hand", func() bool { return h.sending("staged") == 8 })
	if free := h.freeMemory(); free != h.config.UploadMemory {
		t.Errorf("callers that sent a byte each hold %d MiB", (h.config.UploadMemory-free)>>20)
	}
	if status, text := h.stages(at, "created"); status != http.StatusCreated {
		t.Errorf("another session's block: %d %s", status, text)
	}
}

// stages sends the second block of a session as it should be.
func (h *house) stages(at net.Addr, session string) (int, string) {
	h.t.Helper()
	return h.dial(at, "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", h.blockURI(session), len(h.data[1]), h.data[1]).answer()
}

func (h *house) sending(session string) int {
	h.memory.mu.Lock()
	defer h.memory.mu.Unlock()
	return h.memory.open[session]
}

func (h *house) freeMemory() int64 {
	h.memory.mu.Lock()
	defer h.memory.mu.Unlock()
	return h.memory.free
}

// eventually asks again until something is so.
func (h *house) eventually(what string, is func() bool) {
	h.t.Helper()
	timeout := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			h.t.Fatal("it never happens: " + what)
		}
	}
}

// A body that comes slower than the least rate is dropped with an answer that says
// so, at its beginning and after the memory was taken; so is one of a block list.
func TestSlowBodiesAreDropped(t *testing.T) {
	h := newHouse(t)
	h.times.grace = 50 * time.Millisecond
	h.times.read = time.Minute
	at := h.over()
	list := strings.Split(h.blockURI("staged"), "&comp=")[0] + "&comp=blocklist"
	for name, tc := range map[string]struct {
		target string
		sent   int
	}{
		"at its beginning":      {h.blockURI("staged"), 1},
		"after its first bytes": {h.blockURI("staged"), firstBytes + 1},
		"of a block list":       {list, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := h.dial(at, "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", tc.target, 1<<20, strings.Repeat(" ", tc.sent))
			status, text := c.answer()
			if status != http.StatusRequestTimeout || !strings.Contains(text, "OperationTimedOut") || !strings.Contains(text, "65536 bytes a second") {
				t.Errorf("%d %s", status, text)
			}
			h.eventually("the memory is given back", func() bool { return h.freeMemory() == h.config.UploadMemory && h.sending("staged") == 0 })
		})
	}
}

// The time that a caller waits for memory is not held against it.
func TestWaitingForMemoryIsNotSlow(t *testing.T) {
	h := newHouse(t)
	h.times.grace = 200 * time.Millisecond
	h.config.MinUploadRate = 1 << 40
	h.must(h.memory.acquire(t.Context(), "another", h.config.UploadMemory))
	body := strings.Repeat(" ", firstBytes+1)
	c := h.dial(h.over(), "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", h.blockURI("staged"), len(body), body[1:])
	h.eventually("it waits", func() bool {
		h.memory.mu.Lock()
		defer h.memory.mu.Unlock()
		return len(h.memory.waiting) == 1
	})
	began := time.Now()
	h.eventually("it has waited for longer than the grace", func() bool { return time.Since(began) > 2*h.times.grace })
	h.memory.release("another", h.config.UploadMemory)
	h.eventually("it has memory", func() bool { return h.freeMemory() < h.config.UploadMemory })
	_, err := c.Write([]byte(" "))
	h.must(err)
	if status, text := c.answer(); status == http.StatusRequestTimeout {
		t.Errorf("%d %s", status, text)
	}
}

// A body that keeps the least rate on average is taken, however its bytes come.
func TestSteadyBodiesAreTaken(t *testing.T) {
	h := newHouse(t)
	h.times.grace = 100 * time.Millisecond
	h.config.MinUploadRate = 2 * int64(len(h.data[1]))
	at := h.over()
	c := h.dial(at, "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n", h.blockURI("staged"), len(h.data[1]))
	began := time.Now()
	every := time.NewTicker(300 * time.Millisecond / time.Duration(len(h.data[1])))
	defer every.Stop()
	for _, one := range h.data[1] {
		<-every.C
		_, err := c.Write([]byte{one})
		h.must(err)
	}
	if took := time.Since(began); took < h.times.grace {
		t.Fatalf("it took only %s", took)
	}
	if status, text := c.answer(); status != http.StatusCreated {
		t.Errorf("%d %s", status, text)
	}
}

// However much one session sends, another's block finds memory, and comes before
// more of the first one's.
func TestMemoryIsShared(t *testing.T) {
	b := newUploadBudget(8)
	take := func(session string, bytes int64) chan error {
		got := make(chan error, 1)
		go func() { got <- b.acquire(t.Context(), session, bytes) }()
		for waits := false; !waits && len(got) == 0; {
			b.mu.Lock()
			waits = slices.ContainsFunc(b.waiting, func(w *waiter) bool { return w.session == session })
			b.mu.Unlock()
		}
		return got
	}
	must := func(what string, got chan error) {
		t.Helper()
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits", what)
		}
	}
	must("the first", take("greedy", 2))
	must("the second", take("greedy", 2))
	third := take("greedy", 2)
	must("another session", take("modest", 2))
	must("a third one, of all that is left", take("late", 2))
	more := take("modest", 2)
	fresh := take("fresh", 1)
	if len(third)+len(more)+len(fresh) > 0 {
		t.Fatal("memory was given that is not there")
	}
	b.release("late", 2)
	must("a session that holds nothing, before those that hold some", fresh)
	b.release("fresh", 1)
	must("the next", more)
	if len(third) > 0 {
		t.Error("a session has more than its share")
	}
	b.release("greedy", 2)
	must("one that has room in its share again", third)
	whole := take("whole", 9)
	if len(whole) > 0 {
		t.Error("a block that is larger than what is free was taken")
	}
}

func TestASessionHasSoManyUploads(t *testing.T) {
	h := newHouse(t)
	at := h.over()
	for range maxOpenUploads {
		h.dial(at, slowHead, h.blockURI("staged"), block.MaxSize)
	}
	h.eventually("all of them are at hand", func() bool { return h.sending("staged") == maxOpenUploads })
	if status, text := h.stages(at, "staged"); status != http.StatusServiceUnavailable || !strings.Contains(text, "64 uploads") {
		t.Errorf("one more: %d %s", status, text)
	}
	if status, _ := h.stages(at, "created"); status != http.StatusCreated {
		t.Errorf("another session's: %d", status)
	}
}

// A caller without a valid token or signature may send a bounded number of bytes,
// and its connection is closed.
func TestUnprovenBytesAreBounded(t *testing.T) {
	h := newHouse(t)
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
	h := newHouse(t)
	const most = 5
	h.gate.most = most
	h.times.grace = time.Minute
	at := h.over()
	proven := h.dial(at, "GET %s HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\n\r\n", base+"/exactMatchUploadAgents", fuzzToken)
	if status, _ := proven.answer(); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	upload := h.dial(at, slowHead, h.blockURI("staged"), len(h.data[1]))
	h.eventually("the upload is at hand", func() bool { return h.sending("staged") == 1 })
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

func (h *house) unproven() int {
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
			h := newHouse(t)
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
	h := newHouse(t)
	h.times.write = 50 * time.Millisecond
	ids := map[string]int64{}
	for i := range 10 * maxBlocks { // more than the buffers of a connection hold
		ids[block.ID(i, uint64(i))] = 1
	}
	h.Service.blocks.sessions["created"] = ids
	h.dial(h.over(), "GET %s HTTP/1.1\r\nHost: service\r\n\r\n", strings.Split(h.blockURI("created"), "&comp=")[0]+"&comp=blocklist")
	h.eventually("its memory is taken", func() bool { return h.freeMemory() < h.config.UploadMemory })
	h.eventually("its memory is given back", func() bool { return h.freeMemory() == h.config.UploadMemory })
}

// Each cap refuses with the number and the flag that raises it.
func TestCapsAreNamed(t *testing.T) {
	h := newHouse(t) // it has two data stores and one agent
	h.config.MaxDataStores, h.config.MaxUploadAgents = 3, 2
	one := func(target, name string) (int, string) {
		_, w := h.call(http.MethodPost, base+target, "", []byte(`{"displayName":"`+name+`","columns":[{"name":"ID"}]}`))
		return w.Code, w.Body.String()
	}
	for target, says := range map[string]string{"/exactMatchDataStores": "3 data stores, the most it may (--max-data-stores)", "/exactMatchUploadAgents": "2 upload agents, the most it may (--max-upload-agents)"} {
		if status, text := one(target, "the last"); status != http.StatusCreated {
			t.Errorf("the last one: %d %s", status, text)
		}
		if status, text := one(target, "one more"); status != http.StatusConflict || !strings.Contains(text, says) {
			t.Errorf("one more: %d %s", status, text)
		}
	}
	stage := func(what string, status int, says string) {
		t.Helper()
		_, w := h.call(http.MethodPut, h.blockURI("staged"), "", h.data[1])
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	tables, err := h.space.tables()
	h.must(err)
	h.config.MaxDisk = tables + blockWeight*(h.Service.blocks.size()+int64(len(h.data[1]))) - 1
	stage("a byte too much", http.StatusInsufficientStorage, "--max-disk")
	h.config.MinFreeDisk = 1 << 20
	h.space.free = func() (int64, error) { return 2<<20 + int64(len(h.data[1])) - 1, nil }
	stage("too little is free", http.StatusInsufficientStorage, "--min-free-disk")
	h.config.MaxDisk++
	h.space.free = func() (int64, error) { return 2<<20 + int64(len(h.data[1])), nil }
	stage("just enough", http.StatusCreated, "")
}

// The size of all blocks is what lies there, whatever was done to them.
func TestTheSizeOfBlocksIsTrue(t *testing.T) {
	h := newHouse(t)
	b := h.Service.blocks
	real := func() (n int64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, of := range b.sessions {
			for _, size := range of {
				n += size
			}
		}
		return n
	}
	id := block.ID(1, block.Sum(h.data[1]))
	for what, do := range map[string]func() error{
		"put":         func() error { return b.put("created", id, h.data[1]) },
		"put again":   func() error { return b.put("created", id, h.data[1]) },
		"forget":      func() error { return b.forget("sealed", id) },
		"drop":        func() error { return b.drop("staged") },
		"load":        func() error { return b.load("processing") },
		"drop no one": func() error { return b.drop("nobody") },
	} {
		h.must(do())
		if b.size() != real() || real() == 0 {
			t.Errorf("after %s: %d bytes, want %d", what, b.size(), real())
		}
	}
}

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

// over serves the harness at a port, with its own bounds.
func (h *harness) over() net.Addr {
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
	h *harness
}

func (h *harness) dial(at net.Addr, head string, args ...any) *raw {
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
	h := newHarness(t)
	h.patience = time.Second
	at := h.over()
	for range 8 {
		h.dial(at, slowHead, h.blockURI("staged"), block.MaxSize)
	}
	h.eventually("all of them are in progress", func() bool { return h.sending("staged") == 8 })
	if free := h.freeMemory(); free != h.config.UploadMemory {
		t.Errorf("callers that sent a byte each hold %d MiB", (h.config.UploadMemory-free)>>20)
	}
	if status, text := h.stages(at, "created"); status != http.StatusCreated {
		t.Errorf("another session's block: %d %s", status, text)
	}
}

// stages sends the second block of a session as it should be.
func (h *harness) stages(at net.Addr, session string) (int, string) {
	h.t.Helper()
	return h.dial(at, "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", h.blockURI(session), len(h.data[1]), h.data[1]).answer()
}

func (h *harness) sending(session string) int {
	h.memory.mu.Lock()
	defer h.memory.mu.Unlock()
	return h.memory.open[session]
}

func (h *harness) freeMemory() int64 {
	h.memory.mu.Lock()
	defer h.memory.mu.Unlock()
	return h.memory.free
}

// eventually asks again until something is so.
func (h *harness) eventually(what string, is func() bool) {
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
	h := newHarness(t)
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
	h := newHarness(t)
	h.times.grace = 200 * time.Millisecond
	h.config.MinUploadRate = 1 << 40
	h.must(h.memory.acquire(t.Context(), uploader{session: "another"}, h.config.UploadMemory))
	body := strings.Repeat(" ", firstBytes+1)
	c := h.dial(h.over(), "PUT %s HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", h.blockURI("staged"), len(body), body[1:])
	h.eventually("it waits", func() bool {
		h.memory.mu.Lock()
		defer h.memory.mu.Unlock()
		return len(h.memory.waiting) == 1
	})
	began := time.Now()
	h.eventually("it has waited for longer than the grace", func() bool { return time.Since(began) > 2*h.times.grace })
	h.memory.release(uploader{session: "another"}, h.config.UploadMemory)
	h.eventually("it has memory", func() bool { return h.freeMemory() < h.config.UploadMemory })
	_, err := c.Write([]byte(" "))
	h.must(err)
	if status, text := c.answer(); status == http.StatusRequestTimeout {
		t.Errorf("%d %s", status, text)
	}
}

// A body that keeps the least rate on average is taken, however its bytes come.
func TestSteadyBodiesAreTaken(t *testing.T) {
	h := newHarness(t)
	h.times.grace = 100 * time.Millisecond
	h.config.MinUploadRate = int64(len(h.data[1]) / 10)
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
		go func() { got <- b.acquire(t.Context(), uploader{session: session}, bytes) }()
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
	b.release(uploader{session: "late"}, 2)
	must("a session that holds nothing, before those that hold some", fresh)
	b.release(uploader{session: "fresh"}, 1)
	must("the next", more)
	if len(third) > 0 {
		t.Error("a session has more than its share")
	}
	b.release(uploader{session: "greedy"}, 2)
	must("one that has room in its share again", third)
	whole := take("whole", 9)
	if len(whole) > 0 {
		t.Error("a block that is larger than what is free was taken")
	}
}

func TestUploadsOfASessionAreBounded(t *testing.T) {
	h := newHarness(t)
	at := h.over()
	for range maxOpenUploads {
		h.dial(at, slowHead, h.blockURI("staged"), block.MaxSize)
	}
	h.eventually("all of them are in progress", func() bool { return h.sending("staged") == maxOpenUploads })
	if status, text := h.stages(at, "staged"); status != http.StatusServiceUnavailable || !strings.Contains(text, "64 uploads") {
		t.Errorf("one more: %d %s", status, text)
	}
	if status, _ := h.stages(at, "created"); status != http.StatusCreated {
		t.Errorf("another session's: %d", status)
	}
}

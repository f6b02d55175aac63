package service

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

// isReady asks /readyz as anybody.
func (h *harness) isReady() (int, string) {
	h.t.Helper()
	_, w := h.call(http.MethodGet, "/readyz", "", nil)
	return w.Code, w.Body.String()
}

func (h *harness) wantUnready(says string) {
	h.t.Helper()
	status, text := h.isReady()
	if status != http.StatusServiceUnavailable || !strings.Contains(text, says) || strings.Count(text, "\n") != 1 {
		h.t.Errorf("%d %q, want one reason that says %q", status, text, says)
	}
	for _, secret := range []string{fuzzToken, h.config.Dir, "secret-path"} {
		if strings.Contains(text, secret) {
			h.t.Errorf("the reason shows %q", secret)
		}
	}
}

func (h *harness) wantReady() {
	h.t.Helper()
	if status, text := h.isReady(); status != http.StatusOK {
		h.t.Errorf("%d %s", status, text)
	}
}

func TestReadyNeedsTheToken(t *testing.T) {
	h := newHarness(t)
	h.wantReady()
	ours := h.config.Token
	h.config.Token = func() (string, error) { return "", errors.New("open /secret-path: permission denied") }
	h.wantUnready("token: ")
	h.config.Token = func() (string, error) { return "", nil }
	h.wantUnready("token: ")
	h.config.Token = ours
	h.wantReady()
}

func TestReadyNeedsAFreeDisk(t *testing.T) {
	h := newHarness(t)
	h.config.MinFreeDisk = 64 << 20
	h.space.Free = func() (int64, error) { return 64<<20 - 1, nil }
	h.wantUnready("disk: 63 MiB are free and 64 must be (--min-free-disk)")
	h.space.Free = func() (int64, error) { return 64 << 20, nil }
	h.wantReady()
	h.space.Free = func() (int64, error) { return 0, errors.New("stat " + h.config.Dir) }
	h.wantUnready("disk: ")
}

// later makes the next question try the records again.
func (h *harness) later() {
	h.probe.mu.Lock()
	defer h.probe.mu.Unlock()
	h.probe.at = time.Time{}
}

func TestReadyNeedsRecordsThatCanBeWritten(t *testing.T) {
	h := newHarness(t)
	h.wantReady()
	before := h.version()
	for range 100 {
		h.wantReady()
	}
	if h.version() != before {
		t.Error("each question writes")
	}
	h.later()
	h.wantReady()
	if h.version() != before+1 {
		t.Error("it is not tried again")
	}
	h.probe.patience = 20 * time.Millisecond
	release := make(chan struct{})
	held := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- h.records.Of("").Update(h.t.Context(), func(records.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	h.later()
	h.wantUnready("records: ")
	h.wantUnready("records: ")
	close(release)
	h.must(<-done)
	h.eventually("the write that hung ends", func() bool {
		status, _ := h.isReady()
		return status == http.StatusOK
	})
	h.probe.patience = probePatience
	h.later()
	h.must(h.records.Close())
	h.wantUnready("records: ")
}

func TestReadyNeedsTheStamp(t *testing.T) {
	h := newHarness(t)
	h.must(h.database().KeepStamp(brokenStamps{errors.New("write " + h.config.Dir)}))
	h.wantUnready("records: ")
}

// brokenStamps cannot be written.
type brokenStamps struct{ err error }

func (brokenStamps) WriteStamp(uint64) {}
func (s brokenStamps) Err() error      { return s.err }
func (brokenStamps) Close() error      { return nil }

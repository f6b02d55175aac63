package service

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/records"
)

// isReady asks /readyz as anybody.
func (h *harness) isReady() (int, string) {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

// wantUnready wants one reason that says no more than which check fails, and to an
// administrator what the reason is.
func (h *harness) wantUnready(line, why string) {
	h.t.Helper()
	if status, text := h.isReady(); status != http.StatusServiceUnavailable || text != line+"\n" {
		h.t.Errorf("%d %q, want %q", status, text, line)
	}
	_, w := h.call(http.MethodGet, "/readyz", "", nil)
	if got := w.Body.String(); h.hasToken() && !strings.HasPrefix(got, line+": ") || !strings.Contains(got, why) || strings.Contains(got, fuzzToken) {
		h.t.Errorf("an administrator is told %q, want %q", got, why)
	}
}

// hasToken reports whether there is an administrator.
func (h *harness) hasToken() bool {
	_, err := h.token()
	return err == nil
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
	h.wantUnready("authentication: the service cannot tell who calls", "")
	h.config.Token = func() (string, error) { return "", nil }
	h.wantUnready("authentication: the service cannot tell who calls", "")
	h.config.Token = ours
	h.wantReady()
}

func TestReadyNeedsAFreeDisk(t *testing.T) {
	h := newHarness(t)
	h.config.MinFreeDisk = 64 << 20
	h.space.Free = func() (int64, error) { return 64<<20 - 1, nil }
	h.wantUnready("disk: too little is free", "63 MiB are free and 64 must be (--min-free-disk)")
	h.space.Free = func() (int64, error) { return 64 << 20, nil }
	h.wantReady()
	h.space.Free = func() (int64, error) { return 0, errors.New("stat " + h.config.Dir) }
	h.wantUnready("disk: too little is free", "stat "+h.config.Dir)
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
	h.wantUnready("records: they cannot be written", "longer than")
	h.wantUnready("records: they cannot be written", "longer than")
	close(release)
	h.must(<-done)
	h.eventually("the write that hung ends", func() bool {
		status, _ := h.isReady()
		return status == http.StatusOK
	})
	h.probe.patience = probePatience
	h.later()
	h.must(h.records.Close())
	if status, text := h.isReady(); status != http.StatusServiceUnavailable || !strings.Contains(text, "records: they cannot be written\n") {
		t.Errorf("%d %s", status, text)
	}
}

// A volume that is gone, or another one in its place, is not the folder that was opened.
func TestReadyNeedsItsFolder(t *testing.T) {
	h := newHarness(t)
	h.wantReady()
	h.must(os.Rename(h.config.Dir, h.config.Dir+"-away"))
	h.must(os.Mkdir(h.config.Dir, 0o700))
	h.wantUnready("folder: the data folder is not the one that was opened", "has no identity")
	other := newHarness(t)
	h.must(os.Remove(h.config.Dir))
	h.must(os.Symlink(other.config.Dir, h.config.Dir))
	h.wantUnready("folder: the data folder is not the one that was opened", "is another data folder")
	h.must(os.Remove(h.config.Dir))
	h.must(os.Rename(h.config.Dir+"-away", h.config.Dir))
	h.wantReady()
}

func TestReadyNeedsAValidCertificate(t *testing.T) {
	h := newHarness(t)
	until := fuzzNow.Add(time.Second)
	h.config.Certificate = func() time.Time { return until }
	h.wantReady()
	until = fuzzNow.Add(-time.Second)
	h.wantUnready("certificate: the certificate is not valid now", "it expired at 2026-01-02T03:04:04Z")
}

// A caller of a tenant is told no more than anybody is, whatever its roles.
func TestReadyTellsTenantsNoReasons(t *testing.T) {
	h := newHarness(t)
	h.space.Free = func() (int64, error) { return 0, nil }
	for _, c := range []authn.Caller{{Name: "x", Tenant: "prod/hr", Roles: everything}, {Name: "x", Roles: uploaders}} {
		h.CallAs(c)
		if _, w := h.call(http.MethodGet, "/readyz", "", nil); w.Body.String() != "disk: too little is free\n" {
			t.Errorf("%+v is told %q", c, w.Body)
		}
	}
}

func TestReadyNeedsTheStamp(t *testing.T) {
	h := newHarness(t)
	h.must(h.database().KeepStamp(brokenStamps{errors.New("write " + h.config.Dir)}))
	h.wantUnready("records: they cannot be written", "write ")
}

// brokenStamps cannot be written.
type brokenStamps struct{ err error }

func (brokenStamps) WriteStamp(uint64) {}
func (s brokenStamps) Err() error      { return s.err }
func (brokenStamps) Close() error      { return nil }

package service

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// ready is /readyz: 200, or 503 with a line for each reason. Anybody may read it.
func (s *Service) ready(w http.ResponseWriter, _ *http.Request) {
	reasons := s.unready()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		_, _ = w.Write([]byte("ok\n")) // the caller is gone where this fails
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(strings.Join(reasons, "\n") + "\n"))
}

// unready says why the service cannot do its work.
func (s *Service) unready() (reasons []string) {
	because := func(reason string, cause error) {
		reasons = append(reasons, reason)
		s.config.Log.Warn("not ready", "reason", reason, "error", cause)
	}
	if s.config.Token != nil { // issuers are away one by one, and their callers are told so
		if _, err := s.token(); err != nil {
			because("token: the service's bearer token cannot be read, or is empty", err)
		}
	}
	switch free, err := s.space.Free(); {
	case err != nil:
		because("disk: its free space cannot be read", err)
	case free < s.config.MinFreeDisk:
		because(fmt.Sprintf("disk: %d MiB are free and %d must be (--min-free-disk)", free>>20, s.config.MinFreeDisk>>20), nil)
	}
	if err := s.probe.result(s.tryRecords); err != nil {
		reason := "records: they cannot be written; the service's log says why"
		if fullDisk(err) {
			reason = "records: they cannot be written, since the disk is full"
		}
		because(reason, err)
	}
	return reasons
}

// tryRecords writes a record as any change does.
func (s *Service) tryRecords() error {
	return s.records.Probe(context.Background(), s.now()) // the caller may be gone by then
}

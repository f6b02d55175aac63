package service

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/folder"
)

// check is one thing that the service needs, and why it has not got it. says is for
// anybody, err for administrators and the log.
type check struct {
	name, says string
	err        error
}

// ready is /readyz: 200, or 503 with a line for each check that fails. Anybody may read
// which ones; figures and reasons are for administrators without a tenant, and the log.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	var failed []string
	admin := s.isAdministrator(r)
	for _, c := range s.checks() {
		if c.err == nil {
			continue
		}
		s.config.Log.Warn("not ready", "check", c.name, "reason", c.says, "error", c.err)
		line := c.name + ": " + c.says
		if admin {
			line += ": " + strings.ReplaceAll(c.err.Error(), "\n", "; ")
		}
		failed = append(failed, line)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(failed) == 0 {
		_, _ = w.Write([]byte("ok\n")) // the caller is gone where this fails
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(strings.Join(failed, "\n") + "\n"))
}

// isAdministrator reports whether a request is that of one who administers the service.
func (s *Service) isAdministrator(r *http.Request) bool {
	if r.Header.Get("Authorization") == "" {
		return false
	}
	caller, err := s.callers(r)
	if err != nil || caller.Tenant != "" || !caller.Is(authn.Admin) {
		return false
	}
	s.gate.proven(r)
	return true
}

// checks are all that the service needs to do its work.
func (s *Service) checks() []check {
	return []check{
		{"authentication", "the service cannot tell who calls", s.checkCallers()},
		{"certificate", "the certificate is not valid now", s.checkCertificate()},
		{"disk", "too little is free", s.checkFree()},
		{"folder", "the data folder is not the one that was opened", s.checkFolder()},
		{"records", "they cannot be written", s.probe.result(s.tryRecords)},
	}
}

// checkCallers wants the service's own token to be there. Issuers are away one by one, and their
// callers are told so.
func (s *Service) checkCallers() error {
	if s.config.Token == nil {
		return nil
	}
	_, err := s.token()
	return err
}

func (s *Service) checkCertificate() error {
	if s.config.Certificate == nil {
		return nil
	}
	if until := s.config.Certificate(); s.config.Now().After(until) {
		return fmt.Errorf("it expired at %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}

func (s *Service) checkFree() error {
	free, err := s.space.Free()
	if err != nil {
		return fmt.Errorf("its free space cannot be read: %w", err)
	}
	if free < s.config.MinFreeDisk {
		return fmt.Errorf("%d MiB are free and %d must be (--min-free-disk)", free>>20, s.config.MinFreeDisk>>20)
	}
	return nil
}

// checkFolder wants the folder that the service opened where its path leads: a volume may be
// gone, or be another one.
func (s *Service) checkFolder() error {
	if s.control == nil {
		return nil // its records are elsewhere
	}
	is, err := s.records.Identity(context.Background())
	if err != nil {
		return err
	}
	return folder.IsAt(s.config.Dir, is.ID)
}

// tryRecords writes a record as any change does.
func (s *Service) tryRecords() error {
	return s.records.Probe(context.Background(), s.now()) // the caller may be gone by then
}

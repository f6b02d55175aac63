package service

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

// room takes memory for a session's request out of the budget that all uploads
// share. A request that finds none waits, and is told to come again where that
// takes long.
func (s *Service) room(r *http.Request, one *records.Session, bytes int64) (release func(), err error) {
	bytes = min(bytes, s.config.UploadMemory)
	by := uploaderOf(one)
	ctx, stop := context.WithTimeout(r.Context(), s.patience)
	defer stop()
	if err := s.memory.acquire(ctx, by, bytes); err != nil {
		return nil, busy("the uploads in progress use all of the %d MiB that the service has for them (a session may use half of it, and so may a tenant beside others): send the request again later", s.config.UploadMemory>>20)
	}
	return func() { s.memory.release(by, bytes) }, nil
}

// codeBusy is Azure's, of an upload that finds no room now.
const codeBusy = "ServerBusy"

func busy(format string, args ...any) *failure {
	f := fail(http.StatusServiceUnavailable, codeBusy, format, args...)
	f.retryAfter = time.Second
	return f
}

// receiving is the body of a request that has memory for it.
type receiving struct {
	*bufio.Reader
	release func()
}

// receive takes memory for a request's body once it has begun to come, and lets it
// come no slower than the least rate.
func (s *Service) receive(w http.ResponseWriter, r *http.Request, one *records.Session, bytes int64) (*receiving, error) {
	if !s.memory.enter(one.ID) {
		return nil, busy("the session has %d uploads in progress, the maximum: send the request again later", maxOpenUploads)
	}
	body := s.paced(w, r.Body)
	r.Body = body
	in := bufio.NewReaderSize(body, firstBytes)
	if _, err := in.Peek(int(min(max(r.ContentLength, 1), firstBytes))); err != nil && !errors.Is(err, io.EOF) {
		s.memory.leave(one.ID)
		return nil, s.cutOff(err)
	}
	release, err := s.room(r, one, bytes)
	if err != nil {
		s.memory.leave(one.ID)
		return nil, err
	}
	body.again()
	return &receiving{in, func() { release(); s.memory.leave(one.ID) }}, nil
}

// cutOff is what a caller is told of a body that did not come whole.
func (s *Service) cutOff(err error) *failure {
	if errors.Is(err, errTooSlow) {
		return fail(http.StatusRequestTimeout, "OperationTimedOut", "the body was slower than %d bytes a second on average: send it again, or lower rowsPerBlock", s.config.MinUploadRate)
	}
	return fail(http.StatusBadRequest, "InvalidInput", "the body is incomplete")
}

// readOut reads what is left of a body that is refused, up to a number of
// bytes. A caller that still sends when its connection is closed sees a broken pipe
// and not why it was refused.
func readOut(body io.Reader, most int64) { _, _ = io.CopyN(io.Discard, body, most) }

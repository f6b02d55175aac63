package service

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/records"
)

// Bounds of what callers may say, keep, and make the service hold in memory.
const (
	maxMessage    = 1000 // bytes of a refusal, which may repeat the caller
	maxRequestID  = 128
	maxDelimiters = 64  // of a column
	maxOwner      = 253 // bytes of each part of an owner
	// maxStaged are the blocks of one session that may lie there unsealed, as many
	// as Azure's: twice what a list may have, so that an upload of changed content
	// is told so and not stopped.
	maxStaged = 2 * maxBlocks
	// uploadPatience is how long a block waits for memory. It is shorter than what
	// our client waits for an answer.
	uploadPatience = 20 * time.Second
	// listMemory is about what reading or writing the longest block list takes.
	listMemory = 32 << 20
)

// room takes memory for a session's request out of the budget that all uploads
// share. A request that finds none waits, and is told to come again where that
// takes long.
func (s *Service) room(r *http.Request, session string, bytes int64) (release func(), err error) {
	bytes = min(bytes, s.config.UploadMemory)
	ctx, stop := context.WithTimeout(r.Context(), s.patience)
	defer stop()
	if err := s.memory.acquire(ctx, session, bytes); err != nil {
		return nil, busy("the uploads at hand take all of the %d MiB that the service has for them (a session has half of it at most); send it again later", s.config.UploadMemory>>20)
	}
	return func() { s.memory.release(session, bytes) }, nil
}

func busy(format string, args ...any) *failure {
	f := fail(http.StatusServiceUnavailable, "ServerBusy", format, args...)
	f.retryAfter = time.Second
	return f
}

// firstBytes of a body come before memory is taken for all of it: a caller that
// sends nothing holds nothing.
const firstBytes = 64 << 10

// receiving is the body of a request that has memory for it.
type receiving struct {
	*bufio.Reader
	release func()
}

// receive takes memory for a request's body once it has begun to come, and lets it
// come no slower than the least rate.
func (s *Service) receive(w http.ResponseWriter, r *http.Request, session string, bytes int64) (*receiving, error) {
	if !s.memory.enter(session) {
		return nil, busy("the session has %d uploads at hand, the most it may; send it again later", maxOpenUploads)
	}
	body := s.paced(w, r.Body)
	r.Body = body
	in := bufio.NewReaderSize(body, firstBytes)
	if _, err := in.Peek(int(min(max(r.ContentLength, 1), firstBytes))); err != nil && !errors.Is(err, io.EOF) {
		s.memory.leave(session)
		return nil, s.cutOff(err)
	}
	release, err := s.room(r, session, bytes)
	if err != nil {
		s.memory.leave(session)
		return nil, err
	}
	body.again()
	return &receiving{in, func() { release(); s.memory.leave(session) }}, nil
}

// cutOff is what a caller is told of a body that did not come whole.
func (s *Service) cutOff(err error) *failure {
	if errors.Is(err, errTooSlow) {
		return fail(http.StatusRequestTimeout, "OperationTimedOut", "the body came slower than %d bytes a second on average; send it again, or lower rowsPerBlock", s.config.MinUploadRate)
	}
	return fail(http.StatusBadRequest, "InvalidInput", "the body is cut off")
}

// checkBlockSize refuses a block before a byte of it is read.
func checkBlockSize(size int64) error {
	switch {
	case size < 0:
		return fail(http.StatusLengthRequired, "MissingContentLengthHeader", "a block comes with its Content-Length")
	case size > block.MaxSize:
		return fail(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "the block has %d bytes and may have %d; lower rowsPerBlock", size, block.MaxSize)
	}
	return nil
}

// checkStaged refuses one more block where a session has too many.
func (s *Service) checkStaged(session, id string) error {
	if s.blocks.Has(session, id) || s.blocks.Different(session) < maxStaged {
		return nil
	}
	return fail(http.StatusConflict, "BlockCountExceedsLimit", "the session holds %d blocks that are not sealed, the most it may; cancel it and begin afresh", maxStaged)
}

// readOut reads what is left of a body that is refused, up to a number of
// bytes. A caller that still sends when its connection is closed sees a broken pipe
// and not why it was refused.
func readOut(body io.Reader, most int64) { _, _ = io.CopyN(io.Discard, body, most) }

// bounded cuts a message between two characters.
func bounded(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// checkDescription bounds a description.
func checkDescription(text string) error {
	if len(text) > maxDescription {
		return badRequest("description has %d bytes and may have %d", len(text), maxDescription)
	}
	return nil
}

// requestOf is how a create is remembered. id is that of the new record.
func requestOf(r *http.Request, kind records.Kind, id string, at time.Time) records.Request {
	return records.Request{Kind: kind, Key: requestKeyOf(r), ID: id, At: at}
}

// requestKeyOf is the name under which a create is remembered: its
// client-request-id, or the sum of one that is too long for a key of the database;
// "" for none.
func requestKeyOf(r *http.Request) string {
	id := r.Header.Get("client-request-id")
	if len(id) <= maxRequestID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// tooMany is the message of a list that is longer than it may be.
func tooMany(what string, has, most int) string {
	return fmt.Sprintf("%s has %d entries and may have 1 to %d", what, has, most)
}

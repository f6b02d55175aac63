package service

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// checkBlockSize refuses a block before a byte of it is read.
func checkBlockSize(size int64) error {
	switch {
	case size < 0:
		return fail(http.StatusLengthRequired, "MissingContentLengthHeader", "a block must have a Content-Length")
	case size > block.MaxSize:
		return fail(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "the block has %d bytes and must have at most %d; lower rowsPerBlock", size, block.MaxSize)
	}
	return nil
}

// checkPlain refuses an upload that is compressed on its way: what is staged and listed are
// the bytes that came.
func checkPlain(r *http.Request) error {
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "" || strings.EqualFold(encoding, "identity") {
		return nil
	}
	return fail(http.StatusBadRequest, "UnsupportedHeader", "Content-Encoding %q is not supported for uploads: send the bytes as they are", encoding)
}

// checkStaged refuses one more block where a session has too many.
func (s *Service) checkStaged(session, id string) error {
	if s.blocks.Has(session, id) || s.blocks.Different(session) < maxStaged {
		return nil
	}
	return fail(http.StatusConflict, "BlockCountExceedsLimit", "the session has %d blocks that are not sealed, the maximum: cancel it and create another", maxStaged)
}

// checkDescription bounds a description.
func checkDescription(text string) error {
	if len(text) > maxDescription {
		return naming(badRequest("description has %d bytes and must have at most %d", len(text), maxDescription))
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

// refuseMore refuses one more record where a tenant has as many as a flag allows.
func refuseMore(of interface{ Count() (int, error) }, most int, what, flag string) error {
	n, err := of.Count()
	if err != nil || n < most {
		return err
	}
	return fail(http.StatusConflict, edm.CodeConflict, "there are %d %s, the maximum of a tenant (%s): delete some that are not needed, or raise it", most, what, flag)
}

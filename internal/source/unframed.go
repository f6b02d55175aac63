package source

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"exactmatch.dev/operator/internal/failure"
)

// unframed is a body without Content-Length and chunks: it ends where its connection ends, so a server or proxy that gives up looks like
// one that has sent everything. Text that ends within a line counts as cut off. Compressed data passes: its decompressor knows where it
// ends.
//
// Two faults cannot be detected from an answer, only by spec.checksum: an unframed body that is cut off exactly after a line end, and a
// Content-Length that is smaller than the table but leaves a readable one. TLS does not help with the first: many servers close a
// connection without the alert that would mark its end.
type unframed struct {
	io.ReadCloser
	where string
	start []byte // the first magicSize bytes
	last  byte   // the last byte that is not padding
}

// framed returns the body of an answer, which fails instead of ending where its end is in doubt.
func framed(resp *http.Response, where string) io.ReadCloser {
	if resp.ProtoMajor > 1 || resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 {
		return resp.Body
	}
	return &unframed{ReadCloser: resp.Body, where: where}
}

// padding may follow the last line end: the end-of-file mark of DOS, and the second byte of a line end in UTF-16.
const padding = "\x00\x1a"

// Read implements io.Reader.
func (u *unframed) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.start = append(u.start, p[:min(n, magicSize-len(u.start))]...)
	if text := bytes.TrimRight(p[:n], padding); len(text) > 0 {
		u.last = text[len(text)-1]
	}
	if errors.Is(err, io.EOF) && u.isCut() {
		err = &Error{Reason: failure.SourceUnavailable, Source: u.where, Message: "the connection ended within a line, and the server does not announce the length:" +
			" configure it to send a Content-Length, or end the last line of the table with a line end"}
	}
	return n, err
}

func (u *unframed) isCut() bool {
	return len(u.start) > 0 && u.last != '\n' && u.last != '\r' && !isCompressed(u.start)
}

// magicSize is how many bytes isCompressed needs.
const magicSize = 4

// isCompressed tells whether data begins with the magic number of gzip or Zstandard.
func isCompressed(start []byte) bool {
	return bytes.HasPrefix(start, []byte{0x1F, 0x8B}) || bytes.HasPrefix(start, []byte{0x28, 0xB5, 0x2F, 0xFD})
}

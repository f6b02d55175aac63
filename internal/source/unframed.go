package source

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// unframed is a body that ends where its connection ends: it has no Content-Length and no chunks, so that a server or a proxy that gives
// up looks like one that is done. A text that ends within a line is taken for one that was cut off. Compressed bytes pass: their
// decompressor knows where they end.
//
// Two things cannot be told from an answer, and spec.checksum tells them: that an unframed body was cut off exactly behind a line end, and
// that a Content-Length is smaller than what the server had to send, as long as what came is a table. TLS does not help: connections
// are often closed without the alert that says that all was sent.
type unframed struct {
	io.ReadCloser
	where string
	start []byte // the first magicSize bytes
	last  byte   // the last one that is not padding
}

// framed returns the body of an answer so that its end is known, or at least doubted.
func framed(resp *http.Response, where string) io.ReadCloser {
	if resp.ProtoMajor > 1 || resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 {
		return resp.Body
	}
	return &unframed{ReadCloser: resp.Body, where: where}
}

// padding may follow the last line end: the end-of-file mark of DOS, and the other half of a line end in UTF-16.
const padding = "\x00\x1a"

// Read implements io.Reader.
func (u *unframed) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.start = append(u.start, p[:min(n, magicSize-len(u.start))]...)
	if text := bytes.TrimRight(p[:n], padding); len(text) > 0 {
		u.last = text[len(text)-1]
	}
	if errors.Is(err, io.EOF) && u.isCut() {
		err = &Error{Reason: Unavailable, Source: u.where, Message: "the connection ended within a line, and the server does not announce how much it sends:" +
			" have it send a Content-Length, or end the last line of the table with a line end"}
	}
	return n, err
}

func (u *unframed) isCut() bool {
	return len(u.start) > 0 && u.last != '\n' && u.last != '\r' && !isCompressed(u.start)
}

// magicSize is how many bytes isCompressed wants to see.
const magicSize = 4

// isCompressed tells whether bytes start as those of a compressed table do.
func isCompressed(start []byte) bool {
	return bytes.HasPrefix(start, []byte{0x1F, 0x8B}) || bytes.HasPrefix(start, []byte{0x28, 0xB5, 0x2F, 0xFD})
}

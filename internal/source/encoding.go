package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Some servers send a Content-Encoding although "identity" alone was asked for. One layer of compression is then as good as that of
// a table that is compressed where it lies, and stays: the bytes have the checksum that downloading them gives. What is left to do is
// to refuse what no table is compressed with, and to undo gzip around a table that is compressed already.

// unreadable are the codings that a table is never compressed with.
var unreadable = map[string]bool{"br": true, "deflate": true, "compress": true, "x-compress": true, "dcb": true, "dcz": true}

// codings returns the Content-Encoding of an answer, in lower case, in the order in which the codings were applied.
func codings(resp *http.Response) []string {
	all := strings.Split(strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ",")), ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// checkEncoding refuses an answer in a coding that no table has.
func (w *web) checkEncoding(resp *http.Response) error {
	for _, coding := range codings(resp) {
		if unreadable[coding] {
			return w.invalid("the server sends it with Content-Encoding " + coding + ", which was not asked for: have it send the table as it is")
		}
	}
	return nil
}

// isGzipped tells whether a server says that it has compressed what it sends with gzip.
func isGzipped(resp *http.Response) bool {
	for _, coding := range codings(resp) {
		if coding == "gzip" || coding == "x-gzip" {
			return true
		}
	}
	return false
}

// undoOuter returns a body without the gzip around compressed bytes; a body that is not compressed twice comes through as it is.
// It blocks until the first bytes are there.
func undoOuter(body io.ReadCloser, where string) (io.ReadCloser, error) {
	outer := &outerGzip{body: body, where: where}
	in := bufio.NewReaderSize(readerFunc(outer.readBody), peekSize)
	start, err := in.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !isCompressedTwice(start) {
		return section{in, body}, nil
	}
	if outer.r, err = gzip.NewReader(in); err != nil {
		return nil, outer.judge(err)
	}
	return outer, nil
}

// peekSize is more than the headers of gzip take before the first bytes that are compressed.
const peekSize = 4 << 10

func isCompressedTwice(start []byte) bool {
	r, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return false
	}
	inner := make([]byte, magicSize)
	n, _ := io.ReadFull(r, inner) // what is cut off tells nothing
	return isCompressed(inner[:n])
}

// maxOuterRatio bounds what one byte may become: compressed bytes are hardly compressed again.
const (
	maxOuterRatio  = 100
	outerRatioFrom = 1 << 20 // bytes from which it is judged
)

// outerGzip undoes a gzip. Its errors are those of the body, and *Error.
type outerGzip struct {
	body  io.ReadCloser
	where string
	r     *gzip.Reader
	err   error // of the body
	in, n int64 // bytes of the body, and out of it
}

func (o *outerGzip) readBody(p []byte) (int, error) {
	n, err := o.body.Read(p)
	o.in += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		o.err = err
	}
	return n, err
}

// Read implements io.Reader.
func (o *outerGzip) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.n += int64(n)
	if o.n > outerRatioFrom && o.n/maxOuterRatio > o.in {
		return 0, &Error{Reason: Invalid, Source: o.where, Message: "its Content-Encoding gzip makes more than 100 bytes of one: have the server send the table as it is"}
	}
	return n, o.judge(err)
}

// Close implements io.Closer.
func (o *outerGzip) Close() error { return o.body.Close() }

func (o *outerGzip) judge(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case o.err != nil:
		return o.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Reason: Unavailable, Source: o.where, Message: "its Content-Encoding gzip ends too early: have the server send the table as it is"}
	}
	return &Error{Reason: Invalid, Source: o.where, Message: "its Content-Encoding gzip is damaged: have the server send the table as it is"}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

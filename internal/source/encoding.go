package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"

	"exactmatch.dev/operator/internal/failure"
)

// Some servers send a Content-Encoding although only "identity" is acceptable. A single layer of compression is left in place: the table
// is then read like one that is stored compressed, and its checksum is that of the bytes that a download yields. What remains is to
// refuse codings that tables are never compressed with, and to undo gzip around a table that is already compressed.

// unreadable are the codings that tables are never compressed with.
var unreadable = map[string]bool{"br": true, "deflate": true, "compress": true, "x-compress": true, "dcb": true, "dcz": true}

// codings returns the content codings of an answer in lower case, in the order in which they were applied.
func codings(resp *http.Response) []string {
	all := strings.Split(strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ",")), ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// checkEncoding refuses an answer in a coding that cannot be read.
func (w *web) checkEncoding(resp *http.Response) error {
	for _, coding := range codings(resp) {
		if unreadable[coding] {
			return w.invalid("the server sends Content-Encoding " + coding + ", which was not requested: configure it to send the table as it is")
		}
	}
	return nil
}

// isGzipped tells whether the Content-Encoding of an answer includes gzip.
func isGzipped(resp *http.Response) bool {
	for _, coding := range codings(resp) {
		if coding == "gzip" || coding == "x-gzip" {
			return true
		}
	}
	return false
}

// undoOuter removes the outer gzip layer of a body that is compressed twice, and returns any other body unchanged. It blocks until the
// first peekSize bytes, or all, have arrived.
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

// peekSize leaves room for a gzip header with a file name and for the first block of compressed data.
const peekSize = 4 << 10

func isCompressedTwice(start []byte) bool {
	r, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return false
	}
	inner := make([]byte, magicSize)
	n, _ := io.ReadFull(r, inner) // the input is cut off, so it may fail
	return isCompressed(inner[:n])
}

// maxOuterRatio caps the bytes that one byte expands to. Compressed data hardly compresses again.
const (
	maxOuterRatio  = 100
	outerRatioFrom = 1 << 20 // bytes of output from which on the ratio is checked
)

// outerGzip reads the content of a gzip layer. Its errors are io.EOF, those of the body, and *Error.
type outerGzip struct {
	body  io.ReadCloser
	where string
	r     *gzip.Reader
	err   error // of the body
	in, n int64 // bytes read from the body, and returned
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
		return 0, &Error{Reason: failure.SourceInvalid, Source: o.where, Message: "its Content-Encoding gzip expands to more than 100 times its size: configure the server to send the table as it is"}
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
		return &Error{Reason: failure.SourceUnavailable, Source: o.where, Message: "its Content-Encoding gzip ends too early: configure the server to send the table as it is"}
	}
	return &Error{Reason: failure.SourceInvalid, Source: o.where, Message: "its Content-Encoding gzip is damaged: configure the server to send the table as it is"}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

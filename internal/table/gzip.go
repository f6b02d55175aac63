package table

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// leastPadding is allowed however few bytes the text may have: a block of a tape or of a volume.
const leastPadding = 1 << 20

var gzipMagic = []byte{0x1F, 0x8B}

// gzipReader reads gzip members, one behind the other, with or without zeros between them, and counts what else is behind the
// last one: programs that write whole blocks pad with zeros, and gzip -d takes both.
type gzipReader struct {
	in       *bufio.Reader
	member   *gzip.Reader
	most     int64 // caps padding and trailing bytes; 0 means no cap
	padded   int64
	trailing atomic.Int64
	err      error
}

// newGzipReader reads the header of the first member. As many bytes as are allowed for the text, 0 for any number, may be no
// part of a member.
func newGzipReader(in *bufio.Reader, most int64) (*gzipReader, error) {
	if most > 0 {
		most = max(most, leastPadding)
	}
	g := &gzipReader{in: in, member: new(gzip.Reader), most: most}
	return g, g.open()
}

// open reads the header of a member. A member that is cut short is io.ErrUnexpectedEOF.
func (g *gzipReader) open() error {
	err := g.member.Reset(g.in)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	g.member.Multistream(false)
	return err
}

// Read implements io.Reader.
func (g *gzipReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for g.err == nil {
		n, err := g.member.Read(p)
		if errors.Is(err, io.EOF) {
			err = g.next()
		}
		g.err = err
		if n > 0 {
			return n, err
		}
	}
	return 0, g.err
}

// next opens the next member. io.EOF says that there is none.
func (g *gzipReader) next() error {
	if err := g.skipZeros(); err != nil {
		return err
	}
	start, err := g.in.Peek(len(gzipMagic))
	switch {
	case bytes.Equal(start, gzipMagic):
		return g.open()
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	return g.leaveOut()
}

// skipZeros passes padding.
func (g *gzipReader) skipZeros() error {
	for {
		b, err := g.buffered()
		if err != nil {
			return err
		}
		zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
		g.padded += int64(zeros)
		_, _ = g.in.Discard(zeros)
		if err := g.checkMost(); err != nil || zeros < len(b) {
			return err
		}
	}
}

// leaveOut passes and counts the bytes up to the end, and returns io.EOF there.
func (g *gzipReader) leaveOut() error {
	for {
		b, err := g.buffered()
		if err != nil {
			return err
		}
		g.trailing.Add(int64(len(b)))
		_, _ = g.in.Discard(len(b))
		if err := g.checkMost(); err != nil {
			return err
		}
	}
}

// buffered returns the bytes at hand, at least one.
func (g *gzipReader) buffered() ([]byte, error) {
	if _, err := g.in.Peek(1); err != nil {
		return nil, err
	}
	return g.in.Peek(g.in.Buffered())
}

// checkMost keeps a source without an end from being read forever: nothing comes out of it that another cap would count.
func (g *gzipReader) checkMost() error {
	if g.most > 0 && g.padded+g.trailing.Load() > g.most {
		return &LimitError{Limit: "Bytes", Max: g.most}
	}
	return nil
}

var _ io.Reader = (*gzipReader)(nil)

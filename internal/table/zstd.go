package table

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

const (
	zstdWindow       = 32 << 20
	zstdWindowByte   = 0x78 // zstdWindow in a frame's header
	zstdSingle       = 1 << 5
	zstdHasSum       = 1 << 2
	zstdMaxHeader    = 18
	zstdBlockHeader  = 3
	zstdBlockRLE     = 1
	zstdSkipHeader   = 8
	zstdFieldsBefore = 5 // magic number and descriptor
)

var zstdMagic = []byte{0x28, 0xB5, 0x2F, 0xFD}

func isZstdSkippable(start []byte) bool {
	return len(start) >= 4 && start[0]&0xF0 == 0x50 && bytes.HasPrefix(start[1:], []byte{0x2A, 0x4D, 0x18})
}

// zstdFrames gives zstd frames to a decoder, and an *EncodingError where something else follows them. A window larger than
// zstdWindow is announced as that one: zstd --ultra writes 128 MiB into the header of a small table too. A decoder refuses what
// really reaches further back.
type zstdFrames struct {
	in       *bufio.Reader
	header   []byte // that is given next
	raw      int64  // bytes that are given after it, as they are
	inFrame  bool
	hasSum   bool
	narrowed bool // a larger window was announced
	buf      [zstdMaxHeader + 1]byte
}

// Read implements io.Reader.
func (z *zstdFrames) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(z.header) == 0 && z.raw == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	if len(z.header) > 0 {
		n := copy(p, z.header)
		z.header = z.header[n:]
		return n, nil
	}
	n, err := z.in.Read(p[:min(int64(len(p)), z.raw)])
	z.raw -= int64(n)
	return n, cutShort(err)
}

// cutShort turns the end of the stored bytes where more have to follow into an error of ours: to the decoder an unexpected end is
// an end where a frame may begin.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return tooEarly("zstd")
	}
	return err
}

// next finds the next block or frame. io.EOF says that there is none.
func (z *zstdFrames) next() error {
	if z.inFrame {
		return z.nextBlock()
	}
	start, err := z.in.Peek(len(zstdMagic))
	switch {
	case len(start) == 0, err != nil && !errors.Is(err, io.EOF):
		return err
	case bytes.Equal(start, zstdMagic):
		return z.nextFrame()
	case isZstdSkippable(start):
		start, err = z.peek(zstdSkipHeader)
		if err == nil {
			z.raw = zstdSkipHeader + int64(binary.LittleEndian.Uint32(start[4:]))
		}
		return err
	case bytes.HasPrefix(zstdMagic, start):
		return cutShort(io.EOF)
	}
	return &EncodingError{"the zstd compressed table is followed by bytes that are not zstd: store the compressed table with nothing after it"}
}

func (z *zstdFrames) nextBlock() error {
	b, err := z.peek(zstdBlockHeader)
	if err != nil {
		return err
	}
	head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	size := int64(head >> 3)
	if head>>1&3 == zstdBlockRLE {
		size = 1
	}
	z.raw = zstdBlockHeader + size
	if isLast := head&1 == 1; isLast {
		z.inFrame = false
		if z.hasSum {
			z.raw += 4
		}
	}
	return nil
}

// nextFrame reads the header of a frame and narrows its window.
func (z *zstdFrames) nextFrame() error {
	b, err := z.peek(zstdFieldsBefore)
	if err != nil {
		return err
	}
	descriptor := b[4]
	isSingle := descriptor&zstdSingle != 0
	content := [...]int{0, 2, 4, 8}[descriptor>>6]
	size := zstdFieldsBefore + [...]int{0, 1, 2, 4}[descriptor&3] + content
	switch {
	case !isSingle:
		size++ // the window
	case content == 0:
		size++ // the content's size in one byte
	}
	if b, err = z.peek(size); err != nil {
		return err
	}
	z.header = append(z.buf[:0], b...)
	_, _ = z.in.Discard(size)
	z.inFrame, z.hasSum = true, descriptor&zstdHasSum != 0
	switch {
	case !isSingle && b[5] > zstdWindowByte:
		z.header[5], z.narrowed = zstdWindowByte, true
	case isSingle && sizeOf(z.header[size-content:]) > zstdWindow: // the content is the window
		z.header = append(z.header[:zstdFieldsBefore+1], z.header[zstdFieldsBefore:]...)
		z.header[4], z.header[5], z.narrowed = descriptor&^zstdSingle, zstdWindowByte, true
	}
	return nil
}

// sizeOf reads the size of a frame's content. Sizes in one or two bytes are too small to matter.
func sizeOf(field []byte) uint64 {
	switch len(field) {
	case 4:
		return uint64(binary.LittleEndian.Uint32(field))
	case 8:
		return binary.LittleEndian.Uint64(field)
	}
	return 0
}

// peek returns n bytes that have to be there.
func (z *zstdFrames) peek(n int) ([]byte, error) {
	b, err := z.in.Peek(n)
	return b, cutShort(err)
}

var _ io.Reader = (*zstdFrames)(nil)

func tooEarly(name string) error {
	return &EncodingError{"the " + name + " compressed table ends too early: store it again in full"}
}

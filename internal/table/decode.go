package table

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	decodeBuffer = 64 << 10
	ratioFloor   = 1 << 20
	zstdWindow   = 32 << 20
)

var (
	bomUTF8    = []byte{0xEF, 0xBB, 0xBF}
	bomUTF16LE = []byte{0xFF, 0xFE}
	bomUTF16BE = []byte{0xFE, 0xFF}
	bomUTF32LE = []byte{0xFF, 0xFE, 0, 0}
	bomUTF32BE = []byte{0, 0, 0xFE, 0xFF}
)

// Decoded is the text of a table. UTF-8 comes through unchecked and with its byte order mark, which a Reader skips:
// invalid bytes are for the Reader to report, row by row. What UTF-16 or Windows-1252 do not allow arrives as the byte 0xFF.
type Decoded struct {
	io.Reader
	// Striped tells that offsets in the decoded text are offsets in the stored bytes (UTF-8, not compressed), so that
	// a Reader can start in the middle of the stored bytes.
	Striped bool
}

// Decode looks at the first bytes of r and returns the text of the table in UTF-8. It blocks for those bytes, and starts no goroutine.
//
// Errors, here and from reading: *FormatError, *EncodingError (the bytes are not what the format says, or damaged),
// *LimitError, and whatever r itself returns, unchanged.
func Decode(r io.Reader, f Format, l Limits) (*Decoded, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	stored := &meter{r: r}
	plain, compressed, err := decompress(stored, f.Compression)
	if err != nil {
		return nil, err
	}
	limited := &limiter{r: plain, stored: stored, bytes: l.Bytes}
	if compressed {
		limited.ratio = int64(l.DecompressionRatio)
	}
	text := bufio.NewReaderSize(limited, decodeBuffer)
	start, err := text.Peek(len(bomUTF32LE))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return transcode(text, start, f.Encoding, compressed)
}

func transcode(text *bufio.Reader, start []byte, e Encoding, compressed bool) (*Decoded, error) {
	mark, err := encodingByMark(start)
	if err != nil {
		return nil, err
	}
	if e == "" || e == EncodingAuto {
		e = mark
	}
	if e == "" {
		e = EncodingUTF8
	}
	if mark != "" && mark != e {
		return nil, &EncodingError{"the table starts with the byte order mark of " + string(mark) +
			", but format.encoding says " + string(e) + ": set it to Auto"}
	}
	switch e {
	case EncodingWindows1252:
		return &Decoded{Reader: &windows1252Reader{r: text}}, nil
	case EncodingUTF16:
		if mark == "" {
			return nil, &EncodingError{"the table has no byte order mark, which UTF-16 needs: save it with one, or as UTF-8"}
		}
		bigEndian := bytes.HasPrefix(start, bomUTF16BE)
		_, _ = text.Discard(len(bomUTF16LE))
		return &Decoded{Reader: newUTF16Reader(text, bigEndian)}, nil
	}
	return &Decoded{Reader: text, Striped: !compressed}, nil
}

func encodingByMark(start []byte) (Encoding, error) {
	switch {
	case bytes.HasPrefix(start, bomUTF32LE), bytes.HasPrefix(start, bomUTF32BE):
		return "", &EncodingError{"the table is encoded in UTF-32: save it as UTF-8"}
	case bytes.HasPrefix(start, bomUTF8):
		return EncodingUTF8, nil
	case bytes.HasPrefix(start, bomUTF16LE), bytes.HasPrefix(start, bomUTF16BE):
		return EncodingUTF16, nil
	}
	return "", nil
}

// decompress returns the decompressed bytes and whether there was anything to undo.
func decompress(stored *meter, c Compression) (io.Reader, bool, error) {
	in := bufio.NewReaderSize(stored, decodeBuffer)
	start, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	found := compressionOf(start)
	if c == "" || c == CompressionAuto {
		c = found
	}
	switch {
	case c == CompressionNone:
		return in, false, nil
	case c != found:
		return nil, false, &EncodingError{"the table is not compressed with " + string(c) + ", which format.compression says: set it to Auto"}
	}
	var out io.Reader
	if c == CompressionGzip {
		out, err = gzip.NewReader(in)
	} else {
		// One decoder is synchronous: it has no goroutine that somebody would have to stop.
		out, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	}
	damaged := &damageReader{r: out, stored: stored, name: string(c)}
	return damaged, true, damaged.judge(err)
}

func compressionOf(start []byte) Compression {
	switch {
	case bytes.HasPrefix(start, []byte{0x1F, 0x8B}):
		return CompressionGzip
	case len(start) < 4:
		return CompressionNone
	case bytes.Equal(start, []byte{0x28, 0xB5, 0x2F, 0xFD}), start[0]&0xF0 == 0x50 && bytes.Equal(start[1:], []byte{0x2A, 0x4D, 0x18}):
		return CompressionZstd // a frame, or a skippable one before it
	}
	return CompressionNone
}

// meter counts the stored bytes and keeps the error of their source apart from those of a decompressor.
type meter struct {
	r   io.Reader
	n   int64
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// damageReader tells damage of the compressed bytes from a source that failed.
type damageReader struct {
	r      io.Reader
	stored *meter
	name   string
}

func (d *damageReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	return n, d.judge(err)
}

func (d *damageReader) judge(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case d.stored.err != nil:
		return d.stored.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &EncodingError{"the table needs a Zstd window of more than 32 MiB: compress it without --long or --ultra"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &EncodingError{"the " + d.name + " compressed table ends too early: write it again"}
	}
	return &EncodingError{"the " + d.name + " compressed table is damaged: write it again"}
}

// limiter caps what comes out of the decompressor, so that a small file cannot become an endless one.
type limiter struct {
	r            io.Reader
	stored       *meter
	n            int64
	bytes, ratio int64
}

func (l *limiter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.n += int64(n)
	if l.bytes > 0 && l.n > l.bytes {
		return 0, &LimitError{Limit: "Bytes", Max: l.bytes}
	}
	if l.ratio > 0 && l.n > ratioFloor && l.n/l.ratio > l.stored.n {
		return 0, &LimitError{Limit: "DecompressionRatio", Max: l.ratio}
	}
	return n, err
}

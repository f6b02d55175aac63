package table

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"exactmatch.dev/operator/internal/schema"
)

const (
	decodeBuffer = 64 << 10
	ratioFloor   = 1 << 20
)

// Decoded is the text of a table. UTF-8 comes through unchecked and with its byte order mark, which a Reader skips:
// invalid bytes are for the Reader to report, row by row. What UTF-16 or Windows-1252 do not allow arrives as the byte 0xFF.
type Decoded struct {
	io.Reader
	// Striped tells that offsets in the decoded text are offsets in the stored bytes (UTF-8, not compressed), so that
	// a Reader can start in the middle of the stored bytes.
	Striped bool

	gzip        *gzipReader        // nil where the table is not compressed with gzip
	windows1252 *windows1252Reader // nil where it is not read as Windows-1252
	start       *recorder
}

// TrailingBytes is how many bytes behind the last gzip member are left out; zeros right behind it are padding and do not count.
// It is final once the text has ended, 0 for tables that are not compressed with gzip, and safe to call from any goroutine.
func (d *Decoded) TrailingBytes() int64 {
	if d.gzip == nil {
		return 0
	}
	return d.gzip.trailing.Load()
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
	in := bufio.NewReaderSize(stored, decodeBuffer)
	c, err := compressionOf(in, f.Compression)
	if err != nil {
		return nil, err
	}
	d := new(Decoded)
	plain, err := d.decompress(in, stored, c, l)
	if err != nil {
		return nil, err
	}
	limited := &limiter{r: plain, stored: stored, bytes: l.Bytes}
	if c != CompressionNone {
		limited.ratio = int64(l.DecompressionRatio)
	}
	text := bufio.NewReaderSize(limited, decodeBuffer)
	start, err := peek(text, sniffed)
	if err != nil {
		return nil, err
	}
	if err := refuseBinary(start, c); err != nil {
		return nil, err
	}
	if err := d.transcode(text, start, f.Encoding); err != nil {
		return nil, err
	}
	d.Striped = d.Striped && c == CompressionNone
	d.start = &recorder{r: d.Reader}
	d.Reader = d.start
	return d, nil
}

// transcode sets the Reader, and Striped as far as the encoding goes. start is the start of text.
func (d *Decoded) transcode(text *bufio.Reader, start []byte, e Encoding) error {
	mark, err := encodingByMark(start)
	if err != nil {
		return err
	}
	if e == "" || e == EncodingAuto {
		e = mark
	}
	if e == "" {
		e = EncodingUTF8
	}
	if mark != "" && mark != e {
		return &EncodingError{"the table starts with the byte order mark of " + string(mark) +
			", but format.encoding says " + string(e) + ": set it to Auto"}
	}
	switch e {
	case EncodingWindows1252:
		d.windows1252 = &windows1252Reader{r: text}
		d.Reader = d.windows1252
	case EncodingUTF16:
		if mark == "" {
			return &EncodingError{"the table has no byte order mark, which UTF-16 needs: save it with one, or as UTF-8"}
		}
		bigEndian := bytes.HasPrefix(start, bomUTF16BE)
		_, _ = text.Discard(len(bomUTF16LE))
		d.Reader = newUTF16Reader(text, bigEndian)
	default:
		d.Reader, d.Striped = text, true
	}
	return nil
}

// peek returns the next n bytes, or as many as there are.
func peek(r *bufio.Reader, n int) ([]byte, error) {
	start, err := r.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return start, nil
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

// compressionOf is the compression of the stored bytes, which has to be the one that the format says, if it says one.
func compressionOf(in *bufio.Reader, said Compression) (Compression, error) {
	start, err := peek(in, sniffed)
	if err != nil {
		return "", err
	}
	if err := refuseBinary(start, CompressionNone); err != nil {
		return "", err
	}
	found := compressionByMagic(start)
	switch said {
	case "", CompressionAuto, found:
		return found, nil
	case CompressionNone:
		return "", &EncodingError{"the table is compressed with " + strings.ToLower(string(found)) + ", but format.compression says None: set it to Auto"}
	}
	return "", &EncodingError{"the table is not compressed with " + strings.ToLower(string(said)) + ", but format.compression says " + string(said) + ": set it to Auto"}
}

// decompress returns the decompressed bytes.
func (d *Decoded) decompress(in *bufio.Reader, stored *meter, c Compression, l Limits) (io.Reader, error) {
	if c == CompressionNone {
		return in, nil
	}
	damaged := &damageReader{stored: stored, name: strings.ToLower(string(c))}
	var err error
	if c == CompressionGzip {
		d.gzip, err = newGzipReader(in, l.Bytes)
		damaged.r = d.gzip
	} else {
		damaged.frames = &zstdFrames{in: in}
		// One decoder is synchronous: it has no goroutine that somebody would have to stop.
		damaged.r, err = zstd.NewReader(damaged.frames, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	}
	return damaged, damaged.judge(err)
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
	frames *zstdFrames // nil for gzip
}

func (d *damageReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	return n, d.judge(err)
}

func (d *damageReader) judge(err error) error {
	var limit *LimitError
	var encoding *EncodingError
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.As(err, &limit), errors.As(err, &encoding):
		return err
	case d.stored.err != nil:
		return d.stored.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return tooEarly(d.name)
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return &EncodingError{"the zstd compressed table needs a dictionary: compress it without one"}
	case d.frames != nil && d.frames.narrowed:
		return &EncodingError{"the zstd compressed table needs a window of more than 32 MiB, or is damaged: compress it without --long or --ultra"}
	}
	return &EncodingError{"the " + d.name + " compressed table is damaged: store it again"}
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

// Explain returns what is to be told in place of err, which Header or MatchHeader returned: a *ContentError where the text is
// another document, an *EncodingError where format.encoding cannot be right, and else err, with a hint where there is one.
// It is for the goroutine that reads.
func (d *Decoded) Explain(err error, columns []schema.Column, f Format) error {
	var header *HeaderError
	var missing *MissingColumnsError
	var encoding *EncodingError
	isMissing, isHeader := errors.As(err, &missing), errors.As(err, &header)
	switch {
	case isMissing, isHeader && header.Reason != DuplicateHeader, errors.As(err, &encoding):
	default:
		return err
	}
	if content := contentOf(d.start.start); content != "" && (!isMissing || missing.Found == 0 && missing.NamesLine == 0) {
		return &ContentError{content}
	}
	if d.windows1252 != nil && d.windows1252.seen.isUTF8SoFar() {
		return errUTF8
	}
	if isHeader && header.Reason == HeaderMalformed {
		return header.withHint(d.start.start, columns, f)
	}
	return err
}

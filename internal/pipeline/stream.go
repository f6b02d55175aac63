package pipeline

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"strings"

	"github.com/minio/crc64nvme"

	"exactmatch.dev/operator/internal/table"
)

// crcWriter is the running sum of the lines of a block.
type crcWriter struct{ hash.Hash64 }

func newCRC() *crcWriter { return &crcWriter{crc64nvme.New()} }

// addLines adds good rows as they stand in the text.
func (w *crcWriter) addLines(c *table.Chunk, from, to int) {
	for piece := range c.Lines(from, to) {
		_, _ = w.Write(piece) // a sum never fails
	}
}

// contextReader stops reading once the context ends, between two reads.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// storedSum is the SHA-256 of what is read through it, computed beside whoever
// reads: it is the slowest step of a reading.
type storedSum struct {
	r          io.Reader
	hash       hash.Hash
	bytes      int64
	full, free chan []byte
	done       chan struct{}
}

func newStoredSum(r io.Reader) *storedSum {
	s := &storedSum{r: r, hash: sha256.New(), full: make(chan []byte, sumsAhead), free: make(chan []byte, sumsAhead), done: make(chan struct{})}
	for range sumsAhead {
		s.free <- nil
	}
	go func() {
		defer close(s.done)
		for b := range s.full {
			_, _ = s.hash.Write(b) // a hash never fails
			s.free <- b
		}
	}()
	return s
}

// sumsAhead is how many reads the sum may be behind.
const sumsAhead = 4

// Read copies what is read for the sum: the reader may move its own bytes.
func (s *storedSum) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 {
		s.full <- append((<-s.free)[:0], p[:n]...)
		s.bytes += int64(n)
	}
	return n, err
}

// finish waits for the sum. It is called once, and nothing is read afterwards.
func (s *storedSum) finish() {
	close(s.full)
	<-s.done
}

// joinSamples lists positions of bad rows for a message.
func joinSamples(samples []string) string { return strings.Join(samples, ", ") }

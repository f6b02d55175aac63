package transfer

import (
	"context"
	"hash"
	"io"
	"strings"

	"github.com/minio/crc64nvme"
)

// crcWriter is the running sum of the cells of a block.
type crcWriter struct{ hash.Hash64 }

func newCRC() *crcWriter { return &crcWriter{crc64nvme.New()} }

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

// writerFunc is an io.Writer that cannot fail.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// joinSamples lists positions of bad rows for a message.
func joinSamples(samples []string) string { return strings.Join(samples, ", ") }

package source

import (
	"context"
	"errors"
	"io"
	"sync"

	"exactmatch.dev/operator/internal/failure"
)

// body is what Open returns: it ends with the context, and where the bytes end before the announced size it fails instead of giving
// half a table.
type body struct {
	ctx   context.Context
	r     io.ReadCloser
	where string
	left  int64 // bytes still to come, or -1 where nobody announced them
	close func() error
}

// newBody gives the first size bytes of r.
func newBody(ctx context.Context, r io.ReadCloser, where string, size int64) *body {
	b := &body{ctx: ctx, r: r, where: where, left: size}
	b.close = sync.OnceValue(r.Close)
	return b
}

// Read implements io.Reader. Its errors are io.EOF and *Error.
func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, networkError(b.where, err)
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case err == nil, b.left == 0:
		return n, nil // the next Read gives io.EOF
	case errors.Is(err, io.EOF) && b.left < 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	if ctxErr := b.ctx.Err(); ctxErr != nil {
		err = ctxErr
	}
	return n, networkError(b.where, err)
}

// Close implements io.Closer. Closing again gives the same answer.
func (b *body) Close() error {
	if err := b.close(); err != nil {
		return networkError(b.where, err)
	}
	return nil
}

// pin remembers the first version that was seen.
type pin struct {
	mu      sync.Mutex
	version string
}

// hold keeps the version if it is the first one and fails if it is another than the first. An empty one tells nothing.
func (p *pin) hold(where, version string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case version == "" || version == p.version:
		return nil
	case p.version == "":
		p.version = version
		return nil
	}
	return &Error{Reason: failure.SourceChanged, Source: where, Message: "it changed while it was read"}
}

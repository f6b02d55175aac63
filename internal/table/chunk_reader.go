package table

import (
	"errors"
	"io"
)

// Select chooses the columns whose cells ReadChunk gives, by their places in the header from 0. It goes after Header or Resume.
func (r *Reader) Select(columns []int) { r.columns = columns }

// ReadChunk reads the rows that are next, as many as come in one go, and io.EOF after the last ones. Rows that cannot be
// used are no error: they are in Bad. Errors are *LimitError, *FormatError and those of the underlying reader; each is
// returned again by later calls.
func (r *Reader) ReadChunk(c *Chunk) error {
	c.reset(len(r.columns))
	if r.err != nil {
		return r.err
	}
	if r.readErr == nil && !r.eof && r.end < len(r.buf) {
		_ = r.fill() // an error shows again once the rows before it are read
	}
	if err := r.fillChunk(c); err != nil {
		return err
	}
	r.handOver(c)
	return nil
}

// handOver gives the memory to the chunk and goes on in what the chunk had before, with the bytes that are left.
func (r *Reader) handOver(c *Chunk) {
	text, left := r.mem, r.buf[r.pos:r.end]
	c.offset = r.offset - int64(r.pos)
	mem := c.Text[:0]
	if cap(mem) < cap(text) {
		mem = memoryOf(len(r.buf))
	}
	r.setMemory(mem[:len(r.buf)])
	r.pos, r.end, r.kept, r.index.valid = 0, copy(r.buf, left), 0, false
	c.Text = text[:cap(text)]
}

// fillChunk adds rows until the bytes at hand are used up. Once the chunk has rows, no byte of the memory moves.
func (r *Reader) fillChunk(c *Chunk) error {
	for {
		stopped := r.addPlain(c)
		if r.err != nil {
			return r.err
		}
		if stopped && !c.isEmpty() {
			return nil
		}
		err := r.addAny(c)
		switch {
		case errors.Is(err, errNeedsMore), errors.Is(err, io.EOF) && !c.isEmpty():
			return nil
		case err != nil:
			return err
		}
	}
}

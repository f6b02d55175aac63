package index

import (
	"context"
	"errors"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

const (
	readSize   = 1 << 20               // bytes of a block that are read at once, in whole pages
	expandRows = 1 << 15               // rows of a dictionary whose tokens are in memory at once
	readAhead  = fingerprint.TokenSize // room for what a read cut off
)

var emptyToken fingerprint.Token

// columnTokens reads the tokens of one column out of the blocks of a table, in the
// order of the rows, and nothing else of them. Its memory does not grow with them.
type columnTokens struct {
	*blockPages
	files  group // of the blocks
	column int
	buf    []byte
	wide   []byte
}

func newColumnTokens(p *blockPages, files group) *columnTokens {
	return &columnTokens{blockPages: p, files: files, buf: make([]byte, readAhead+readSize)}
}

// each calls f with the tokens of consecutive rows, of which row is the first.
func (c *columnTokens) each(ctx context.Context, f func(row uint32, tokens []byte) error) error {
	for n := range c.blocks {
		if err := c.block(ctx, n, f); err != nil {
			return err
		}
	}
	return nil
}

// block calls f with the tokens of one block.
func (c *columnTokens) block(ctx context.Context, n int, f func(row uint32, tokens []byte) error) error {
	return c.opened(ctx, n, func(file blobs.Reader) error {
		row, place := uint32(int64(n)*c.rowsPerBlock), c.blocks[n].columns[c.column]
		if place.Entries == 0 {
			return c.raw(file, n, f)
		}
		words, err := c.words(file, n)
		if err != nil {
			return err
		}
		return c.places(file, n, func(places []byte) error {
			return c.expand(words, places, place.Width(), &row, f)
		})
	})
}

// opened calls f with the file of a block.
func (c *columnTokens) opened(ctx context.Context, n int, f func(blobs.Reader) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := blobs.Name(c.blocks[n].id)
	if err != nil {
		return err
	}
	file, err := c.files.store.Open(ctx, c.files.session, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return f(file)
}

// raw calls f with the tokens of a block that has no dictionary.
func (c *columnTokens) raw(file blobs.Reader, n int, f func(row uint32, tokens []byte) error) error {
	row, place := uint32(int64(n)*c.rowsPerBlock), c.blocks[n].columns[c.column]
	end := int64(place.Offset + place.Size(c.rowsOf(n)))
	return c.pieces(file, n, int64(place.Offset), end, fingerprint.TokenSize, func(tokens []byte) error {
		first := row
		row += uint32(len(tokens) / fingerprint.TokenSize)
		return f(first, tokens)
	})
}

// words reads the dictionary of a block.
func (c *columnTokens) words(file blobs.Reader, n int) ([]byte, error) {
	place := c.blocks[n].columns[c.column]
	words := make([]byte, 0, place.Entries*fingerprint.TokenSize)
	err := c.pieces(file, n, int64(place.Offset), int64(place.Rows()), fingerprint.TokenSize, func(text []byte) error {
		words = append(words, text...)
		return nil
	})
	return words, err
}

// places calls f with the places in the dictionary that the rows of a block have.
func (c *columnTokens) places(file blobs.Reader, n int, f func(places []byte) error) error {
	place := c.blocks[n].columns[c.column]
	end := int64(place.Offset + place.Size(c.rowsOf(n)))
	return c.pieces(file, n, int64(place.Rows()), end, place.Width(), f)
}

// expand calls f with the tokens of the rows whose places in a dictionary these are.
func (c *columnTokens) expand(words, places []byte, width int, row *uint32, f func(row uint32, tokens []byte) error) error {
	for len(places) > 0 {
		some := min(len(places), expandRows*width)
		tokens, err := block.Expand(c.wide[:0], words, places[:some])
		if err != nil {
			return damaged("a place of column %d: %v", c.column, err)
		}
		if err := f(*row, tokens); err != nil {
			return err
		}
		c.wide, places = tokens, places[some:]
		*row += uint32(len(tokens) / fingerprint.TokenSize)
	}
	return nil
}

// pieces reads a range of a block and calls f with pieces of it, each of whole units.
// The sums of the pages are compared.
func (c *columnTokens) pieces(file blobs.Reader, n int, from, to int64, unit int, f func([]byte) error) error {
	cut := 0 // bytes that the read before has left, just before buf[readAhead]
	for at := from / pageSize * pageSize; at < to; at += readSize {
		text := c.buf[readAhead : readAhead+min(readSize, c.blocks[n].size-at)]
		text = text[:min(int64(len(text)), (to-at+pageSize-1)/pageSize*pageSize)]
		if err := readPages(file, c.blockPages, n, text, at); err != nil {
			return err
		}
		piece := c.buf[readAhead-cut : readAhead+min(int64(len(text)), to-at)]
		if at < from {
			piece = piece[from-at:]
		}
		whole := len(piece) / unit * unit
		if err := f(piece[:whole:whole]); err != nil {
			return err
		}
		cut = copy(c.buf[readAhead-(len(piece)-whole):], piece[whole:])
	}
	return nil
}

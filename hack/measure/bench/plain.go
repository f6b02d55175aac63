package main

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// plainPipeline is the yardstick: what a competent Go programmer writes first
// out of the standard library and golang.org/x/text. Its tokens are those of
// SPEC.md, but for cells with over 30 combining marks in a row, which
// golang.org/x/text breaks up; its blocks are columns of tokens and a CRC-32C.
type plainPipeline struct {
	columns  []*plainColumn
	perBlock int
	block    []byte // a slot of 16 bytes for each column and row, column by column
	rows     int    // in the open block
	emit     func(block []byte) error
}

const plainToken = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// runPlain hands every block of the table to emit, which must not keep it, and
// counts the rows.
func runPlain(text io.Reader, t tableSpec, emit func([]byte) error) (int, error) {
	rows := csv.NewReader(text)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return 0, fmt.Errorf("read the header: %w", err)
	}
	p := &plainPipeline{perBlock: t.rowsPerBlock(), emit: emit}
	for _, c := range t.hashed() {
		column, err := newPlainColumn(c.Name, c.IgnoredDelimiters)
		if err != nil {
			return 0, err
		}
		if column.at = slices.Index(header, c.Name); column.at < 0 {
			return 0, fmt.Errorf("the table has no column %q", c.Name)
		}
		if c.IsCaseInsensitive {
			folder := cases.Fold()
			column.folder = &folder
		}
		p.columns = append(p.columns, column)
	}
	p.block = make([]byte, len(p.columns)*p.perBlock*plainToken, len(p.columns)*p.perBlock*plainToken+crc32.Size)
	return p.read(rows)
}

func (p *plainPipeline) read(rows *csv.Reader) (total int, err error) {
	for {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return total, p.flush()
		}
		if err != nil {
			return total, err
		}
		for i, c := range p.columns {
			slot := p.block[(i*p.perBlock+p.rows)*plainToken:][:plainToken]
			c.token(slot, record[c.at])
		}
		total++
		p.rows++
		if p.rows == p.perBlock {
			if err := p.flush(); err != nil {
				return total, err
			}
		}
	}
}

// flush closes the open block. The slots of a short one are moved together.
func (p *plainPipeline) flush() error {
	if p.rows == 0 {
		return nil
	}
	size := p.rows * plainToken
	for i := range p.columns {
		copy(p.block[i*size:], p.block[i*p.perBlock*plainToken:][:size])
	}
	block := p.block[:len(p.columns)*size]
	block = binary.LittleEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
	p.rows = 0
	return p.emit(block)
}

// plainColumn makes the tokens of one column.
type plainColumn struct {
	at      int
	folder  *cases.Caser      // nil where the column tells cases apart
	ignored *strings.Replacer // nil where it ignores nothing
	mac     hash.Hash
	text    []byte
	sum     []byte
}

func newPlainColumn(name string, ignored []string) (*plainColumn, error) {
	info := []byte("column")
	for _, text := range []string{storeName, name} {
		info = append(binary.BigEndian.AppendUint16(info, uint16(len(text))), text...)
	}
	key, err := hkdf.Key(sha256.New, []byte(storeKey), []byte("exactmatch.dev/fingerprint/v1"), string(info), sha256.Size)
	if err != nil {
		return nil, err
	}
	c := &plainColumn{mac: hmac.New(sha256.New, key)}
	if len(ignored) > 0 {
		var pairs []string
		for _, d := range ignored {
			pairs = append(pairs, d, "")
		}
		c.ignored = strings.NewReplacer(pairs...)
	}
	return c, nil
}

// token writes the token of a cell, zeros for one that is empty.
func (c *plainColumn) token(slot []byte, cell string) {
	normal := c.normalize(cell)
	if normal == "" {
		clear(slot)
		return
	}
	c.mac.Reset()
	c.text = append(c.text[:0], normal...) // a conversion would allocate
	_, _ = c.mac.Write(c.text)             // a hash never fails
	c.sum = c.mac.Sum(c.sum[:0])
	copy(slot, c.sum)
}

// normalize is SPEC.md with the short cuts that ASCII allows.
func (c *plainColumn) normalize(s string) string {
	switch {
	case !isPrintableASCII(s):
		s = c.normalizeUnicode(s)
	case c.folder != nil:
		s = strings.ToLower(s)
	}
	if c.ignored != nil {
		s = c.ignored.Replace(s)
	}
	s = strings.Trim(s, " ")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

func (c *plainColumn) normalizeUnicode(s string) string {
	s = norm.NFKC.String(s)
	if c.folder != nil {
		s = norm.NFKC.String(strings.Map(cherokeeUp, c.folder.String(s)))
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s)
}

// cherokeeUp folds that script as Unicode does, which x/text does not.
func cherokeeUp(r rune) rune {
	switch {
	case r >= 0xab70 && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	case r >= 0x13f8 && r <= 0x13fd:
		return r - 8
	}
	return r
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The kinds of tables. Only rows and wide ones can be read from the middle.
const (
	kindRows    = "rows"
	kindWide    = "wide"    // the same with 32 columns
	kindLine    = "line"    // one row that has no end
	kindHeader  = "header"  // the same without a header
	kindCell    = "cell"    // one row with one long cell
	kindBomb    = "bomb"    // much of the same, compressed
	kindColumns = "columns" // as many columns as its size
)

// tableSpec is a table that exists only while it is read. Fields are hashed, the
// first two of them where that is 0.
type tableSpec struct {
	Kind         string `json:"kind"`
	Size         int64  `json:"size"`
	RowsPerBlock int    `json:"rowsPerBlock"`
	Fields       int    `json:"fields"`
}

const (
	tableHeader = "ID,Mail,Note\n"
	rowBytes    = 1000
	wideColumns = 32
	wideCell    = 7
)

// layout is how a table of rows of one length looks.
type layout struct {
	header string
	width  int64 // of a row
	row    func(i int64) []byte
}

var layouts = map[string]layout{
	kindRows: {tableHeader, rowBytes, rowAt},
	kindWide: {strings.Join(columnNames(wideColumns), ",") + "\n", wideColumns * (wideCell + 1), wideRowAt},
}

func (l layout) size(rows int64) int64 { return int64(len(l.header)) + rows*l.width }

// sizeOfRows is the size of a table by its rows.
func sizeOfRows(kind string, rows int) int64 { return layouts[kind].size(int64(rows)) }

func columnNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("C%d", i))
	}
	return names
}

// origin serves tables by range and keeps none of them.
type origin struct {
	server *http.Server
	base   string
}

func startOrigin(ctx context.Context) (*origin, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{base: "http://" + l.Addr().String()}
	o.server = &http.Server{Handler: http.HandlerFunc(serveTable), ReadHeaderTimeout: time.Minute}
	go func() { _ = o.server.Serve(l) }() // until stop
	return o, nil
}

func (o *origin) stop() { _ = o.server.Close() }

func (o *origin) url(t *tableSpec) string {
	return o.base + "/table.csv?" + url.Values{"kind": {t.Kind}, "size": {strconv.FormatInt(t.Size, 10)}}.Encode()
}

func serveTable(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.FormValue("size"), 10, 64)
	if err != nil {
		http.Error(w, "no size", http.StatusBadRequest)
		return
	}
	t := tableSpec{Kind: r.FormValue("kind"), Size: n}
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, t.Kind, t.Size))
	if l, rows := layouts[t.Kind]; rows {
		http.ServeContent(w, r, "", time.Time{}, &rowsReader{layout: l, size: l.size((t.Size - int64(len(l.header))) / l.width)})
		return
	}
	_ = t.write(w) // the reader is gone where this fails
}

// write writes the tables that are read from their start only.
func (t tableSpec) write(w io.Writer) (err error) {
	out := func(text string) {
		if err == nil {
			_, err = io.WriteString(w, text)
		}
	}
	fill := func() {
		if err == nil {
			_, err = io.CopyN(w, repeated("x"), t.Size)
		}
	}
	switch t.Kind {
	case kindLine:
		out(tableHeader + "1,\"")
		fill()
	case kindHeader:
		fill()
	case kindCell:
		out(tableHeader + "1,")
		fill()
		out(",note\n2,b@x,note\n")
	case kindColumns:
		out(strings.Join(columnNames(int(t.Size)), ",") + "\n" + strings.Repeat(",", int(t.Size)-1) + "\n")
	case kindBomb:
		z := gzip.NewWriter(w)
		_, err = io.WriteString(z, tableHeader)
		if err == nil {
			_, err = io.CopyN(z, repeated("1,b@x,note\n"), t.Size)
		}
		err = errors.Join(err, z.Close())
	}
	return err
}

// repeated is a text again and again without an end.
func repeated(text string) io.Reader {
	return &repeater{text: bytes.Repeat([]byte(text), 64<<10/len(text))}
}

type repeater struct {
	text []byte
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// rowsReader is a table of rows of one length, so that it can be read from
// anywhere.
type rowsReader struct {
	layout
	at, size int64
}

func (r *rowsReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("before the start")
	}
	r.at = offset
	return offset, nil
}

func (r *rowsReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.at < r.size {
		var from []byte
		if header := int64(len(r.header)); r.at < header {
			from = []byte(r.header)[r.at:]
		} else {
			from = r.row((r.at - header) / r.width)[(r.at-header)%r.width:]
		}
		copied := copy(p[n:], from)
		n += copied
		r.at += int64(copied)
	}
	return n, nil
}

var note = strings.Repeat("n", rowBytes)

// rowAt is a row: its number twice, and a note that makes it as long as all are.
func rowAt(i int64) []byte {
	row := make([]byte, 0, rowBytes+32)
	row = strconv.AppendInt(append(row, "P-"...), i, 10)
	row = strconv.AppendInt(append(row, ",p"...), i, 10)
	row = append(row, "@example.com,"...)
	row = append(row, note[:rowBytes-1-len(row)]...)
	return append(row, '\n')
}

// wideRowAt is a row whose cells are all different.
func wideRowAt(i int64) []byte {
	row := make([]byte, wideColumns*(wideCell+1))
	for c := range wideColumns {
		cell := row[c*(wideCell+1) : (c+1)*(wideCell+1)]
		for n, at := i*wideColumns+int64(c), wideCell-1; at >= 0; at-- {
			cell[at] = '0' + byte(n%10)
			n /= 10
		}
		cell[wideCell] = ','
	}
	row[len(row)-1] = '\n'
	return row
}

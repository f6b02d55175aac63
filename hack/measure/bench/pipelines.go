package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// plainCase runs the yardstick.
func plainCase(_ context.Context, t task) (*measure.Sample, error) {
	if t.Case.Where == inFile {
		return plainFile(t)
	}
	text, err := os.ReadFile(t.Table)
	if err != nil {
		return nil, err
	}
	var rows int
	s, err := measure.Section(func() error {
		rows, err = runPlain(bytes.NewReader(text), t.Case.Table, func([]byte) error { return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Rows, s.Bytes = rows, int64(len(text))
	if t.Sum {
		var sum tokenSum
		_, err = runPlain(bytes.NewReader(text), t.Case.Table, func(b []byte) error {
			sum.add(b[:len(b)-4])
			return nil
		})
		s.TokenSum = sum.String()
	}
	return s, err
}

func plainFile(t task) (s *measure.Sample, err error) {
	path := filepath.Join(t.Work, "blocks")
	var rows int
	var size int64
	s, err = measure.Section(func() (err error) {
		in, err := os.Open(t.Table)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.Close()) }()
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		rows, err = runPlain(bufio.NewReaderSize(in, 1<<20), t.Case.Table, func(b []byte) error {
			_, err := out.Write(b)
			return err
		})
		if err != nil {
			return err
		}
		info, err := in.Stat()
		if err == nil {
			size = info.Size()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Rows, s.Bytes = rows, size
	if t.Sum {
		s.TokenSum, err = sumOfPlainBlocks(path, t.Case.Table)
	}
	return s, err
}

// oursCase runs the code under test over a prepared plan.
func oursCase(ctx context.Context, t task) (*measure.Sample, error) {
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, err
	}
	plan := t.Case.Table.plan(from)
	prepared, err := pipeline.Prepare(ctx, plan)
	if err != nil {
		return nil, err
	}
	emit := func(int, []byte) error { return nil }
	var out *blockFile
	if t.Case.Where == inFile {
		out = &blockFile{path: filepath.Join(t.Work, "blocks"), slot: int64(block.SizeBound(plan.RowsPerBlock, len(plan.Columns))), sizes: make([]int, prepared.Blocks)}
		emit = out.write
	}
	s, err := measure.Section(func() error {
		if out == nil {
			return makeBlocks(ctx, plan, prepared, t.Case.Workers, emit)
		}
		if err := out.open(); err != nil {
			return err
		}
		return errors.Join(makeBlocks(ctx, plan, prepared, t.Case.Workers, emit), out.close())
	})
	if err != nil {
		return nil, err
	}
	s.Rows, s.Bytes = int(prepared.Rows), prepared.Bytes
	if t.Sum {
		s.TokenSum, err = sumOfOurs(ctx, t, plan, prepared, out)
	}
	return s, err
}

// openTable is the case's table in memory, or as a file below a root.
func openTable(ctx context.Context, t task) (source.Source, error) {
	if t.Case.Where == inFile {
		return source.Open(ctx, source.Config{
			URI: "file:///" + filepath.Base(t.Table), Root: filepath.Dir(t.Table), Schemes: []string{"file"},
		})
	}
	text, err := os.ReadFile(t.Table)
	return source.Bytes(filepath.Base(t.Table), text), err
}

func sumOfOurs(ctx context.Context, t task, plan pipeline.Plan, prepared *pipeline.Prepared, out *blockFile) (string, error) {
	var mu sync.Mutex
	var sum tokenSum
	add := func(_ int, data []byte) error {
		b, err := block.Decode(data)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for c := range b.Columns {
			sum.add(b.Column(c))
		}
		return nil
	}
	if out != nil {
		err := out.each(add)
		return sum.String(), err
	}
	err := makeBlocks(ctx, plan, prepared, t.Case.Workers, add)
	return sum.String(), err
}

// blockFile is one file of blocks in their order. Each has a slot of the most
// bytes that it can take, so that blocks may come in any order.
type blockFile struct {
	path  string
	slot  int64
	file  *os.File
	sizes []int
}

func (f *blockFile) open() (err error) {
	f.file, err = os.Create(f.path)
	return err
}

func (f *blockFile) close() error { return f.file.Close() }

// write puts a block into its slot; each index comes once.
func (f *blockFile) write(index int, data []byte) error {
	if index >= len(f.sizes) {
		return fmt.Errorf("block %d of %d", index, len(f.sizes))
	}
	f.sizes[index] = len(data)
	_, err := f.file.WriteAt(data, int64(index)*f.slot)
	return err
}

// each reads the blocks again.
func (f *blockFile) each(use func(int, []byte) error) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	for i, size := range f.sizes {
		data := make([]byte, size)
		if _, err = io.ReadFull(io.NewSectionReader(in, int64(i)*f.slot, int64(size)), data); err != nil {
			break
		}
		if err = use(i, data); err != nil {
			break
		}
	}
	return errors.Join(err, in.Close())
}

// prepareCase runs the reading that comes before an upload.
func prepareCase(ctx context.Context, t task) (*measure.Sample, error) {
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, err
	}
	var prepared *pipeline.Prepared
	s, err := measure.Section(func() error {
		prepared, err = pipeline.Prepare(ctx, t.Case.Table.plan(from))
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Rows, s.Bytes = int(prepared.Rows), prepared.Bytes
	return s, nil
}

// sha256Case sums the bytes that prepareCase reads.
func sha256Case(_ context.Context, t task) (*measure.Sample, error) {
	text, err := os.ReadFile(t.Table)
	if err != nil {
		return nil, err
	}
	s, err := measure.Section(func() error {
		sha256.Sum256(text)
		return nil
	})
	s.Rows, s.Bytes = t.Case.Table.Rows, int64(len(text))
	return s, err
}

// floorRows are few enough that their cells and tokens fit the second cache.
const floorRows = 2048

// floorCase runs the hashes alone.
func floorCase(_ context.Context, t task) (*measure.Sample, error) {
	columns, err := floorColumns(t)
	if err != nil {
		return nil, err
	}
	hashes := newFloor(columns)
	s, err := measure.Section(func() error {
		hashes.hash(t.Case.Table.Rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Rows = t.Case.Table.Rows
	return s, nil
}

// floorColumns normalises the first rows of the table.
func floorColumns(t task) ([]floorColumn, error) {
	in, err := os.Open(t.Table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	rows := csv.NewReader(in)
	if _, err := rows.Read(); err != nil {
		return nil, err
	}
	hashed := t.Case.Table.hashed()
	columns := make([]floorColumn, len(hashed))
	for range floorRows {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for i, at := range t.Case.Table.positions() {
			c := hashed[i]
			normal, err := fingerprint.Normalize(schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}, []byte(record[at]))
			if err != nil {
				return nil, err
			}
			columns[i].name = c.Name
			columns[i].text = append(columns[i].text, normal...)
			columns[i].ends = append(columns[i].ends, uint32(len(columns[i].text)))
		}
	}
	if len(columns[0].ends) == 0 {
		return nil, fmt.Errorf("the table %s has no rows: delete it, and the next run makes it again", filepath.Base(t.Table))
	}
	return columns, nil
}

// Command peers makes the index of a table's tokens in Pebble or in SQLite, as a program
// would that takes one of them, and looks tokens up. Its one argument is a task in JSON;
// it prints what it found as the benchmarks read it.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// task is what is made: Columns of Rows tokens each, of Kinds of them, 0 for another
// token in each row.
type task struct {
	Peer    string `json:"peer"`
	Dir     string `json:"dir"`
	Rows    int    `json:"rows"`
	Kinds   []int  `json:"kinds"`
	Memory  int64  `json:"memory"`
	Lookups int    `json:"lookups"`
}

// sample is measure.Sample as far as it is filled here.
type sample struct {
	Wall  time.Duration      `json:"wallNanoseconds"`
	CPU   time.Duration      `json:"cpuNanoseconds"`
	Rows  int                `json:"rows"`
	Bytes int64              `json:"bytes"`
	Parts map[string]float64 `json:"parts"`
}

const (
	tokenSize = 16
	keySize   = 1 + tokenSize + 4 // column, token, row
)

// store keeps keys in their order. All that was added is durable once flush returns.
type store interface {
	add(key [keySize]byte) error
	flush() error
	// first is the row of the first key of a column's token, -1 where there is none.
	first(column byte, token [tokenSize]byte) (int, error)
	close() error
}

var stores = map[string]func(task) (store, error){"pebble": openPebble, "sqlite": openSQLite}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var t task
	if len(os.Args) != 2 {
		return errors.New("give one task in JSON")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &t); err != nil {
		return err
	}
	open := stores[t.Peer]
	if open == nil {
		return fmt.Errorf("no such peer: %q", t.Peer)
	}
	s, err := measured(t, open)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func measured(t task, open func(task) (store, error)) (*sample, error) {
	tokens := tokensOf(t)
	began, used := time.Now(), processorTime()
	st, err := open(t)
	if err != nil {
		return nil, err
	}
	if err := fill(st, tokens); err != nil {
		return nil, errors.Join(err, st.close())
	}
	s := &sample{Wall: time.Since(began), CPU: processorTime() - used, Rows: t.Rows, Parts: map[string]float64{}}
	if s.Bytes, err = sizeOf(t.Dir); err != nil {
		return nil, errors.Join(err, st.close())
	}
	perLookup, err := ask(st, tokens[0], t.Lookups)
	s.Parts["lookupSeconds"] = perLookup.Seconds()
	return s, errors.Join(err, st.close())
}

// tokensOf makes the tokens of all columns.
func tokensOf(t task) (out [][][tokenSize]byte) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // keys of a store, not secrets
	for column, n := range t.Kinds {
		tokens := make([][tokenSize]byte, t.Rows)
		for row := range tokens {
			of := random
			if n > 0 {
				of = rand.New(rand.NewPCG(uint64(column), random.Uint64N(uint64(n)))) //nolint:gosec // keys of a store, not secrets
			}
			binary.LittleEndian.PutUint64(tokens[row][:], of.Uint64())
			binary.LittleEndian.PutUint64(tokens[row][8:], of.Uint64())
		}
		out = append(out, tokens)
	}
	return out
}

func keyOf(column byte, token [tokenSize]byte, row uint32) (key [keySize]byte) {
	key[0] = column
	copy(key[1:], token[:])
	binary.BigEndian.PutUint32(key[1+tokenSize:], row)
	return key
}

// fill adds all tokens, column by column.
func fill(st store, columns [][][tokenSize]byte) error {
	for column, tokens := range columns {
		for row, token := range tokens {
			if err := st.add(keyOf(byte(column), token, uint32(row))); err != nil {
				return err
			}
		}
	}
	return st.flush()
}

// ask looks tokens of the first column up, and then again, measured.
func ask(st store, tokens [][tokenSize]byte, times int) (time.Duration, error) {
	var began time.Duration
	for range 2 {
		began = processorTime()
		for i := range times {
			row := i * 7_654_321 % len(tokens)
			got, err := st.first(0, tokens[row])
			if err != nil {
				return 0, err
			}
			if got != row {
				return 0, fmt.Errorf("the token of row %d is found in row %d", row, got)
			}
		}
	}
	return (processorTime() - began) / time.Duration(times), nil
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // its arguments are right
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// sizeOf adds up the files below a folder.
func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

//go:embed duckdb/package.json duckdb/package-lock.json duckdb/pipeline.mjs python/pipeline.py
var peerFiles embed.FS

// installTime bounds what the package registry may take.
const installTime = 5 * time.Minute

// preparePeers writes the peers' programs below a folder and installs DuckDB. A
// peer that cannot be installed is noted and left out.
func preparePeers(ctx context.Context, dir string, note func(string, ...any)) (peers, error) {
	if err := writePeers(dir); err != nil {
		return peers{}, err
	}
	var p peers
	if version, err := measure.Output(ctx, dir, "python3", "--version"); err == nil {
		p.Python, p.PyVersion = filepath.Join(dir, "python", "pipeline.py"), version
	} else {
		note("Python is left out: there is no python3 in PATH")
	}
	duckDB := filepath.Join(dir, "duckdb")
	if err := installDuckDB(ctx, duckDB); err != nil {
		note("DuckDB is left out: %v", err)
		return p, ctx.Err()
	}
	version, err := measure.Output(ctx, duckDB, "node", "pipeline.mjs", "version")
	if err != nil {
		note("DuckDB is left out: it does not start: %v", err)
		return p, ctx.Err()
	}
	p.DuckDB, p.DuckDBVersion = filepath.Join(duckDB, "pipeline.mjs"), version
	return p, nil
}

func writePeers(dir string) error {
	return fs.WalkDir(peerFiles, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(dir, path), 0o750))
		}
		text, err := peerFiles.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, path), text, 0o600))
	})
}

// installDuckDB installs what the lock file pins, unless it is there.
func installDuckDB(ctx context.Context, dir string) error {
	lock, err := peerFiles.ReadFile("duckdb/package-lock.json")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(lock)
	stamp, want := filepath.Join(dir, "node_modules", ".bench"), hex.EncodeToString(sum[:])
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("there is no node in PATH")
	}
	ctx, stop := context.WithTimeout(ctx, installTime)
	defer stop()
	if _, err := measure.Output(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return fmt.Errorf("npm could not install it: %w", err)
	}
	return os.WriteFile(stamp, []byte(want), 0o600)
}

// peerTask is what the peers' programs get as their one argument.
type peerTask struct {
	Table        string       `json:"table"`
	Out          string       `json:"out"`
	Store        string       `json:"store"`
	Key          string       `json:"key"` // hexadecimal
	RowsPerBlock int          `json:"rowsPerBlock"`
	Threads      int          `json:"threads"`
	Columns      []peerColumn `json:"columns"`
}

type peerColumn struct {
	Name    string `json:"name"`
	Fold    bool   `json:"fold"`
	Ignored string `json:"ignored"`
}

func peerTaskOf(t task) (string, error) {
	p := peerTask{
		Table: t.Table, Out: filepath.Join(t.Work, "blocks"), Store: storeName, Key: hex.EncodeToString([]byte(storeKey)),
		RowsPerBlock: t.Case.Table.rowsPerBlock(), Threads: t.Case.Workers,
	}
	for _, c := range t.Case.Table.hashed() {
		p.Columns = append(p.Columns, peerColumn{Name: c.Name, Fold: c.IsCaseInsensitive, Ignored: strings.Join(c.IgnoredDelimiters, "")})
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// duckDB measures DuckDB from file to Parquet.
func (p peers) duckDB(ctx context.Context, t task) (*measure.Sample, error) {
	argument, err := peerTaskOf(t)
	if err != nil {
		return nil, err
	}
	return finish(exec.CommandContext(ctx, "node", p.DuckDB, argument)) //nolint:gosec // our own program
}

// python measures Python from file to blocks, whose tokens are ours.
func (p peers) python(ctx context.Context, t task) (*measure.Sample, error) {
	argument, err := peerTaskOf(t)
	if err != nil {
		return nil, err
	}
	s, err := finish(exec.CommandContext(ctx, "python3", p.Python, argument)) //nolint:gosec // our own program
	if err != nil || !t.Sum {
		return s, err
	}
	s.TokenSum, err = sumOfPlainBlocks(filepath.Join(t.Work, "blocks"), t.Case.Table)
	return s, err
}

// finish runs a process of a peer.
func finish(cmd *exec.Cmd) (*measure.Sample, error) {
	s := &measure.Sample{}
	return s, measure.Finish(cmd, s)
}

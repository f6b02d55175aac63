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

// preparePeers writes the peers' programs of some kinds of cases below a folder, and
// installs or builds what they need. A peer that cannot be had is noted and left out.
func preparePeers(ctx context.Context, dir string, kinds map[string]bool, note func(string, ...any)) (p peers, err error) {
	if err := writePeers(dir); err != nil {
		return p, err
	}
	for _, one := range []struct {
		kind, name string
		prepare    func(context.Context, string) error
	}{
		{kindPython, "Python", p.preparePython}, {kindDuckDB, "DuckDB", p.prepareDuckDB},
		{kindRedis, "Redis", p.prepareRedis}, {kindPebble, "Pebble and SQLite", p.prepareStores},
	} {
		if !kinds[one.kind] {
			continue
		}
		if err := one.prepare(ctx, dir); err != nil {
			note("%s is left out: %v", one.name, err)
		}
	}
	return p, ctx.Err()
}

func (p *peers) preparePython(ctx context.Context, dir string) error {
	version, err := measure.Output(ctx, dir, "python3", "--version")
	if err != nil {
		return errors.New("there is no python3 in PATH")
	}
	p.Python, p.PyVersion = filepath.Join(dir, "python", "pipeline.py"), version
	return nil
}

func (p *peers) prepareDuckDB(ctx context.Context, dir string) error {
	dir = filepath.Join(dir, "duckdb")
	if err := installDuckDB(ctx, dir); err != nil {
		return err
	}
	version, err := measure.Output(ctx, dir, "node", "pipeline.mjs", "version")
	if err != nil {
		return fmt.Errorf("it does not start: %w", err)
	}
	p.DuckDB, p.DuckDBVersion = filepath.Join(dir, "pipeline.mjs"), version
	return nil
}

func (p *peers) prepareRedis(ctx context.Context, dir string) error {
	version, err := measure.Output(ctx, dir, "redis-server", "--version")
	if err != nil {
		return errors.New("there is no redis-server in PATH: Debian's package is redis-server")
	}
	p.Redis, p.RedisVersion = "redis-server", version
	return nil
}

// storesFolder is the module of the other stores of keys, from the project's folder.
const storesFolder = "hack/measure/peers"

func (p *peers) prepareStores(ctx context.Context, dir string) error {
	program := filepath.Join(dir, "stores")
	if _, err := measure.Output(ctx, storesFolder, "go", "build", "-tags=", "-o", program, "."); err != nil {
		return err
	}
	p.Stores = program
	return nil
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

// storeLookups are the tokens that a store of keys is asked for.
const storeLookups = 200_000

// store measures Pebble or SQLite with as many tokens as an index has.
func (p peers) store(ctx context.Context, t task) (*measure.Sample, error) {
	argument, err := json.Marshal(map[string]any{
		"peer": t.Case.Kind, "dir": t.Work, "rows": t.Case.Rows, "kinds": kindsOf, "memory": 256 << 20, "lookups": storeLookups,
	})
	if err != nil {
		return nil, err
	}
	return finish(exec.CommandContext(ctx, p.Stores, string(argument))) //nolint:gosec // our own program
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
